"""What the ticks of a control loop say about its timing, one tick after the other."""

from __future__ import annotations

from collections import Counter
from typing import Any, Protocol

from sim2real.runtime.pacing import Histogram

NUM_REMEMBERED = 16
"""readings of which it is known when they were in; a command may answer an older one"""


class Tick(Protocol):
    """A `ControlTick`, or its message. All times are of the host's monotonic clock, ns."""

    deadline_ns: int
    started_ns: int
    reading_ns: int
    read_done_ns: int
    written_ns: int
    answers_ns: int
    num_missed: int


class LoopFigures:
    """Histograms in ns and counts over consecutive ticks.

    * `period`: from one beginning to the next;
    * `jitter`: from the deadline to the beginning;
    * `read`: from there until all servos had answered, which is the bus's time;
    * `age`: from a measurement until the goals that answer it were written, once per command;
    * `age_beyond_bus`: the same from when the servos' answers were in.
    """

    def __init__(self, lifespan_s: float) -> None:
        """`lifespan_s` is that of the commands: none may be older when it is executed."""
        names = ("period", "jitter", "read", "age", "age_beyond_bus")
        self.histograms = {name: Histogram() for name in names}
        self.counts: Counter[str] = Counter()
        """`ticks`, `missed` deadlines, `unread` and `unanswered` ticks, commands executed
        `past_lifespan`"""
        self._lifespan_ns = round(lifespan_s * 1e9)
        self._started_ns: int | None = None
        self._answered_ns = 0
        self._read_done: dict[int, int] = {}

    def pause(self) -> None:
        """Ticks will be left out: the next one has no period."""
        self._started_ns = None

    def take(self, tick: Tick) -> None:
        """The next tick."""
        self.counts["ticks"] += 1
        self.counts["missed"] += tick.num_missed
        self.counts["unread"] += tick.reading_ns == 0
        if self._started_ns is not None:
            self.histograms["period"].add(tick.started_ns - self._started_ns)
        self._started_ns = tick.started_ns
        self.histograms["jitter"].add(tick.started_ns - tick.deadline_ns)
        if tick.reading_ns:
            self.histograms["read"].add(tick.read_done_ns - tick.started_ns)
            self._read_done[tick.reading_ns] = tick.read_done_ns
            self.counts["unanswered"] += tick.answers_ns != tick.reading_ns
        while len(self._read_done) > NUM_REMEMBERED:
            del self._read_done[next(iter(self._read_done))]
        if tick.written_ns and tick.answers_ns not in (0, self._answered_ns):
            self._answered_ns = tick.answers_ns
            self._executed(tick.written_ns, tick.answers_ns)

    def _executed(self, written_ns: int, answers_ns: int) -> None:
        """A command, for the first time."""
        age_ns = written_ns - answers_ns
        self.histograms["age"].add(age_ns)
        self.counts["past_lifespan"] += age_ns > self._lifespan_ns
        if answers_ns in self._read_done:
            self.histograms["age_beyond_bus"].add(written_ns - self._read_done[answers_ns])

    def as_dict(self) -> dict[str, Any]:
        """Seconds by histogram and quantile, and the counts."""
        times = {name: one.as_dict() for name, one in self.histograms.items() if one.count}
        return {"times_s": times, "counts": dict(self.counts)}
