"""`gridworld`: find the cell that pays, and go there at once in every later episode.

The gridworld of VariBAD (Zintgraf et al. 2020, section 5.1, https://arxiv.org/abs/1910.08348):
5 x 5 cells, the goal anywhere but in the four around the start, 15 steps an episode.
"""

from __future__ import annotations

import numpy as np

from training.rules.gridworld import Gridworld
from training.tasks.task import Parameter
from training.worlds.grid_world import GridWorld


class GridworldFamily:
    """The 21 possible goals: all of them are met in training, as in the paper."""

    name = "gridworld"
    grid = Gridworld()
    parameters: tuple[Parameter, ...] = (
        Parameter(
            name="goal",
            unit="cell",
            low=(0.0, 0.0),
            high=(grid.size - 1.0, grid.size - 1.0),
            changes_dynamics=False,
        ),
    )
    further_parameters: tuple[Parameter, ...] = ()
    num_distinct_tasks: int | None = len(grid.goals)

    def sample(
        self, rng: np.random.Generator, num_tasks: int
    ) -> list[dict[str, tuple[float, ...]]]:
        cells = rng.permutation(self.grid.goals)[:num_tasks]
        size = self.grid.size
        return [{"goal": (float(cell % size), float(cell // size))} for cell in cells]

    def make_world(self, num_worlds: int, *, num_threads: int = 1) -> GridWorld:
        return GridWorld(self.grid, num_worlds)
