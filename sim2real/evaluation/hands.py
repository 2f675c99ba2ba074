"""The hands that an evaluation in one process can be run on, and how each of them keeps time."""

from __future__ import annotations

import json
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sim2real.contract.errors import BadInput
from sim2real.contract.robot_spec import RobotSpec
from sim2real.evaluation.session import BenchTask, EpisodeFault
from sim2real.hardware.robot import Robot
from sim2real.runtime.pacing import Pacer

EMULATOR_START_S = 60.0
"""compiling the model on a busy machine included"""
EMULATOR_STOP_S = 10.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Hand:
    """A hand that is not connected yet."""

    robot: Robot
    rate_hz: float
    """readings per second; a whole multiple of the policy's rate"""
    is_paced: bool = True
    """on a thread in step with a clock; otherwise simulated time passes with every command"""
    clock_ns: Callable[[], int] = time.monotonic_ns
    """on which readings are stamped"""
    pacer: Pacer | None = None
    """of a clock of its own; None: the host's, or none in simulation"""


@contextmanager
def simulated_hand(spec: RobotSpec, task: BenchTask, period_s: float) -> Iterator[Hand]:
    """The task in MuJoCo, in lock-step: as fast as it goes, the same on every machine."""
    from sim2real.hardware.simulated import SimulatedRobot

    assert task.make_model is not None
    robot = SimulatedRobot(spec, control_period_s=period_s, mj_model=task.make_model())
    yield Hand(robot=robot, rate_hz=1.0 / period_s, is_paced=False, clock_ns=robot.now_ns)


@contextmanager
def emulated_hand(spec: RobotSpec, task: BenchTask, rate_hz: float) -> Iterator[Hand]:
    """The task behind an emulated bus, in a process of its own and in real time.

    Raises `EpisodeFault` when the emulator does not come up.
    """
    command = [sys.executable, "-m", "sim2real.cli", "emulate", "--tethered"]
    command += ["--task", task.reference] if task.reference else []
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield serial_hand(spec, _port_of(process), "emulated", rate_hz)
        finally:
            process.terminate()
            try:
                process.wait(EMULATOR_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()


def serial_hand(spec: RobotSpec, port: str, unit: str, rate_hz: float) -> Hand:
    """A hand of servos on a serial port. Raises `BadInput` for its calibration."""
    from sim2real.hardware.dynamixel.driver import DynamixelRobot

    return Hand(robot=DynamixelRobot.on_serial(port, spec, unit), rate_hz=rate_hz)


def _port_of(process: subprocess.Popen[str]) -> str:
    """Where the emulator serves, which its first line says."""
    assert process.stdout is not None
    ready = select.select([process.stdout], (), (), EMULATOR_START_S)[0]
    line = process.stdout.readline() if ready else ""
    try:
        return str(json.loads(line)["port"])
    except (json.JSONDecodeError, KeyError, TypeError):
        reason = f"it ended with {process.poll()}" if ready else "it is still silent"
        raise EpisodeFault("no_emulator", f"the emulated bus did not come up: {reason}") from None


def require_rate(rate_hz: float, period_s: float) -> None:
    """Raise `BadInput` unless a policy's readings are among those of the hand."""
    multiple = rate_hz * period_s
    if rate_hz <= 0 or abs(multiple - round(multiple)) > 1e-6 or round(multiple) < 1:
        expected = f"a whole multiple of the policy's {1.0 / period_s:g} Hz"
        raise BadInput("command line", "--rate", found=rate_hz, expected=expected)
