"""Which episodes an evaluation consists of, and in which order a bench goes through them.

A task is put on the bench once: its adapted trials, then the last episode again under every other
condition. What was learnt about a task is the wrong belief for the task after it, so that only the
first task has to come back at the end for its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sim2real.evaluation.protocol import Condition, TrialProtocol
from sim2real.evaluation.records import EpisodeKey

Role = Literal["evaluated", "robust"]
"""which of the bundles performs"""


@dataclass(frozen=True, kw_only=True)
class Leg:
    """Consecutive episodes of one trial under one condition."""

    task: str
    condition: Condition
    trial: int
    episodes: tuple[int, ...]
    """their numbers in the trial"""

    @property
    def keys(self) -> list[EpisodeKey]:
        return [EpisodeKey(self.task, self.condition, self.trial, e) for e in self.episodes]


@dataclass(frozen=True, kw_only=True)
class Visit:
    """What is done before a task leaves the bench."""

    task_index: int
    role: Role
    legs: tuple[Leg, ...]


def schedule(tasks: Sequence[str], protocol: TrialProtocol, *, has_robust: bool) -> list[Visit]:
    """Visits in order. One task has no wrong one; `tasks` are names, each once."""

    def legs(task: str, condition: Condition) -> list[Leg]:
        is_adapted = condition is Condition.ADAPTED
        last = protocol.num_episodes - 1
        episodes = tuple(range(protocol.num_episodes)) if is_adapted else (last,)
        return [
            Leg(task=task, condition=condition, trial=trial, episodes=episodes)
            for trial in range(protocol.num_trials)
        ]

    visits = []
    for index, task in enumerate(tasks):
        conditions = [Condition.ADAPTED, Condition.FROZEN_PRIOR]
        conditions += [Condition.WRONG_TASK] if index > 0 else []
        planned = [leg for condition in conditions for leg in legs(task, condition)]
        visits.append(Visit(task_index=index, role="evaluated", legs=tuple(planned)))
        if has_robust:
            robust = tuple(legs(task, Condition.ROBUST))
            visits.append(Visit(task_index=index, role="robust", legs=robust))
    if len(tasks) > 1:
        wrong = tuple(legs(tasks[0], Condition.WRONG_TASK))
        visits.append(Visit(task_index=0, role="evaluated", legs=wrong))
    return visits


def learnt_elsewhere(key: EpisodeKey, tasks: Sequence[str], protocol: TrialProtocol) -> EpisodeKey:
    """The adapted episode after which the memory is the wrong belief for `key`'s task.

    It is that of the task before, as it was before its last episode.
    """
    other = tasks[tasks.index(key.task) - 1]
    return EpisodeKey(other, Condition.ADAPTED, key.trial, protocol.num_episodes - 2)
