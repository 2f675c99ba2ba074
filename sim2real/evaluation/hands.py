"""The hands that an evaluation in one process can be run on, and how each of them keeps time."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sim2real.contract.camera import CameraSpec
from sim2real.contract.robot_spec import RobotSpec
from sim2real.evaluation.hand import Hand
from sim2real.evaluation.session import BenchTask, EpisodeFault
from sim2real.hardware.cameras import CameraPlace, open_camera
from sim2real.hardware.file_camera import FileCamera
from sim2real.hardware.registry import RobotPlace, open_robot
from sim2real.runtime.pacing import Pacer
from sim2real.tether import tethered

if TYPE_CHECKING:
    from sim2real.emulator.faults import FaultPlan
    from sim2real.emulator.line import Line
    from sim2real.emulator.plant import TaskDynamics

EMULATOR_START_S = 60.0
"""compiling the model on a busy machine included"""
EMULATOR_STOP_S = 10.0


@contextmanager
def simulated_hand(
    spec: RobotSpec, task: BenchTask, period_s: float, camera: CameraSpec | None = None
) -> Iterator[Hand]:
    """The task in MuJoCo, in lock-step: as fast as it goes, the same on every machine."""
    from sim2real.hardware.simulated import SimulatedRobot

    assert task.make_model is not None
    robot = SimulatedRobot(spec, control_period_s=period_s, mj_model=task.make_model())
    yield Hand(
        robot=robot,
        rate_hz=1.0 / period_s,
        is_paced=False,
        clock_ns=robot.now_ns,
        camera=None if camera is None else robot.camera(camera),
    )


@contextmanager
def emulated_hand(
    spec: RobotSpec,
    task: BenchTask,
    rate_hz: float,
    faults: Path | None = None,
    realtime_priority: int = 0,
    camera: CameraSpec | None = None,
) -> Iterator[Hand]:
    """The task behind an emulated bus, in a process of its own and in real time; so is its camera.

    `realtime_priority` is that of the process, 0: none. It ends with this one. Called from the main
    thread. Raises `EpisodeFault` when the emulator does not come up.
    """
    command = [sys.executable, "-m", "sim2real.cli", "emulate", "--robot", str(spec.source)]
    command += ["--task", task.reference] if task.reference else []
    command += ["--faults", str(faults)] if faults is not None else []
    command += ["--camera", camera.name] if camera is not None else []
    tied = tethered(command, os.getpid(), realtime_priority)
    with subprocess.Popen(tied, stdout=subprocess.PIPE, text=True) as process:
        try:
            port = _port_of(process)
            place = RobotPlace(kind="emulated", port=port, unit="emulated")
            eye = None if camera is None else FileCamera(Path(port), camera)
            yield Hand(robot=open_robot(spec, place), rate_hz=rate_hz, camera=eye)
        finally:
            process.terminate()
            try:
                process.wait(EMULATOR_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()


def lock_step_hand(
    spec: RobotSpec,
    rate_hz: float,
    dynamics: TaskDynamics | None = None,
    faults: FaultPlan | None = None,
    camera: CameraSpec | None = None,
) -> tuple[Hand, Line]:
    """An emulated hand whose time passes only while somebody waits for it, and its bus line.

    As byte-accurate as one in real time, and the same on every machine, however busy.
    """
    from sim2real.emulator.camera import LineCamera
    from sim2real.emulator.direct_port import DirectPort
    from sim2real.emulator.line import Line, LineOptions
    from sim2real.emulator.plant import Plant
    from sim2real.hardware.calibration import load_calibration
    from sim2real.hardware.dynamixel.driver import DynamixelRobot

    calibration = load_calibration(spec, "emulated")
    servos = [calibration.servos[name] for name in (*spec.joint_names, *_object_names(spec))]
    options = LineOptions(
        baud=spec.bus.baud,
        supply_v=spec.servo.nominal_voltage_v,
        signs=tuple(servo.sign for servo in servos),
        zero_ticks=tuple(float(servo.zero_count) for servo in servos),
    )
    line = Line(spec, Plant(spec, dynamics=dynamics), options, faults)
    eye = None if camera is None else LineCamera(line, camera, faults)

    def clock_ns() -> int:
        return round(line.now * 1e9)

    def sleep(seconds: float) -> None:
        end = line.now + seconds
        while eye is not None and eye.next_at < end:
            line.advance_to(eye.next_at)
            eye.look()
        line.advance_to(end)

    robot = DynamixelRobot(
        spec, calibration, lambda: DirectPort(line), clock_ns=clock_ns, sleep=sleep
    )
    pacer = Pacer(1.0 / rate_hz, clock_ns=clock_ns, sleep=sleep)
    hand = Hand(robot=robot, rate_hz=rate_hz, clock_ns=clock_ns, pacer=pacer, camera=eye)
    return hand, line


def _object_names(spec: RobotSpec) -> tuple[str, ...]:
    return tuple(item.name for item in spec.objects)


@contextmanager
def serial_hand(
    spec: RobotSpec,
    port: str,
    unit: str,
    rate_hz: float,
    camera: CameraSpec | None = None,
    device: str = "",
) -> Iterator[Hand]:
    """A real hand on a serial port, with a video device where the policy sees.

    Raises `BadInput` for its calibration, and for a camera that is not there.
    """
    place = RobotPlace(kind="serial", port=port, unit=unit)
    robot = open_robot(spec, place)
    if camera is None:
        yield Hand(robot=robot, rate_hz=rate_hz)
        return
    eye = open_camera(camera, CameraPlace(kind="v4l2", at=device))
    try:
        yield Hand(robot=robot, rate_hz=rate_hz, camera=eye)
    finally:
        eye.close()


def _port_of(process: subprocess.Popen[str]) -> str:
    """Where the emulator serves, which its first line says."""
    assert process.stdout is not None
    ready = select.select([process.stdout], (), (), EMULATOR_START_S)[0]
    line = process.stdout.readline() if ready else ""
    try:
        return str(json.loads(line)["port"])
    except (json.JSONDecodeError, KeyError, TypeError):
        reason = f"it ended with {process.wait()}" if ready else "it is still silent"
        raise EpisodeFault("no_emulator", f"the emulated bus did not come up: {reason}") from None
