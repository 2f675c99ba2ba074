"""`two_rewards`: a small reward near by on one side, a large one far away on the other."""

from __future__ import annotations

import numpy as np

from training.tasks.task import Parameter
from training.worlds.line_world import LineScene, LineWorld


class TwoRewards:
    """Tasks shift both places a little, never to other sides: a policy may learn where they are."""

    name = "two_rewards"
    parameters: tuple[Parameter, ...] = (
        Parameter(name="shift", unit="m", low=(-0.05,), high=(0.05,), changes_dynamics=False),
    )
    further_parameters: tuple[Parameter, ...] = ()
    num_distinct_tasks: int | None = None
    scene = LineScene()

    def sample(
        self, rng: np.random.Generator, num_tasks: int
    ) -> list[dict[str, tuple[float, ...]]]:
        [shift] = self.parameters
        drawn = rng.uniform(shift.low, shift.high, (num_tasks, 1))
        return [{"shift": (float(value),)} for [value] in drawn]

    def make_world(self, num_worlds: int, *, num_threads: int = 1) -> LineWorld:
        return LineWorld(self.scene, num_worlds)
