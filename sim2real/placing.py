"""Between episodes: hand and object back to where the next one starts, under the safety ladder.

The fingers leave the object, its own servo turns it and lets go, the fingers come back. All of it
is answers to the control loop's ticks like a policy's, so every limit, watchdog and stop that holds
for a policy holds here.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from sim2real.contract.errors import BadInput
from sim2real.contract.joint_io import Command
from sim2real.contract.robot_spec import RobotSpec
from sim2real.contract.strict import build
from sim2real.contract.text_file import read_yaml
from sim2real.hardware.robot import RobotFault
from sim2real.runtime.control_loop import ControlLoop, LoopStopped
from sim2real.runtime.hand_state import HandState

Array = NDArray[np.float64]

SCHEMA_VERSION = 1
POLL_S = 0.01
AT_REST_RAD_S = 0.1
"""four counts of a servo's velocity: a joint that is faster is still on its way"""


@dataclass(frozen=True, kw_only=True)
class ResetConfig:
    """`reset.yaml`: how a kind of robot is put back."""

    schema_version: int
    clear_rad: Mapping[str, float]
    """by joint: where the fingers are out of the object's way"""
    sideways: tuple[str, ...]
    """joints that move only while the fingers are clear"""
    speed_rad_s: float
    """of the goals"""
    tolerance_rad: float
    """how far from its goal a joint may hang, at rest, and have arrived"""
    settle_s: float
    """rest at the end"""
    timeout_s: float
    """for one stage"""
    object_speed_rad_s: float
    object_tolerance_rad: float
    object_timeout_s: float


def load_reset_config(spec: RobotSpec, path: Path | None = None) -> ResetConfig:
    """The one of the robot, or another file. Raises `BadInput` for what does not fit the robot."""
    path = spec.file_of("reset.yaml") if path is None else path
    where = str(path)
    config = build(ResetConfig, read_yaml(path, "a reset.yaml"), where)
    if config.schema_version != SCHEMA_VERSION:
        found = config.schema_version
        raise BadInput(where, "schema_version", found=found, expected=str(SCHEMA_VERSION))
    if set(config.clear_rad) != set(spec.joint_names):
        expected = f"each of {', '.join(spec.joint_names)}"
        raise BadInput(where, "clear_rad", found=sorted(config.clear_rad), expected=expected)
    for joint in spec.joints:
        value = config.clear_rad[joint.name]
        if not joint.lower_rad <= value <= joint.upper_rad:
            expected = f"within {joint.range_rad}"
            raise BadInput(where, f"clear_rad.{joint.name}", found=value, expected=expected)
    for name in config.sideways:
        if name not in spec.joint_names:
            expected = f"one of {', '.join(spec.joint_names)}"
            raise BadInput(where, "sideways", found=name, expected=expected)
    for name in _ABOVE_ZERO:
        if getattr(config, name) <= 0.0:
            found = getattr(config, name)
            raise BadInput(where, name, found=found, expected="a number above 0")
    if config.settle_s < 0.0:
        raise BadInput(where, "settle_s", found=config.settle_s, expected="0 or more")
    return config


_ABOVE_ZERO = (
    *("speed_rad_s", "tolerance_rad", "timeout_s"),
    *("object_speed_rad_s", "object_tolerance_rad", "object_timeout_s"),
)


class Placed(NamedTuple):
    """Where everything is now."""

    joint_rad: Array
    """(J,) goals that the servos hold"""
    object_rad: float
    """measured"""


class HandPlacer:
    """Moves the hand as long as `is_moving`: the loop's answer is then this one's.

    loop = ControlLoop(robot, answer=lambda state, cutoff_ns: (
        placer.answer(state, cutoff_ns) if placer.is_moving else policy.answer(state, cutoff_ns)
    ), ...)
    placer.place(loop, joint_rad, object_rad)
    """

    def __init__(self, spec: RobotSpec, config: ResetConfig) -> None:
        self._spec, self._config = spec, config
        self._clear = np.array([config.clear_rad[name] for name in spec.joint_names])
        self._is_sideways = np.array([name in config.sideways for name in spec.joint_names])
        self._stage: _Stage | None = None

    @property
    def is_moving(self) -> bool:
        return self._stage is not None

    def answer(self, state: HandState, cutoff_ns: int) -> Command | None:
        """Where the joints shall be next; see `control_loop.Answer`."""
        stage = self._stage
        return None if stage is None else stage.answer(state)

    def place(self, loop: ControlLoop, joint_rad: Array, object_rad: float | None) -> Placed:
        """Bring the object to `object_rad` (None: leave it) and the joints to their goals.

        Torque must be on. Called from another thread than the loop's, or in lock-step from its
        own. Raises `RobotFault`, naming what did not arrive, and whatever stops the hand; the hand
        then holds where it is unless the ladder has stopped it.
        """
        goal = np.array(joint_rad, np.float64)
        self._refuse_goal(goal)
        try:
            if object_rad is not None:
                self._move(loop, self._bent(self._clear))
                self._move(loop, self._clear)
                self._turn(loop, object_rad)
                self._move(loop, np.where(self._is_sideways, goal, self._clear))
            reached = self._move(loop, goal, settle_s=self._config.settle_s)
        finally:
            self._leave(loop)
        return Placed(joint_rad=goal, object_rad=float(reached.reading.object_position_rad))

    def _leave(self, loop: ControlLoop) -> None:
        """The hand holds its goals, and no command is expected."""

        def leave() -> None:
            self._stage = None
            loop.ladder.stand_by()

        try:
            loop.call(leave, moves=False)
        except LoopStopped:  # torque is off already
            self._stage = None

    def _bent(self, goal: Array) -> Array:
        """The goal for those joints that bend a finger; the others stay where they are (NaN)."""
        return np.where(self._is_sideways, np.nan, goal)

    def _refuse_goal(self, goal: Array) -> None:
        lower, upper = self._spec.joint_array("lower_rad"), self._spec.joint_array("upper_rad")
        if goal.shape != lower.shape or not np.isfinite(goal).all():
            raise RobotFault("bad_goal", f"not {len(lower)} finite angles: {goal.tolist()}")
        is_out = (goal < lower) | (goal > upper)
        if is_out.any():
            raise RobotFault("bad_goal", f"{goal[is_out]} rad", self._names(is_out))

    def _move(self, loop: ControlLoop, goal: Array, settle_s: float = 0.0) -> HandState:
        """Goals go there at bounded speed; returns once the joints have arrived and rested."""
        stage = _Move(self._config, goal, settle_s)
        state = self._run(loop, stage, self._config.timeout_s + settle_s)
        if state is None:
            off, is_late = np.abs(stage.error_rad), ~stage.has_arrived
            detail = (
                f"{np.round(off[is_late], 3).tolist()} rad off after {self._config.timeout_s} s"
            )
            raise RobotFault("not_placed", detail, self._names(is_late))
        return state

    def _turn(self, loop: ControlLoop, object_rad: float) -> None:
        """The object's own servo turns it while the hand holds, and lets go whatever happens."""
        config, turning = self._config, loop.robot.turning
        if turning is None:
            raise RobotFault("object_not_turned", "this robot has no servo under its object")
        servo = turning.turn_at(config.object_speed_rad_s)
        try:
            target = loop.call(lambda: servo.begin(object_rad), moves=False)
            stage = _Turn(config, target)
            if self._run(loop, stage, config.object_timeout_s) is None:
                message = f"at {stage.position_rad:.3f} rad, wanted {target:.3f}"
                raise RobotFault("object_not_turned", message, (self._spec.objects[0].name,))
        finally:
            loop.call(servo.let_go, moves=False)

    def _run(self, loop: ControlLoop, stage: _Stage, timeout_s: float) -> HandState | None:
        """The state in which the stage was done; None when time was up."""
        self._stage = stage  # the one before has held the hand until now
        if loop.is_running:
            self._wait(loop, stage, timeout_s)
        else:
            for _ in range(round(timeout_s * loop.rate_hz)):
                if stage.done.is_set() or loop.ladder.is_latched:
                    break
                loop.run_tick()
        if loop.ladder.is_latched:
            reason = loop.ladder.reason
            cause, detail = ("stopped", "") if reason is None else (reason.cause, reason.detail)
            raise RobotFault(cause, detail, () if reason is None else reason.joints)
        return stage.state if stage.done.is_set() else None

    @staticmethod
    def _wait(loop: ControlLoop, stage: _Stage, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while not stage.done.wait(POLL_S) and time.monotonic() < deadline:
            if loop.ladder.is_latched or not loop.is_running:
                return

    def _names(self, which: NDArray[np.bool_]) -> tuple[str, ...]:
        return tuple(name for name, is_meant in zip(self._spec.joint_names, which) if is_meant)


class _Stage(Protocol):
    """One part of placing. `answer` is the loop's, everything else the waiting thread's."""

    done: threading.Event
    state: HandState | None
    """that in which it was done"""

    def answer(self, state: HandState) -> Command | None: ...


class _Move:
    """Goals move to where they shall be, all at the same speed."""

    def __init__(self, config: ResetConfig, goal: Array, settle_s: float) -> None:
        self.done, self.state = threading.Event(), cast(HandState | None, None)
        self.error_rad: Array = np.full(goal.shape, np.nan)
        self.has_arrived: NDArray[np.bool_] = np.zeros(goal.shape, bool)
        self._config, self._goal, self._settle_s = config, goal, settle_s
        self._target: Array | None = None
        self._stamp_ns = 0
        self._arrived_ns: int | None = None

    def answer(self, state: HandState) -> Command | None:
        if not state.is_following or state.applied_rad is None:
            return None
        stamp_ns = state.reading.stamp_ns
        if self._target is None:
            self._target = np.array(state.applied_rad)
            self._goal = np.where(np.isnan(self._goal), self._target, self._goal)
            self._stamp_ns = stamp_ns
        step = self._config.speed_rad_s * (stamp_ns - self._stamp_ns) * 1e-9
        self._target = self._target + np.clip(self._goal - self._target, -step, step)
        self._stamp_ns = stamp_ns
        self._look(state)
        return Command(stamp_ns=stamp_ns, position_rad=self._target.copy())

    def _look(self, state: HandState) -> None:
        """The goal is given, every joint rests near it, and rest has been long enough."""
        self.error_rad = self._goal - state.reading.position_rad
        is_near = np.abs(self.error_rad) <= self._config.tolerance_rad
        self.has_arrived = is_near & (np.abs(state.reading.velocity_rad_s) <= AT_REST_RAD_S)
        if not self.has_arrived.all() or not np.array_equal(self._target, self._goal):  # type: ignore[arg-type]
            self._arrived_ns = None
            return
        stamp_ns = state.reading.stamp_ns
        self._arrived_ns = stamp_ns if self._arrived_ns is None else self._arrived_ns
        if stamp_ns - self._arrived_ns >= self._settle_s * 1e9:
            self.state = state
            self.done.set()


class _Turn:
    """The hand holds; the object turns."""

    def __init__(self, config: ResetConfig, target_rad: float) -> None:
        self.done, self.state = threading.Event(), cast(HandState | None, None)
        self.position_rad = float("nan")
        self._config, self._target_rad = config, target_rad

    def answer(self, state: HandState) -> Command | None:
        self.position_rad = float(state.reading.object_position_rad)
        if abs(self.position_rad - self._target_rad) <= self._config.object_tolerance_rad:
            self.state = state
            self.done.set()
        if not state.is_following or state.applied_rad is None:
            return None
        return Command(stamp_ns=state.reading.stamp_ns, position_rad=state.applied_rad)
