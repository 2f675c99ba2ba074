"""`walled_point_robot`: a large reward behind a wall, and a small one before it."""

from __future__ import annotations

import numpy as np

from training.tasks.task import Parameter
from training.worlds.walled_point_world import WalledPointWorld, WallScene


class WalledPointRobot:
    """Goals within a small square behind the wall: a policy need not tell them apart."""

    name = "walled_point_robot"
    parameters: tuple[Parameter, ...] = (
        Parameter(name="goal", unit="m", low=(0.4, 0.4), high=(0.5, 0.5), changes_dynamics=False),
    )
    further_parameters: tuple[Parameter, ...] = ()
    num_distinct_tasks: int | None = None
    scene = WallScene()

    def sample(
        self, rng: np.random.Generator, num_tasks: int
    ) -> list[dict[str, tuple[float, ...]]]:
        [goal] = self.parameters
        goals = rng.uniform(goal.low, goal.high, (num_tasks, 2))
        return [{"goal": (float(x), float(y))} for x, y in goals]

    def make_world(self, num_worlds: int, *, num_threads: int = 1) -> WalledPointWorld:
        return WalledPointWorld(self.scene, num_worlds)
