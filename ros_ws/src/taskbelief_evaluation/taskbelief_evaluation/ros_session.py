"""An evaluation's session over a running graph: its services begin things, its topics tell."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, fields
from typing import Any

import numpy as np

from sim2real.evaluation.session import EpisodeFault, EpisodePlan, Tally
from sim2real.runtime.bundle import Bundle
from sim2real.runtime.kinds.kind import Memory
from sim2real.runtime.policy_runner import EpisodeOutcome, TrialLabels
from taskbelief_evaluation.calls import POLL_S, Caller, CallFailed
from taskbelief_evaluation.episode_watch import EpisodeWatch
from taskbelief_hardware.declarations import Service
from taskbelief_hardware.interfaces import PLACE_HAND
from taskbelief_policy.interfaces import (
    BEGIN_EPISODE,
    BEGIN_TRIAL,
    FREEZE_BELIEF,
    GET_BELIEF,
    SET_BELIEF,
)

PLACE_S = 30.0
"""how long hand and valve may take to where an episode starts"""
SLACK_S = 10.0
"""how much longer than its steps an episode may take before it counts as lost"""
SPEAKING = ("control_tick", "policy_step")
"""what comes again and again while an episode runs: from the driver, and from the policy"""
SILENT_S = 2.0
"""whoever says nothing for so long in an episode has died"""
SETTLE_S = 1.0
"""how long the last words of an episode may be under way after its result"""


class Recordings:
    """What a session asks of whoever records it: here, nobody."""

    name = ""
    """of the file of this trial"""

    def begin_trial(self, labels: TrialLabels) -> None:
        """Begin a file."""

    def note(self, outcome: EpisodeOutcome) -> None:
        """Record the outcome of an episode that nobody else will say anything about."""

    def sync(self) -> None:
        """All that has come is on disk when this returns."""


class RosSession:
    """One task on the bench, one policy in the graph. Fulfils `sim2real.evaluation.Session`."""

    def __init__(
        self,
        caller: Caller,
        watch: EpisodeWatch,
        recordings: Recordings,
        bundle: Bundle,
    ) -> None:
        self._caller, self._watch, self._recordings = caller, watch, recordings
        self._bundle = bundle
        self._is_frozen = False
        self._labels: TrialLabels | None = None
        self._episode = 0

    def begin_trial(self, *, seed: int, labels: TrialLabels, first_episode: int = 0) -> None:
        self._labels, self._episode = labels, first_episode
        self._watch.trial_begins()
        self._recordings.begin_trial(labels)
        self._ask(
            BEGIN_TRIAL,
            robot=labels.robot,
            task=labels.task,
            condition=labels.condition,
            trial=labels.trial,
            seed=seed,
            first_episode=first_episode,
        )
        self.is_frozen = False

    @property
    def memory(self) -> Memory:
        response = self._ask(GET_BELIEF)
        ends = np.cumsum(response.sizes, dtype=int)
        pieces = np.split(np.array(response.values, np.float64), ends[:-1])
        return dict(zip(response.names, pieces, strict=True))

    @memory.setter
    def memory(self, memory: Memory) -> None:
        values = [np.asarray(value, np.float64).ravel() for value in memory.values()]
        self._ask(
            SET_BELIEF,
            names=list(memory),
            sizes=[value.size for value in values],
            values=np.concatenate([np.zeros(0), *values]).tolist(),
        )

    @property
    def is_frozen(self) -> bool:
        return self._is_frozen

    @is_frozen.setter
    def is_frozen(self, is_frozen: bool) -> None:
        self._ask(FREEZE_BELIEF, is_frozen=is_frozen)
        self._is_frozen = is_frozen

    def run_episode(self, plan: EpisodePlan) -> EpisodeOutcome:
        self._watch.expect_episode()
        try:
            outcome = self._run(plan)
        except EpisodeFault as fault:
            time.sleep(SETTLE_S)
            if self._watch.result is None:
                raise self._noted(fault, plan) from None
            outcome = outcome_of(self._watch.result)
        self._recordings.sync()
        self._episode += 1
        if outcome.outcome != "completed":
            raise EpisodeFault(outcome.outcome, outcome.reason, outcome)
        return outcome

    def _run(self, plan: EpisodePlan) -> EpisodeOutcome:
        self._ask(
            PLACE_HAND,
            timeout_s=PLACE_S,
            joint_rad=plan.joint_rad.tolist(),
            moves_object=True,
            object_rad=plan.valve_rad,
        )
        begun = self._ask(
            BEGIN_EPISODE,
            seed=plan.seed,
            goal_centre=plan.goal.centre.tolist(),
            goal_amplitude=plan.goal.amplitude.tolist(),
            goal_frequency_rad_s=plan.goal.frequency_rad_s.tolist(),
        )
        self._await_result(begun.num_steps * self._bundle.manifest.control_period_s + SLACK_S)
        self._settle()
        return outcome_of(self._watch.result)

    def _settle(self) -> None:
        """Wait for what is still under way."""
        self._wait(lambda: self._watch.is_complete, SETTLE_S)

    def _noted(self, fault: EpisodeFault, plan: EpisodePlan) -> EpisodeFault:
        """The same with an outcome, which is in the recording now."""
        assert self._labels is not None
        outcome = EpisodeOutcome(
            bundle_name=self._bundle.manifest.name,
            bundle_digest=self._bundle.digest,
            **asdict(self._labels),
            episode=self._episode,
            episode_seed=plan.seed,
            **self._watch.so_far(),
            outcome="fault",
            reason=fault.reason,
        )
        self._recordings.note(outcome)
        self._recordings.sync()
        return EpisodeFault(fault.cause, fault.reason, outcome)

    def take_tally(self) -> Tally:
        return self._watch.take_tally()

    @property
    def recording(self) -> str:
        return self._recordings.name

    def _ask(self, service: Service, *, timeout_s: float | None = None, **values: Any) -> Any:
        request = service.type.Request(**values)
        limits = {} if timeout_s is None else {"timeout_s": timeout_s}
        try:
            return self._caller.ask(service.type, service.name, request, **limits)
        except CallFailed as failure:
            raise EpisodeFault(service.name, str(failure)) from None

    def _await_result(self, limit_s: float) -> None:
        began_s = time.monotonic()
        while not self._wait(lambda: self._watch.result is not None, SILENT_S / 4):
            now_s = time.monotonic()
            for topic in SPEAKING:
                if now_s - max(self._watch.heard_s.get(topic, 0.0), began_s) > SILENT_S:
                    raise EpisodeFault("silent", f"no {topic} for {SILENT_S:g} s in an episode")
            if now_s - began_s > limit_s:
                raise EpisodeFault("no_result", f"no result of the episode within {limit_s:.1f} s")

    def _wait(self, is_so: Callable[[], bool], limit_s: float) -> bool:
        """Whether it came to be so in time."""
        deadline = time.monotonic() + limit_s
        with self._watch.changed:
            while not is_so():
                self._caller.check()
                if time.monotonic() > deadline:
                    return False
                self._watch.changed.wait(POLL_S)
        return True


def outcome_of(result: Any) -> EpisodeOutcome:
    """What a TrialResult says."""
    names = [field.name for field in fields(EpisodeOutcome)]
    return EpisodeOutcome(**{name: getattr(result, name) for name in names})
