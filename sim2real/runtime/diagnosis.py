"""What a person has to know about a running hand once a second: level, one sentence, values.

Plain data, in the words of REP 107; a ROS node turns it into a DiagnosticArray. Nothing here
touches the robot: it looks at what the control loop has counted.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from sim2real.contract.robot_spec import RobotSpec
from sim2real.hardware.robot import Health, error_names
from sim2real.runtime.control_loop import ControlLoop, ControlTick
from sim2real.runtime.pacing import Histogram
from sim2real.runtime.policy_runner import PolicyRunner
from sim2real.runtime.safety import Rung

WARM_SHARE = 0.9
"""of the temperature limit: worth a warning"""
SHOWN_STAGES = ("period", "read", "answer", "age")
EXPECTED_DOUBTS = frozenset({"no_command"})
"""why a hand holds where nothing is wrong"""


class Level(enum.IntEnum):
    """As in DiagnosticStatus.msg."""

    OK = 0
    WARN = 1
    ERROR = 2
    STALE = 3


@dataclass(frozen=True, kw_only=True)
class Status:
    """One row of the diagnostics."""

    name: str
    """of the component, below the node"""
    level: Level
    message: str
    values: Mapping[str, str] = field(default_factory=dict)


class HandDiagnosis:
    """Looks at a control loop every now and then, and tells what is new since the last look."""

    def __init__(self, spec: RobotSpec) -> None:
        self._spec = spec
        self._seen: Counter[str] = Counter()
        self._num_seen_ticks = 0

    def look(
        self, loop: ControlLoop, tick: ControlTick | None, refused: Mapping[str, int]
    ) -> list[Status]:
        """`tick` is the latest, `refused` what an inbox has counted; empty where there is none."""
        rows = [self._loop_status(loop), self._reading_status(loop, tick), _ladder_status(loop)]
        if refused:
            rows.append(self._command_status(refused))
        if tick is not None and tick.health is not None:
            rows += _servo_statuses(tick.health, self._spec)
        return rows

    def _loop_status(self, loop: ControlLoop) -> Status:
        counts = dict(loop.counters)
        values = {
            **{name: str(count) for name, count in sorted(counts.items())},
            **{name: _quantiles(loop.latency[name]) for name in SHOWN_STAGES},
            **{f"latest {cause}": text for cause, text in sorted(loop.errors.items())},
        }
        missed = self._new("missed", counts.get("missed", 0))
        late = self._new("past_lifespan", counts.get("past_lifespan", 0))
        level, message = Level.OK, f"{loop.rate_hz:g} Hz"
        if missed:
            level, message = Level.WARN, f"{missed} deadlines missed since the last look"
        if late:
            level, message = Level.ERROR, f"{late} commands were executed past their lifespan"
        if not loop.is_running:
            level, message = Level.ERROR, f"the loop has ended: {loop.failure!r}"
        return Status(name="control loop", level=level, message=message, values=values)

    def _reading_status(self, loop: ControlLoop, tick: ControlTick | None) -> Status:
        failed = {k: n for k, n in dict(loop.counters).items() if k.startswith("read_")}
        num_failed = self._new("reading failed", sum(failed.values()))
        num_ticks = loop.latency["tick"].count
        is_ticking, self._num_seen_ticks = num_ticks > self._num_seen_ticks, num_ticks
        level, message = Level.OK, f"reading {len(self._spec.joints)} joints"
        if num_failed:
            level, message = Level.WARN, f"{num_failed} readings failed since the last look"
        if tick is not None and tick.state is None:
            level, message = Level.ERROR, f"no reading: {tick.fault}"
        if not is_ticking:
            level, message = Level.STALE, "nothing was read since the last look"
        values = {name: str(count) for name, count in sorted(failed.items())}
        faults = sorted(loop.robot.faults.items())
        values |= {f"bus {name}": str(count) for name, count in faults}
        return Status(name="servo bus", level=level, message=message, values=values)

    def _command_status(self, counts: Mapping[str, int]) -> Status:
        fine = ("accepted", "overwritten")
        refused = {name: count for name, count in counts.items() if name not in fine}
        num_new = self._new("refused", sum(refused.values()))
        level = Level.WARN if num_new else Level.OK
        message = f"{num_new} commands refused since the last look" if num_new else "no refusals"
        values = {name: str(count) for name, count in sorted(counts.items())}
        return Status(name="commands", level=level, message=message, values=values)

    def _new(self, name: str, count: int) -> int:
        """By how much a count has grown since the last look."""
        grown, self._seen[name] = count - self._seen[name], count
        return grown


def requests_status(mishaps: Mapping[str, int]) -> Status:
    """What was asked of a node and not done, since it started."""
    num_failed = mishaps.get("failed", 0)
    message = f"{num_failed} failed by an error of ours" if num_failed else "well"
    values = {name: str(count) for name, count in sorted(dict(mishaps).items())}
    level = Level.WARN if num_failed else Level.OK
    return Status(name="requests", level=level, message=message, values=values)


def _ladder_status(loop: ControlLoop) -> Status:
    ladder, reason = loop.ladder, loop.ladder.reason
    values = {name: str(count) for name, count in sorted(dict(ladder.events).items())}
    where = ladder.rung.name.lower()
    if reason is None:
        return Status(name="safety ladder", level=Level.OK, message=where, values=values)
    values |= {"detail": reason.detail, "joints": ", ".join(reason.joints)}
    level = Level.ERROR if ladder.rung >= Rung.LIMP else Level.WARN
    if ladder.rung is Rung.HOLD and reason.cause in EXPECTED_DOUBTS:
        level = Level.OK
    message = f"{where}: {reason.cause}"
    return Status(name="safety ladder", level=level, message=message, values=values)


def _servo_statuses(health: Health, spec: RobotSpec) -> Iterator[Status]:
    limit_c = spec.safety.max_temperature_c
    for index, name in enumerate(spec.joint_names):
        temperature_c = float(health.temperature_c[index])
        bits = int(health.hardware_error[index])
        level, message = Level.OK, "well"
        if temperature_c > WARM_SHARE * limit_c:
            level, message = Level.WARN, f"{temperature_c:.0f} °C, allowed {limit_c:g}"
        if health.watchdog_tripped[index]:
            level, message = Level.ERROR, "stopped by its own watchdog"
        if bits:
            level, message = Level.ERROR, f"latched: {error_names(bits)}"
        values = {
            "temperature_c": f"{temperature_c:.0f}",
            "voltage_v": f"{float(health.voltage_v[index]):.1f}",
            "torque_enabled": str(bool(health.torque_enabled[index])).lower(),
            "goal_position_rad": f"{float(np.asarray(health.goal_position_rad)[index]):.4f}",
        }
        yield Status(name=f"servo {name}", level=level, message=message, values=values)


def _quantiles(histogram: Histogram) -> str:
    """In milliseconds, for a person."""
    if histogram.count == 0:
        return "none yet"
    half, most = (histogram.quantile(q) * 1e-6 for q in (0.5, 0.99))
    return f"p50 {half:.2f} ms, p99 {most:.2f} ms, max {histogram.max * 1e-6:.2f} ms"


def policy_statuses(runner: PolicyRunner, compute: Histogram) -> list[Status]:
    """Where the policy's trial stands; `compute` has the durations of its steps."""
    controller, labels = runner.controller, runner.labels
    belief = controller.belief
    rejected = {str(cause): n for cause, n in controller.rejections.items() if n}
    running = "an episode runs" if runner.is_running else "no episode runs"
    named = {} if labels is None else {"task": labels.task, "condition": labels.condition}
    return [
        Status(
            name="policy",
            level=Level.OK,
            message=running,
            values={
                **named,
                "trials": str(runner.num_trials),
                "compute": _quantiles(compute),
                **{name: str(count) for name, count in sorted(dict(runner.counters).items())},
            },
        ),
        Status(
            name="belief",
            level=Level.OK,
            message="frozen" if runner.is_frozen else "open to evidence",
            values={
                "accepted": str(controller.num_accepted),
                **{f"rejected {cause}": str(count) for cause, count in sorted(rejected.items())},
                "kl_from_prior": f"{belief.kl_from_prior:.3f} nats",
                **{name: f"{value:g}" for name, value in belief.figures.items()},
            },
        ),
    ]
