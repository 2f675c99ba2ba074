"""How long what takes, by stage: the same numbers from a loop and from the messages of one.

* `lateness`: from the deadline to the beginning of a tick;
* `read`: from there until all servos had answered;
* `answer`: from there until the goals that answer it were on the bus, the policy's computation and
  judging it included; of the readings that were answered in their own tick, since a hand is read
  more often than its policy acts;
* `age`: from the measurement until the goals that answer it were on the bus;
* `reading_age`: from the measurement until the policy's step began;
* `compute`: from there until the targets were known.
"""

from __future__ import annotations

from typing import Protocol


class TickTimes(Protocol):
    """A `ControlTick`, or its message."""

    @property
    def deadline_ns(self) -> int: ...
    @property
    def started_ns(self) -> int: ...
    @property
    def reading_ns(self) -> int: ...
    @property
    def read_done_ns(self) -> int: ...
    @property
    def written_ns(self) -> int: ...
    @property
    def answers_ns(self) -> int: ...


class StepTimes(Protocol):
    """A `Step`, or its message."""

    @property
    def reading_age_s(self) -> float: ...
    @property
    def compute_s(self) -> float: ...


def note_tick(latency_ns: dict[str, list[int]], tick: TickTimes) -> None:
    """Add one tick of the loop that owns the hand, unless its clock stands still meanwhile.

    (Simulated time passes between two ticks only.)
    """
    if tick.read_done_ns == tick.started_ns:
        return
    _add(latency_ns, "lateness", tick.started_ns - tick.deadline_ns)
    if tick.reading_ns:
        _add(latency_ns, "read", tick.read_done_ns - tick.started_ns)
    if tick.written_ns and tick.reading_ns and tick.answers_ns == tick.reading_ns:
        _add(latency_ns, "answer", tick.written_ns - tick.read_done_ns)
        _add(latency_ns, "age", tick.written_ns - tick.answers_ns)


def note_step(latency_ns: dict[str, list[int]], step: StepTimes) -> None:
    """Add one step of the policy."""
    if step.reading_age_s != 0.0:  # as in simulated time
        _add(latency_ns, "reading_age", round(step.reading_age_s * 1e9))
    _add(latency_ns, "compute", round(step.compute_s * 1e9))


def _add(latency_ns: dict[str, list[int]], stage: str, value: int) -> None:
    latency_ns.setdefault(stage, []).append(value)
