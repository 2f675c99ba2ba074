"""The evaluation of a bundle: adapted behaviour beside what it would be without the belief.

* `adapted`: the last episode of a trial that began with the prior;
* `episode_0`: its first episode, before anything was learnt;
* `frozen_prior`: the last episode had no evidence ever arrived;
* `wrong_task`: the last episode on what was learnt about another task;
* `robust`: the last episode under a bundle that does not adapt.

If the belief matters, the others are worse than `adapted`. All start the last episode alike, and
draw their latents with the same random numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from sim2real.evaluation.journal import Journal
from sim2real.evaluation.protocol import FROZEN, Condition, TrialProtocol
from sim2real.evaluation.records import (
    EpisodeKey,
    EpisodeRecord,
    PlainMemory,
    memory_from,
    plain_memory,
)
from sim2real.evaluation.schedule import Leg, Role, Visit, learnt_elsewhere, schedule
from sim2real.evaluation.session import (
    BenchTask,
    EpisodeFault,
    EpisodePlan,
    OpenSession,
    Session,
    Tally,
)
from sim2real.runtime.bundle import Bundle
from sim2real.runtime.policy_runner import EpisodeOutcome, TrialLabels


class Observer(Protocol):
    """Who watches an evaluation."""

    def task_begins(self, task: BenchTask) -> None:
        """A task is about to be put on the bench."""

    def episode_ended(self, record: EpisodeRecord) -> None:
        """It is in the journal, completed or not."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Evaluation:
    """What is to be measured, with what, and where it is noted."""

    robot: str
    """simulated, emulated or serial: goes into records"""
    tasks: Sequence[BenchTask]
    bundles: Mapping[Role, Bundle]
    """the one that is evaluated, and the robust one where there is one"""
    protocol: TrialProtocol
    open_session: OpenSession
    journal: Journal
    observers: Sequence[Observer] = ()
    max_faults: int = 1
    """it stops when so many episodes have ended in a fault"""

    @property
    def visits(self) -> list[Visit]:
        return schedule(self.task_names, self.protocol, has_robust="robust" in self.bundles)

    @property
    def task_names(self) -> list[str]:
        return [task.name for task in self.tasks]

    def missing(self) -> list[EpisodeKey]:
        """Episodes that are not done yet, in order."""
        done = self._done()
        keys = (key for visit in self.visits for leg in visit.legs for key in leg.keys)
        return [key for key in keys if key not in done]

    def run(self) -> bool:
        """Do what is missing; whether nothing is any more.

        After a fault the next task is put on the bench, and the one with the fault comes again
        when the others are done, until `max_faults` is reached.
        """
        num_faults = 0
        while self.missing():
            for visit in self.visits:
                num_faults += not self._run_visit(visit)
                if num_faults >= self.max_faults:
                    return not self.missing()
        return True

    def _run_visit(self, visit: Visit) -> bool:
        """Whether it came to its end without a fault."""
        legs = [leg for leg in visit.legs if self._is_due(leg)]
        if not legs:
            return True
        task = self.tasks[visit.task_index]
        for observer in self.observers:
            observer.task_begins(task)
        try:
            with self.open_session(task, self.bundles[visit.role]) as session:
                for leg in legs:
                    self._run_leg(session, task, leg)
        except _Noted:
            return False
        except EpisodeFault as fault:
            # The bench could not be made ready or left: no episode is to blame.
            self._note(_record(legs[0].keys[0], 0, None, Tally(), reason=fault.reason))
            return False
        return True

    def _is_due(self, leg: Leg) -> bool:
        done = self._done()
        if all(key in done for key in leg.keys):
            return False
        if leg.condition is not Condition.WRONG_TASK or self.protocol.num_episodes == 1:
            return True
        return learnt_elsewhere(leg.keys[0], self.task_names, self.protocol) in self._done()

    def _run_leg(self, session: Session, task: BenchTask, leg: Leg) -> None:
        done = self._done()
        episodes = [key.episode for key in leg.keys if key not in done]
        of_trial = self.protocol.for_trial(leg.trial)
        seeds, latent_seed = of_trial.episode_seeds(), of_trial.latent_seed(task.name)
        labels = TrialLabels(
            robot=self.robot, task=task.name, condition=leg.condition, trial=leg.trial
        )
        key = EpisodeKey(task.name, leg.condition, leg.trial, episodes[0])
        try:
            session.begin_trial(seed=latent_seed, labels=labels, first_episode=episodes[0])
            known = self._known_before(key)
            if known is not None and known in done:
                session.memory = memory_from(done[known].memory)
            session.is_frozen = leg.condition in FROZEN
            for episode in episodes:
                key = key._replace(episode=episode)
                self._run_episode(session, task.plan(seeds[episode]), key)
        except EpisodeFault as fault:
            record = _record(
                key,
                seeds[key.episode],
                fault.outcome,
                session.take_tally(),
                reason=fault.reason,
                recording=session.recording,
            )
            self._note(record)
            raise _Noted from fault

    def _known_before(self, key: EpisodeKey) -> EpisodeKey | None:
        """The episode whose memory this one begins with; None: the prior."""
        if key.condition == Condition.WRONG_TASK:
            return learnt_elsewhere(key, self.task_names, self.protocol)
        return key._replace(episode=key.episode - 1) if key.condition == Condition.ADAPTED else None

    def _run_episode(self, session: Session, plan: EpisodePlan, key: EpisodeKey) -> None:
        outcome = session.run_episode(plan)
        record = _record(
            key,
            plan.seed,
            outcome,
            session.take_tally(),
            memory=plain_memory(session.memory),
            recording=session.recording,
        )
        self._note(record)

    def _note(self, record: EpisodeRecord) -> None:
        self.journal.append(record)
        for observer in self.observers:
            observer.episode_ended(record)

    def _done(self) -> dict[EpisodeKey, EpisodeRecord]:
        return {record.key: record for record in self.journal.records if record.is_completed}


class _Noted(Exception):
    """A fault that is in the journal already."""


def _record(
    key: EpisodeKey,
    seed: int,
    outcome: EpisodeOutcome | None,
    tally: Tally,
    *,
    reason: str = "",
    memory: PlainMemory | None = None,
    recording: str = "",
) -> EpisodeRecord:
    """`outcome` None: it did not even begin; a `reason` makes it a fault."""
    return EpisodeRecord(
        **key._asdict(),
        seed=seed,
        total_reward=0.0 if outcome is None else outcome.total_reward,
        is_success=False if outcome is None else outcome.is_success,
        success_fraction=0.0 if outcome is None else outcome.success_fraction,
        num_steps=0 if outcome is None else outcome.num_steps,
        num_transitions=0 if outcome is None else outcome.num_transitions,
        kl_from_prior=0.0 if outcome is None else outcome.kl_from_prior,
        outcome="fault" if reason else "completed",
        reason=reason,
        evidence=dict(tally.evidence),
        safety_events=dict(tally.safety_events),
        latency_ns={stage: tuple(values) for stage, values in tally.latency_ns.items()},
        memory=memory or {},
        recording=recording,
    )
