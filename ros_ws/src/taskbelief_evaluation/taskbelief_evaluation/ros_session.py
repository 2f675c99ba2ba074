"""An evaluation's session over a running graph: its services begin things, its topics tell."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from sim2real.evaluation.latency import note_step, note_tick
from sim2real.evaluation.session import EpisodeFault, EpisodePlan, Tally
from sim2real.recording.writer import SUFFIX
from sim2real.runtime.adaptation import Memory
from sim2real.runtime.policy_runner import EpisodeOutcome, TrialLabels
from taskbelief_evaluation.calls import POLL_S, Caller, CallFailed
from taskbelief_evaluation.recorder import Recorder
from taskbelief_evaluation.tap import decoded
from taskbelief_hardware.declarations import Service
from taskbelief_hardware.interfaces import HOLD, PLACE_HAND
from taskbelief_policy.interfaces import (
    BEGIN_EPISODE,
    BEGIN_TRIAL,
    END_EPISODE,
    FREEZE_BELIEF,
    GET_BELIEF,
    SET_BELIEF,
)

PLACE_S = 30.0
"""how long hand and valve may take to where an episode starts"""
SLACK_S = 10.0
"""how much longer than its steps an episode may take before it counts as lost"""
SETTLE_S = 1.0
"""how long the last words of an episode may be under way after its result"""


class EpisodeWatch:
    """What the topics say of the episode that runs. `take` is called by the executor's thread."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.result: Any = None
        self.is_complete = False
        """result, last step and the belief after it have come"""
        self.tally = Tally()
        self._last_step: Any = None
        self._belief: Any = None
        self._rejected: Counter[str] = Counter()

    def begin_trial(self) -> None:
        with self.changed:
            self._rejected.clear()

    def begin_episode(self) -> None:
        with self.changed:
            self.result = self._last_step = self._belief = None
            self.is_complete = False

    def take_tally(self) -> Tally:
        with self.changed:
            tally, self.tally = self.tally, Tally()
        return tally

    def take(self, name: str, message: bytes) -> None:
        """A message of any topic."""
        handle = getattr(self, f"_take_{name}", None)
        if handle is None:
            return
        value = decoded(name, message)
        with self.changed:
            handle(value)
            step, belief = self._last_step, self._belief
            self.is_complete = self.result is not None and (
                self.result.outcome != "completed"
                or (step is not None and belief is not None and belief.tick == step.tick)
            )
            self.changed.notify_all()

    def _take_trial_result(self, result: Any) -> None:
        self.result = result

    def _take_policy_step(self, step: Any) -> None:
        if step.is_last:
            self._last_step = step
        if not step.rejection:
            self.tally.evidence["accepted"] += 1
        note_step(self.tally.latency_ns, step)

    def _take_belief(self, belief: Any) -> None:
        self._belief = belief
        counts = dict(zip(belief.rejection_causes, belief.rejection_counts, strict=True))
        for cause, count in counts.items():
            self.tally.evidence[cause] += max(count - self._rejected[cause], 0)
        self._rejected = Counter(counts)

    def _take_control_tick(self, tick: Any) -> None:
        note_tick(self.tally.latency_ns, tick)

    def _take_safety_event(self, event: Any) -> None:
        if event.cause:
            self.tally.safety_events[event.cause] += 1
