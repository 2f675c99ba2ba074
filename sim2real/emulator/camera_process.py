"""The camera of an emulated hand in real time: a process of its own beside that of the bus.

Drawing takes its time, and within the bus's process answers would wait for it. So the bus leaves
where the joints are in a mailbox, this looks into it once in a camera's period, and leaves a frame
in another one. It ends when its standard input does.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import mujoco
import numpy as np

from sim2real.contract import strict
from sim2real.contract.camera import CameraSpec
from sim2real.emulator.camera import EmulatedCamera
from sim2real.emulator.faults import Fault, FaultPlan
from sim2real.hardware.file_camera import FRAMES, FrameOutbox
from sim2real.hardware.mailbox import Mailbox, MailboxReader

START_S = 60.0
"""compiling nothing, but importing MuJoCo on a busy machine"""
STOP_S = 5.0
STATE = "state.mailbox"
MODEL = "model.mjb"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setup:
    """What the process is told first."""

    folder: str
    """where the model and the mailboxes are"""
    camera: CameraSpec
    epoch_ns: int
    """bus time zero on the host's monotonic clock"""
    plan: FaultPlan


class StateOutbox:
    """The bus's side: where the joints are, for all of its cameras."""

    def __init__(self, folder: Path, mj_model: mujoco.MjModel) -> None:
        mujoco.mj_saveModel(mj_model, str(folder / MODEL))
        self._mailbox = Mailbox(folder / STATE, 8 * int(mj_model.nq))

    def put(self, stamp_ns: int, qpos: Any) -> None:
        self._mailbox.put(stamp_ns, qpos.tobytes())

    def close(self) -> None:
        self._mailbox.close()


class CameraProcess:
    """One camera, as whoever serves the bus sees it."""

    def __init__(self, setup: Setup) -> None:
        command = [sys.executable, "-m", "sim2real.emulator.camera_process"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.spec = setup.camera
        self._tell(dataclasses.asdict(setup))

    def await_frames(self) -> None:
        """Until the first frame is there. Raises `RuntimeError` if none comes."""
        assert self._process.stdout is not None
        ready = select.select([self._process.stdout], (), (), START_S)[0]
        if not ready or not self._process.stdout.readline():
            raise RuntimeError(f"the camera {self.spec.name} does not come up")

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def inject(self, fault: Fault) -> None:
        """Start a fault at the next frame, or as its own fields say, counted from then."""
        self._tell(dataclasses.asdict(fault))

    def stop(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def _tell(self, document: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(document) + "\n")
        self._process.stdin.flush()


class _Lines:
    """Lines of the standard input as they come; waiting for them is how this process sleeps."""

    def __init__(self) -> None:
        self._rest = b""
        self.has_ended = False

    def until(self, deadline_ns: int) -> list[str]:
        """Those that came before the deadline, or at once if some did."""
        seconds = max((deadline_ns - time.monotonic_ns()) * 1e-9, 0.0)
        if not select.select([0], (), (), seconds)[0]:
            return []
        data = os.read(0, 65536)
        self.has_ended = not data
        *whole, self._rest = (self._rest + data).split(b"\n")
        return [line.decode() for line in whole]

    def next(self) -> str:
        """The first one, however long it takes."""
        lines: list[str] = []
        while not lines and not self.has_ended:
            lines = self.until(time.monotonic_ns() + 1_000_000_000)
        return lines[0] if lines else ""


def main() -> None:
    """Serve one camera until the standard input ends."""
    lines = _Lines()
    text = lines.next()
    if not text:
        return
    setup = strict.build(Setup, json.loads(text), "camera process")
    folder = Path(setup.folder)
    mj_model = mujoco.MjModel.from_binary_path(str(folder / MODEL))
    camera = EmulatedCamera(mj_model, setup.camera, setup.plan)
    state = MailboxReader(folder / STATE, 8 * int(mj_model.nq))
    outbox = FrameOutbox(folder / f"{setup.camera.name}{FRAMES}", setup.camera)
    try:
        _serve(setup, lines, camera, state, outbox)
    finally:
        outbox.close()


def _serve(
    setup: Setup, lines: _Lines, camera: EmulatedCamera, state: MailboxReader, outbox: FrameOutbox
) -> None:
    def now_s() -> float:
        return (time.monotonic_ns() - setup.epoch_ns) * 1e-9

    period_ns, is_ready = round(setup.camera.period_s * 1e9), False
    next_ns, seen = time.monotonic_ns(), 0
    while not lines.has_ended:
        arrival_ns = setup.epoch_ns + min(camera.next_arrival_s, 1e9) * 1e9
        for line in lines.until(min(next_ns, round(arrival_ns))):
            camera.inject(strict.build(Fault, json.loads(line), "camera process"), now_s())
        if time.monotonic_ns() >= next_ns:
            # A deadline that has passed for good is no frame: the camera was too slow for it.
            next_ns += period_ns * max(1, -((next_ns - time.monotonic_ns()) // period_ns))
            letter = state.latest()
            # A hand that stands still because its process does is no new picture.
            if letter is not None and letter.number != seen:
                seen = letter.number
                camera.take(np.frombuffer(letter.content), letter.stamp_ns, now_s())
        for frame in camera.receive(now_s()):
            outbox.put(frame)
            if not is_ready:
                is_ready = True
                print("ready", flush=True)


if __name__ == "__main__":
    main()
