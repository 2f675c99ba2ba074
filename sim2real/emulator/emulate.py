"""`taskbelief emulate`: the bus as a process of its own, until it is told to stop."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from sim2real.contract.camera import camera_named
from sim2real.contract.output_file import PART, naming, require_folder
from sim2real.contract.robot_spec import DCLAW, RobotSpec, load_robot_spec
from sim2real.emulator.bus_server import EmulatedBus
from sim2real.emulator.faults import FaultPlan, load_fault_plan
from sim2real.emulator.plant import TaskDynamics
from sim2real.emulator.port_link import require_free
from sim2real.hardware.file_camera import frames_beside
from sim2real.hardware.physics_model import default_mjcf
from sim2real.stop_signal import POLL_S, stop_signal

LINGER_S = 2.0
"""how long a hand stays for a driver that was told to stop at the same moment to let go of it"""
CONFIRM_S = 0.5
"""and how long after that for every servo to confirm it"""


def emulate(
    spec: RobotSpec,
    *,
    baud: int | None = None,
    faults: Path | None = None,
    dynamics: TaskDynamics | None = None,
    seed: int = 0,
    link: Path | None = None,
    camera: str = "",
    output: TextIO = sys.stdout,
) -> None:
    """Serve an emulated bus in real time until SIGINT or SIGTERM, and shortly until torque is off.

    Once it serves it prints one line, `{"port": path, "baud": bits per second, "ids": [...],
    "robot": its robot.yaml, "model": its MJCF}`, and "dynamics": {name: [...]} where they are a
    task's. `camera` names one of the robot's: then it also says "camera": its frames' mailbox.
    `link` is a path that leads to the port as long as it is there: one emulator after the other
    can be found at the same place.
    Raises `BadInput` for a fault plan or a model that does not fit, or a link that is taken.
    """
    plan = FaultPlan(seed=seed) if faults is None else load_fault_plan(faults)
    cameras = (camera_named(spec, camera),) if camera else ()
    with (
        stop_signal() as stop,
        EmulatedBus(
            spec, baud=baud, faults=plan, seed=seed, dynamics=dynamics, cameras=cameras
        ) as bus,
        _linked(link, bus.port) as port,
    ):
        place: dict[str, Any] = {"port": port, "baud": bus.line.options.baud, "ids": list(bus.ids)}
        place |= {"robot": str(spec.source), "model": str(default_mjcf(spec))}
        if dynamics is not None and dynamics.parameters:
            place["dynamics"] = {name: list(value) for name, value in dynamics.parameters.items()}
        if camera:
            place["camera"] = str(frames_beside(Path(bus.port), camera))
        print(json.dumps(place), file=output, flush=True)
        stop.wait(lambda: bus.has_failed)
        bus.check()
        _linger(bus)


def _linger(bus: EmulatedBus) -> None:
    """A hand does not vanish under its driver, who also wants to hear that torque is off."""
    began = powered = time.monotonic()
    is_powered = any(servo.torque_is_on for servo in bus.line.servos)
    while is_powered and time.monotonic() < min(powered + CONFIRM_S, began + LINGER_S):
        if any(servo.torque_is_on for servo in bus.line.servos):
            powered = time.monotonic()
        time.sleep(POLL_S)


@contextlib.contextmanager
def _linked(link: Path | None, port: str) -> Iterator[str]:
    """The path under which the port is found. The link of an emulator that has died is replaced."""
    if link is None:
        yield port
        return
    # As it will be once its folders are made: `none/../file` is a file that must not be replaced.
    require_free(link.parent.resolve() / link.name, "--link")
    require_folder(link.parent, "--link")
    beside = link.with_name(link.name + PART)
    with naming(link):
        link.parent.mkdir(parents=True, exist_ok=True)
        beside.unlink(missing_ok=True)
        beside.symlink_to(port)
        beside.rename(link)
    alive = os.open(Path(port).parent, os.O_RDONLY)
    try:
        fcntl.flock(alive, fcntl.LOCK_EX)
        yield str(link)
    finally:
        os.close(alive)
        if link.is_symlink() and str(link.readlink()) == port:
            link.unlink()


if __name__ == "__main__":
    emulate(load_robot_spec(Path(sys.argv[1]) if len(sys.argv) > 1 else DCLAW))
