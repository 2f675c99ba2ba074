"""`point_robot`: reach a goal in the square [-1, 1]^2, anywhere from anywhere, by its distance."""

from __future__ import annotations

import numpy as np

from training.tasks.task import Parameter
from training.worlds.point_world import PointScene, PointWorld


class PointRobot:
    """Goals uniform in the square; reward is minus the distance to the goal.

    Success is a distance of at most 0.1 m, one full step of the point: the papers name no
    condition, and nearer than a step a policy can always stay.
    """

    name = "point_robot"
    parameters: tuple[Parameter, ...] = (
        Parameter(name="goal", unit="m", low=(-1.0, -1.0), high=(1.0, 1.0), changes_dynamics=False),
    )
    further_parameters: tuple[Parameter, ...] = ()
    num_distinct_tasks: int | None = None
    scene = PointScene(success_radius_m=0.1, starts_at_origin=False)

    def sample(
        self, rng: np.random.Generator, num_tasks: int
    ) -> list[dict[str, tuple[float, ...]]]:
        goals = rng.uniform(-1.0, 1.0, (num_tasks, 2))
        return [{"goal": (float(x), float(y))} for x, y in goals]

    def make_world(self, num_worlds: int, *, num_threads: int = 1) -> PointWorld:
        return PointWorld(self.scene, num_worlds)
