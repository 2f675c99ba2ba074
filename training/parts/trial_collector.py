"""Collecting the trials of an iteration: on tasks drawn anew, counted, and shown to statistics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from training.parts.actor import Actor
from training.parts.learner_state import LearnerState
from training.parts.recurrent_actor import Evidence
from training.parts.trials import Trials, collect_trials
from training.tasks.task import Task
from training.worlds.vector_world import VectorWorld


class Collected(NamedTuple):
    """One trial in every world."""

    trials: Trials
    """as networks take them; rewards are the world's"""
    measured: Trials
    """the same as the world gave them: what a replay keeps"""
    tasks: list[Task]
    """(B,)"""


@dataclass(frozen=True, kw_only=True)
class TrialCollector:
    """Worlds, and how what happens in them is shown to networks."""

    worlds: VectorWorld
    tasks: Sequence[Task]
    """those that are learnt from"""
    num_episodes: int
    """of a trial"""
    evidence: Evidence
    state: LearnerState
    """draws tasks and seeds, and counts steps"""

    def collect(self, make_actor: Callable[[Sequence[Task]], Actor]) -> Collected:
        """A trial in every world, each on a task drawn anew."""
        rng, evidence = self.state.rng, self.evidence
        chosen = rng.integers(len(self.tasks), size=self.worlds.num_worlds)
        tasks = [self.tasks[index] for index in chosen]
        measured = collect_trials(
            self.worlds,
            tasks,
            make_actor(tasks),
            num_episodes=self.num_episodes,
            seed=int(rng.integers(2**31)),
            device=self.state.device,
            context_layout=evidence.layout,
            uses_sparse_context=evidence.uses_sparse_reward,
        )
        trials = measured.normalized(evidence.statistics, evidence.layout)
        measured.update(evidence.statistics)  # from the next iteration on: ratios need one measure
        self.state.num_environment_steps += int(measured.is_valid.sum())
        return Collected(trials, measured, tasks)
