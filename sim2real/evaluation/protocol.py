"""What an evaluation consists of, in training and on a robot: conditions, episodes, seeds."""

from __future__ import annotations

import enum
import zlib
from dataclasses import dataclass, replace

import numpy as np


class Condition(enum.StrEnum):
    """What an episode's belief may know. They differ in nothing else."""

    ADAPTED = "adapted"
    """all that this trial has shown so far; its first episode is `episode_0`"""
    FROZEN_PRIOR = "frozen_prior"
    """nothing, for ever"""
    WRONG_TASK = "wrong_task"
    """what was learnt about another task before its last episode, and nothing more"""
    ROBUST = "robust"
    """another bundle, which does not adapt"""
    ORACLE = "oracle"
    """a policy that is told the task; it runs where the task is known by number only: training"""


FROZEN = (Condition.FROZEN_PRIOR, Condition.WRONG_TASK)
"""conditions under which the last episode adds no evidence"""


@dataclass(frozen=True, kw_only=True)
class TrialProtocol:
    """A trial is so many episodes on one task without forgetting in between."""

    num_episodes: int = 3
    """episodes of a trial; the last one is the adapted one"""
    num_trials: int = 1
    """trials per task, which differ in starting points and latents"""
    seed: int = 0
    """of starting points and latents, the same for all conditions"""

    def __post_init__(self) -> None:
        if self.num_episodes < 1 or self.num_trials < 1:
            raise ValueError("a protocol needs an episode and a trial")

    def episode_seeds(self) -> list[int]:
        """One seed per episode: where it starts."""
        return self._seeds()[:-1]

    def common_latent_seed(self) -> int:
        """Of all latents where all trials draw theirs from one generator, as batched worlds do."""
        return self._seeds()[-1]

    def latent_seed(self, task: str) -> int:
        """Of all latents of a trial on the task of that name, where trials run one by one.

        Tasks draw their own: with common ones an interval over tasks would take the luck of a
        single draw for a property of the policy.
        """
        entropy = [self.common_latent_seed(), zlib.crc32(task.encode())]
        return int(np.random.SeedSequence(entropy).generate_state(1)[0])

    def _seeds(self) -> list[int]:
        seeds = np.random.SeedSequence(self.seed).generate_state(self.num_episodes + 1)
        return [int(seed) for seed in seeds]

    def for_trial(self, trial: int) -> TrialProtocol:
        """The protocol of one of the trials on a task."""
        mixed = np.random.SeedSequence([self.seed, trial]).generate_state(1)
        return self if trial == 0 else replace(self, seed=int(mixed[0]))
