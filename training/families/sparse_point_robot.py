"""`sparse_point_robot`: find a goal on the unit half circle that pays only once it is found."""

from __future__ import annotations

import numpy as np

from training.tasks.task import Parameter
from training.worlds.point_world import PointScene, SparsePointWorld


class SparsePointRobot:
    """Goals evenly spaced on the half circle, in random order; every episode starts at its centre.

    The dense reward is minus the distance to the goal and serves meta-training; the sparse reward
    is 1 - distance within 0.2 m of the goal (success) and 0 elsewhere.
    """

    name = "sparse_point_robot"
    parameters: tuple[Parameter, ...] = (
        Parameter(name="goal", unit="m", low=(-1.0, 0.0), high=(1.0, 1.0), changes_dynamics=False),
    )
    further_parameters: tuple[Parameter, ...] = ()
    num_distinct_tasks: int | None = None
    scene = PointScene(success_radius_m=0.2, starts_at_origin=True)

    def sample(
        self, rng: np.random.Generator, num_tasks: int
    ) -> list[dict[str, tuple[float, ...]]]:
        """The spacing follows the number of tasks; `rng` decides which of them are held out."""
        angles = rng.permutation(np.linspace(0.0, np.pi, num_tasks))
        return [{"goal": (float(np.cos(angle)), float(np.sin(angle)))} for angle in angles]

    def make_world(self, num_worlds: int, *, num_threads: int = 1) -> SparsePointWorld:
        return SparsePointWorld(self.scene, num_worlds)
