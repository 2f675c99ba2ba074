"""A hand without physics, whose time passes as a test says: what a control loop is tried on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from sim2real.contract.joint_io import Command, Reading
from sim2real.contract.robot_spec import load_robot_spec
from sim2real.hardware.robot import Health, Phase, RobotFault
from sim2real.runtime.control_loop import Answer, ControlLoop
from sim2real.runtime.pacing import Pacer

SPEC = load_robot_spec()
HOME = SPEC.joint_array("home_rad")
J = len(HOME)
MS = 1_000_000
READ_NS, WRITE_NS = 2 * MS, 1 * MS


class ScriptedRobot:
    """Takes every goal and is where its goals are, except for what a test makes go wrong.

    `breaks[verb]` is raised by that verb for as long as it is there; `lost_writes` go nowhere.
    """

    placing = recovery = turning = None

    def __init__(self) -> None:
        self.spec, self.phase = SPEC, Phase.READY
        self.now_ns = 1_000_000_000
        self.goal = HOME.copy()
        self.calls: list[str] = []
        self.written: list[tuple[int, Command]] = []
        """when each was on the bus"""
        self.breaks: dict[str, BaseException] = {}
        self.lost_writes = 0
        self.faults: dict[str, int] = {}
        self.read_ns = READ_NS
        self._sequence = 0

    def clock_ns(self) -> int:
        return self.now_ns

    def sleep(self, seconds: float) -> None:
        self.now_ns += round(seconds * 1e9)

    def pass_ms(self, milliseconds: float) -> None:
        self.now_ns += round(milliseconds * MS)

    def _call(self, verb: str) -> None:
        self.calls.append(verb)
        if verb in self.breaks:
            raise self.breaks[verb]

    def connect(self) -> None:
        self._call("connect")
        self.phase = Phase.READY

    def activate(self) -> None:
        self._call("activate")
        self.phase = Phase.ACTIVE

    def read(self) -> Reading:
        self.now_ns += self.read_ns
        self._call("read")
        self._sequence += 1
        self._stamp_ns = self.now_ns - self.read_ns // 2
        return Reading(
            stamp_ns=self._stamp_ns,
            sequence=self._sequence,
            position_rad=self.goal.copy(),
            velocity_rad_s=np.zeros(J),
            current_ma=np.zeros(J),
            object_position_rad=np.array(0.0),
            object_velocity_rad_s=np.array(0.0),
        )

    def health(self) -> Health:
        return Health(
            stamp_ns=self._stamp_ns,
            temperature_c=np.full(J, 40.0),
            voltage_v=np.full(J, 12.0),
            hardware_error=np.zeros(J, np.int64),
            torque_enabled=np.full(J, self.phase is Phase.ACTIVE),
            watchdog_tripped=np.zeros(J, np.bool_),
            goal_position_rad=self.goal.copy(),
        )

    def write(self, command: Command) -> None:
        self._call("write")
        self.now_ns += WRITE_NS
        if self.lost_writes:
            self.lost_writes -= 1
            return
        self.goal = np.array(command.position_rad)
        self.written.append((self.now_ns, command))

    def go_limp(self) -> None:
        self._call("go_limp")

    def deactivate(self) -> None:
        self._call("deactivate")
        self.phase = Phase.READY

    def quarantine(self) -> None:
        self.calls.append("quarantine")
        self.phase = Phase.SILENT

    def close(self) -> None:
        self.phase = Phase.CLOSED

    def __enter__(self) -> ScriptedRobot:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class InstantRobot(ScriptedRobot):
    """One whose time is the host's."""

    def __init__(self) -> None:
        super().__init__()
        self.read_ns = 0
        self.threads: set[str] = set()

    @property
    def now_ns(self) -> int:
        return time.monotonic_ns()

    @now_ns.setter
    def now_ns(self, _: int) -> None:
        """It passes by itself."""

    def _call(self, verb: str) -> None:
        self.threads.add(threading.current_thread().name)
        super()._call(verb)


def silent(verb: str) -> RobotFault:
    return RobotFault("silent", f"no answer to {verb}")


def loop_over(
    robot: ScriptedRobot, answer: Answer, *, rate_hz: float = 100.0, **options: Any
) -> ControlLoop:
    """A loop in lock-step that keeps to the robot's time."""
    pacer = Pacer(1.0 / rate_hz, clock_ns=robot.clock_ns, sleep=robot.sleep)
    return ControlLoop(
        robot, rate_hz=rate_hz, answer=answer, clock_ns=robot.clock_ns, pacer=pacer, **options
    )


def stay(state: Any, _cutoff_ns: int) -> Command:
    """A policy that answers every reading with home."""
    return Command(stamp_ns=state.reading.stamp_ns, position_rad=HOME.copy())


def answering(make: Callable[[int], Command | None]) -> Answer:
    """A policy that only looks at the reading's stamp."""
    return lambda state, _cutoff_ns: make(state.reading.stamp_ns)
