"""Counting what happens in an episode, the same from loops and from the messages of a recording."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from sim2real.evaluation.latency import StepTimes, TickTimes, note_step, note_tick
from sim2real.evaluation.session import Tally

HARMLESS = ("", "no_command")
"""causes of events that say where the hand is, and not that anything is wrong"""


class TallyKeeper:
    """One tally per episode: its ticks and steps, and events since the episode before it ended.

    Everything is told in the order in which it is recorded, so that a recording counts alike. What
    happens between the last episode of a trial and the next trial is in no tally.
    """

    def __init__(self) -> None:
        self._tally = self._ended = Tally()
        self._is_running = False
        self._rejected: Counter[str] = Counter()

    def trial_begins(self) -> None:
        self._tally = Tally()
        self._rejected.clear()

    def episode_begins(self) -> None:
        self._is_running = True

    def episode_ends(self) -> None:
        """It has its result: what comes now belongs to the next one."""
        self._is_running = False
        self._ended, self._tally = self._tally, Tally()
        self._ended.evidence = +self._ended.evidence

    def tick(self, tick: TickTimes) -> None:
        if self._is_running:
            note_tick(self._tally.latency_ns, tick)

    def step(self, step: StepTimes, *, is_evidence: bool) -> None:
        if self._is_running:
            note_step(self._tally.latency_ns, step)
            self._tally.evidence["accepted"] += is_evidence

    def rejections(self, counts: Mapping[str, int]) -> None:
        """Of the trial so far, by cause."""
        for cause, count in counts.items():
            self._tally.evidence[cause] += count - self._rejected[cause]
        self._rejected = Counter(counts)

    def event(self, cause: str) -> None:
        if cause not in HARMLESS:
            self._tally.safety_events[cause] += 1

    def take(self) -> Tally:
        """Of the episode that ended last; an empty one where it has been taken already."""
        tally, self._ended = self._ended, Tally()
        return tally
