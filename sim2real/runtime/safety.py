"""The safety ladder: what is let through to a robot, and what happens when something is wrong.

    RUN         the command, clipped to the joints' range and rate
    HOLD        reading stale or command late: goals stay where the joints were
    LIMP        it stays so, or a limit is exceeded: current to zero
    TORQUE_OFF  a moment later
    SILENT      torque off was not confirmed: nothing is sent, so that the servo's own Bus Watchdog,
                the last rung, stops it

RUN and HOLD come and go. From LIMP on the reason is latched and the way leads down only; up again
it goes with `start`, after torque was switched on by an explicit request. Pure functions judge
single values; `SafetyLadder` adds memory. There is no clock here: the caller passes the time.
"""

from __future__ import annotations

import enum
from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim2real.contract.joint_io import Command, Reading
from sim2real.contract.robot_spec import RobotSpec
from sim2real.hardware.robot import Health, Phase, Robot, RobotFault, error_names

Array = NDArray[np.float64]

RATE_HEADROOM = 1.1
"""the action map keeps to the rate; a tick that comes a little early must not look like haste"""
POSITION_MARGIN_RAD = 0.2
"""a joint pushed this far out of its commanded range is no longer under control"""
JUMP_FACTOR = 1.5
"""a position that moved this many times faster than the fastest allowed joint was not measured"""
JUMP_ALLOWANCE_RAD = 0.03
"""quantisation of position and stamp"""
GOAL_TOLERANCE_RAD = 0.004
"""a servo's goal equals the applied one within two counts"""
MAX_IGNORED_GOALS = 3
"""consecutive readings with another goal than the applied one; single lost packets happen"""
WRITE_ALLOWANCE_S = 0.002
"""from the decision until all servos have their goals: a command must live that long"""
TORQUE_OFF_AFTER_S = 0.1
"""how long a limp hand stays powered before torque goes off"""


class Rung(enum.IntEnum):
    """Where on the ladder the robot is; larger is further down."""

    RUN = 0
    HOLD = 1
    LIMP = 2
    TORQUE_OFF = 3
    SILENT = 4


@dataclass(frozen=True, kw_only=True)
class Reason:
    """Why a rung was left."""

    cause: str
    """one word, for counters"""
    detail: str
    """values and limits, for a person"""
    joints: tuple[str, ...] = ()
    """those concerned, in joint order"""


@dataclass(frozen=True, kw_only=True, eq=False)
class Decision:
    """What to do this tick."""

    rung: Rung
    applied_rad: Array | None
    """(J,) goals to write, in RUN and HOLD; context holds these, not the desired ones"""
    reason: Reason | None
    """why it is not RUN"""
    is_limited: bool
    """the applied command differs from the desired one"""
    command: Command | None = None
    """whose goals they are, within the limits; None: nobody's"""


@dataclass(frozen=True, kw_only=True, eq=False)
class SafetyLimits:
    """The limits of a robot's spec as arrays, (J,) in joint order."""

    joint_names: tuple[str, ...]
    lower_rad: Array
    upper_rad: Array
    max_velocity_rad_s: Array
    """how fast a goal may move"""
    max_measured_velocity_rad_s: float
    max_measured_current_ma: float
    max_temperature_c: float
    min_voltage_v: float
    max_voltage_v: float
    stale_after_s: float
    limp_after_s: float

    @classmethod
    def of(cls, spec: RobotSpec) -> SafetyLimits:
        return cls(
            joint_names=spec.joint_names,
            lower_rad=spec.joint_array("lower_rad"),
            upper_rad=spec.joint_array("upper_rad"),
            max_velocity_rad_s=spec.joint_array("max_velocity_rad_s"),
            max_measured_velocity_rad_s=spec.safety.max_measured_velocity_rad_s,
            max_measured_current_ma=spec.safety.max_measured_current_ma,
            max_temperature_c=spec.safety.max_temperature_c,
            min_voltage_v=spec.safety.min_voltage_v,
            max_voltage_v=spec.safety.max_voltage_v,
            stale_after_s=spec.safety.stale_after_s,
            limp_after_s=spec.safety.limp_after_s,
        )


def limit_command(
    desired_rad: Array, previous_rad: Array, elapsed_s: float, limits: SafetyLimits
) -> Array:
    """The desired goals, (J,), within range and no further from the previous ones than allowed.

    `previous_rad` lies within range, and goals have been there for `elapsed_s`. A longer rest earns
    no larger step than `stale_after_s` does.
    """
    seconds = RATE_HEADROOM * min(max(elapsed_s, 0.0), limits.stale_after_s)
    step = limits.max_velocity_rad_s * seconds
    limited = np.clip(desired_rad, previous_rad - step, previous_rad + step)
    return np.clip(limited, limits.lower_rad, limits.upper_rad)


def reading_problem(
    reading: Reading, previous: Reading | None, limits: SafetyLimits
) -> Reason | None:
    """Why this measurement must stop the robot, or None. `previous` is an earlier reading."""
    position = np.asarray(reading.position_rad, np.float64)
    speed = np.abs(np.asarray(reading.velocity_rad_s, np.float64))
    current = np.abs(np.asarray(reading.current_ma, np.float64))
    measured = np.stack((position, speed, current))
    outside = np.maximum(limits.lower_rad - position, position - limits.upper_rad)
    checks = (
        ("not_finite", ~np.isfinite(measured).all(axis=0), "a value is not a finite number"),
        _above("position", outside, POSITION_MARGIN_RAD, "rad out of range"),
        _above("velocity", speed, limits.max_measured_velocity_rad_s, "rad/s"),
        _above("current", current, limits.max_measured_current_ma, "mA"),
        _jump(position, reading.stamp_ns, previous, limits),
    )
    return _first(checks, limits)


def health_problem(health: Health, limits: SafetyLimits) -> Reason | None:
    """Why the servos' condition must stop the robot, or None."""
    low, high = limits.min_voltage_v, limits.max_voltage_v
    is_unpowered = ~((health.voltage_v >= low) & (health.voltage_v <= high))
    checks = (
        ("hardware_error", health.hardware_error != 0, _latched(health, limits)),
        ("watchdog_tripped", health.watchdog_tripped, "the servo stopped by itself"),
        ("torque_lost", ~health.torque_enabled, "torque went off by itself"),
        _above("temperature", health.temperature_c, limits.max_temperature_c, "°C"),
        ("voltage", is_unpowered, f"{health.voltage_v.tolist()} V, allowed {low} to {high}"),
    )
    return _first(checks, limits)


def _latched(health: Health, limits: SafetyLimits) -> str:
    """Whose servos have latched which errors."""
    errors = zip(limits.joint_names, health.hardware_error.tolist())
    return "; ".join(f"{name}: {error_names(bits)}" for name, bits in errors if bits)


def goal_was_taken(health: Health, applied_rad: Array) -> bool:
    """Whether every servo's goal is the applied one: a Sync Write is confirmed by nothing else."""
    return bool((np.abs(health.goal_position_rad - applied_rad) <= GOAL_TOLERANCE_RAD).all())


Check = tuple[str, NDArray[np.bool_], str]


def _above(cause: str, values: Array, limit: float, unit: str) -> Check:
    # Negated, so that NaN is above every limit.
    return cause, ~(values <= limit), f"{np.round(values, 3).tolist()} {unit}, allowed {limit}"


def _jump(position: Array, stamp_ns: int, previous: Reading | None, limits: SafetyLimits) -> Check:
    nowhere = np.zeros(position.shape, np.bool_)
    if previous is None:
        return "position_jump", nowhere, ""
    elapsed_s = max((stamp_ns - previous.stamp_ns) * 1e-9, 0.0)
    reach = JUMP_FACTOR * limits.max_measured_velocity_rad_s * elapsed_s + JUMP_ALLOWANCE_RAD
    moved = np.abs(position - np.asarray(previous.position_rad, np.float64))
    return _above("position_jump", moved, reach, f"rad in {elapsed_s:.3f} s")


def _first(checks: tuple[Check, ...], limits: SafetyLimits) -> Reason | None:
    for cause, is_bad, detail in checks:
        if is_bad.any():
            joints = tuple(name for name, bad in zip(limits.joint_names, is_bad) if bad)
            return Reason(cause=cause, detail=detail, joints=joints)
    return None


class SafetyLadder:
    """The state machine: one `decide` per tick, then `enact` what it says.

    `rung` and `reason` show where the robot is and why; `events` counts causes since the beginning.
    """

    def __init__(self, limits: SafetyLimits) -> None:
        self.limits = limits
        self.rung = Rung.TORQUE_OFF
        self.reason: Reason | None = None
        self.events: Counter[str] = Counter()
        self._applied: Array = np.clip(0.0, limits.lower_rad, limits.upper_rad)
        self._changed_ns = 0
        """when goals last changed: a servo had that long to follow the last step"""
        self._reading: Reading | None = None
        self._command: Command | None = None
        self._good_ns = 0
        """stamp of the older of the last reading and command that could be acted on"""
        self._limp_ns = 0
        self._num_ignored = 0

    @property
    def is_latched(self) -> bool:
        """Only `start`, after an explicit request for torque, leads out of here."""
        return self.rung >= Rung.LIMP

    @property
    def command(self) -> Command | None:
        """The newest command; None while none is expected."""
        return self._command

    def start(self, now_ns: int, reading: Reading) -> None:
        """Torque has just been switched on by request, at this reading: hold there.

        Until a first command comes, holding needs fresh readings only.
        """
        position = np.asarray(reading.position_rad, np.float64)
        self._applied = np.clip(position, self.limits.lower_rad, self.limits.upper_rad)
        self._changed_ns = self._good_ns = now_ns
        self._reading, self._command = reading, None
        self._num_ignored = 0
        self.rung, self.reason = Rung.HOLD, None

    def stand_by(self) -> None:
        """No command is expected until the next one comes: hold, and do not call that late."""
        self._command = None

    def regain(self, now_ns: int) -> None:
        """Somebody else has moved the hand by request: hold the goals that it will be found with.

        Until a reading shows them, nothing is applied. Torque is as it was.
        """
        self._reading, self._command = None, None
        self._good_ns, self._num_ignored = now_ns, 0

    def decide(
        self,
        now_ns: int,
        reading: Reading | None,
        health: Health | None,
        command: Command | None,
    ) -> Decision:
        """What to do now.

        `reading` and `health` are those of this tick, None if reading failed; `command` is the
        newest, None if there is no new one.
        """
        if self.is_latched:
            return self._further_down(now_ns)
        problem = self._judge(reading, health)
        if problem is not None:
            return self._latch(now_ns, problem)
        if command is not None:
            self._command = command
        doubt = self._doubt(now_ns)
        if doubt is None:
            assert self._reading is not None and self._command is not None
            self._good_ns = min(self._reading.stamp_ns, self._command.stamp_ns)
            self.rung, self.reason = Rung.RUN, None
            return self._apply(now_ns, self._desired(), self._command)
        return self._hold(now_ns, doubt)

    def _hold(self, now_ns: int, doubt: Reason) -> Decision:
        """Hold while in doubt, but not for ever."""
        if doubt.cause == "no_command" and self._reading is not None:
            self._good_ns = self._reading.stamp_ns
        elif now_ns - self._good_ns > self.limits.limp_after_s * 1e9:
            return self._latch(now_ns, doubt)
        elif self.reason is None or self.reason.cause != doubt.cause:
            self.events[doubt.cause] += 1
        self.rung, self.reason = Rung.HOLD, doubt
        if self._reading is None:
            return Decision(rung=self.rung, applied_rad=None, reason=doubt, is_limited=False)
        return self._apply(now_ns, self._held())

    def torque_is_off(self) -> None:
        """Every servo has confirmed it."""
        self.rung = Rung.TORQUE_OFF

    def torque_may_be_on(self, cause: str, detail: str) -> None:
        """Torque off was asked for and not confirmed: from now on the bus must be silent."""
        self.events[cause] += 1
        self.rung = Rung.SILENT
        self.reason = self.reason or Reason(cause=cause, detail=detail)

    def _judge(self, reading: Reading | None, health: Health | None) -> Reason | None:
        """A reason to stop in what was measured now; remembers the measurement if it is good."""
        if reading is None or health is None:
            return None
        if self._reading is None:
            self._adopt(health)
        problem = reading_problem(reading, self._reading, self.limits)
        problem = problem or health_problem(health, self.limits) or self._ignored(health)
        if problem is None:
            self._reading = reading
        return problem

    def _adopt(self, health: Health) -> None:
        """The goals that somebody else has left."""
        goal = np.asarray(health.goal_position_rad, np.float64)
        self._applied = np.clip(goal, self.limits.lower_rad, self.limits.upper_rad)

    def _ignored(self, health: Health) -> Reason | None:
        is_taken = goal_was_taken(health, self._applied)
        self._num_ignored = 0 if is_taken else self._num_ignored + 1
        if self._num_ignored < MAX_IGNORED_GOALS:
            return None
        is_other = np.abs(health.goal_position_rad - self._applied) > GOAL_TOLERANCE_RAD
        names = tuple(n for n, other in zip(self.limits.joint_names, is_other) if other)
        detail = f"{MAX_IGNORED_GOALS} goals in a row were not taken"
        return Reason(cause="goal_ignored", detail=detail, joints=names)

    def _doubt(self, now_ns: int) -> Reason | None:
        """Why not to follow a command now."""
        if self._reading is None:
            return Reason(cause="stale_reading", detail="none since the hand was moved")
        age_s, allowed_s = (now_ns - self._reading.stamp_ns) * 1e-9, self.limits.stale_after_s
        if age_s > allowed_s:
            return Reason(cause="stale_reading", detail=f"{age_s:.3f} s old, allowed {allowed_s}")
        if self._command is None:
            return Reason(cause="no_command", detail="waiting for a command")
        age_s, allowed_s = (now_ns - self._command.stamp_ns) * 1e-9, self.lifespan_s(self._command)
        if age_s > allowed_s - WRITE_ALLOWANCE_S:
            return Reason(cause="late_command", detail=f"{age_s:.3f} s old, allowed {allowed_s}")
        if not np.isfinite(self._command.position_rad).all():
            return Reason(cause="bad_command", detail="the command is not finite")
        return None

    def lifespan_s(self, command: Command) -> float:
        """How old this command may become before it is late."""
        if command.lifespan_s is None:
            return self.limits.stale_after_s
        return min(command.lifespan_s, self.limits.limp_after_s)

    def _desired(self) -> Array:
        assert self._command is not None
        return np.asarray(self._command.position_rad, np.float64)

    def _held(self) -> Array:
        """Where the joints were when last measured; the goal already given, while waiting."""
        if self._command is None or self._reading is None:
            return self._applied
        return np.asarray(self._reading.position_rad, np.float64)

    def _apply(self, now_ns: int, desired: Array, command: Command | None = None) -> Decision:
        """Goals within the limits.

        A step may be as long as the time since goals last changed allows: so a policy at a tenth
        of the loop's rate makes its whole step at once, as it did in training.
        """
        elapsed_s = (now_ns - self._changed_ns) * 1e-9
        applied = limit_command(desired, self._applied, elapsed_s, self.limits)
        if not np.array_equal(applied, self._applied):
            self._applied, self._changed_ns = applied, now_ns
        is_limited = not np.array_equal(applied, desired)
        if is_limited and self.rung is Rung.RUN:
            self.events["limited"] += 1
        return Decision(
            rung=self.rung,
            applied_rad=applied,
            reason=self.reason,
            is_limited=is_limited,
            command=command,
        )

    def _latch(self, now_ns: int, reason: Reason) -> Decision:
        self.events[reason.cause] += 1
        self.rung, self.reason, self._limp_ns = Rung.LIMP, reason, now_ns
        return Decision(rung=self.rung, applied_rad=None, reason=reason, is_limited=False)

    def _further_down(self, now_ns: int) -> Decision:
        if self.rung is Rung.LIMP and now_ns - self._limp_ns >= TORQUE_OFF_AFTER_S * 1e9:
            self.rung = Rung.TORQUE_OFF
        return Decision(rung=self.rung, applied_rad=None, reason=self.reason, is_limited=False)


def enact(
    decision: Decision, robot: Robot, ladder: SafetyLadder, stamp_ns: int
) -> RobotFault | None:
    """Do what was decided. What the robot cannot do any more leads one rung further down.

    `stamp_ns` is that of the reading which the applied goals answer. Does not raise `RobotFault`,
    but returns it.
    """
    try:
        if decision.applied_rad is not None:
            robot.write(Command(stamp_ns=stamp_ns, position_rad=decision.applied_rad))
        elif decision.rung is Rung.LIMP and robot.phase is Phase.ACTIVE:
            robot.go_limp()
        elif decision.rung is Rung.TORQUE_OFF and robot.phase is Phase.ACTIVE:
            robot.deactivate()
            ladder.torque_is_off()
        elif decision.rung is Rung.SILENT:
            robot.quarantine()
    except RobotFault as fault:
        ladder.events[fault.cause] += 1
        if decision.rung is Rung.TORQUE_OFF:
            ladder.torque_may_be_on(fault.cause, str(fault))
            robot.quarantine()
        return fault
    return None
