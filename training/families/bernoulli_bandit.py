"""`bernoulli_bandit`: two arms that pay 1 with a probability of their own, pulled twenty times."""

from __future__ import annotations

import numpy as np

from training.rules.bernoulli_bandit import BernoulliBandit, draw_arms
from training.tasks.task import Parameter
from training.worlds.bandit_world import BanditWorld


class BernoulliBanditFamily:
    """Arms drawn uniformly from [0, 1], each by itself: the bandit of `taskbelief exact`.

    An episode is a game, so a trial of one episode is what the exact values are about.
    """

    name = "bernoulli_bandit"
    parameters: tuple[Parameter, ...] = (
        Parameter(name="arms", unit="1", low=(0.0, 0.0), high=(1.0, 1.0), changes_dynamics=False),
    )
    further_parameters: tuple[Parameter, ...] = ()
    num_distinct_tasks: int | None = None
    bandit = BernoulliBandit(num_arms=2, num_pulls=20)

    def sample(
        self, rng: np.random.Generator, num_tasks: int
    ) -> list[dict[str, tuple[float, ...]]]:
        arms = draw_arms(self.bandit, rng, num_tasks)
        return [{"arms": tuple(map(float, each))} for each in arms]

    def make_world(self, num_worlds: int, *, num_threads: int = 1) -> BanditWorld:
        return BanditWorld(self.bandit, num_worlds)
