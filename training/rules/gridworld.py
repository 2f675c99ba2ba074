"""Rules of the gridworld with a hidden goal: motion, reward and the exact belief.

The gridworld of VariBAD (Zintgraf et al. 2020, section 5.1): the goal is in one of the cells away
from the start, pays on every step that ends in it, and stays where it is over the episodes of a
trial. Pure functions over batches, shared by the exact value and by anything that plays the grid.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.rules.ties import Array

Index = NDArray[np.int64]
MOVES = np.array([(0, 0), (0, 1), (1, 0), (0, -1), (-1, 0)])
"""(A, 2) what each action adds to column and row: stay, and one step in four directions"""


@dataclass(frozen=True, kw_only=True)
class Gridworld:
    """A square of cells, numbered row by row from the start in a corner, cell 0."""

    size: int = 5
    """cells along an edge"""
    start_size: int = 2
    """edge of the square around the start that never holds the goal"""
    episode_length: int = 15
    """steps until the walker is put back on the start"""
    num_episodes: int = 4
    """episodes of a trial, all with the same goal"""
    goal_reward: float = 1.0
    """of a step that ends on the goal"""
    step_reward: float = -0.1
    """of every other step"""

    @property
    def goals(self) -> Index:
        """(G,) the cells that may hold the goal, in order; equally likely."""
        cells = np.arange(self.size**2)
        return cells[np.maximum(cells // self.size, cells % self.size) >= self.start_size]


def moved(grid: Gridworld, cell: Index, action: Index) -> Index:
    """(W,) cells after a step; who walks against the wall stays."""
    column = np.clip(cell % grid.size + MOVES[action, 0], 0, grid.size - 1)
    row = np.clip(cell // grid.size + MOVES[action, 1], 0, grid.size - 1)
    return np.asarray(row * grid.size + column)


def reward(grid: Gridworld, cell: Index, goal: Index) -> Array:
    """(W,) reward of a step that ended in `cell`."""
    return np.where(cell == goal, grid.goal_reward, grid.step_reward)


def first_belief(grid: Gridworld, num_worlds: int) -> Array:
    """(W, G) the prior over `Gridworld.goals`."""
    return np.full((num_worlds, len(grid.goals)), 1.0 / len(grid.goals))


def updated_belief(
    grid: Gridworld, belief: Array, cell: Index, is_goal: NDArray[np.bool_]
) -> Array:
    """(W, G) the posterior after a step into `cell` (W,) that did or did not pay.

    Certain once it paid; until then the cell is ruled out. Raises `ValueError` where that leaves no
    goal: such a history cannot be.
    """
    is_here = grid.goals == cell[:, None]
    posterior = np.where(is_here == is_goal[:, None], belief, 0.0)
    left = posterior.sum(-1, keepdims=True)
    if not (left > 0.0).all():
        raise ValueError("what was seen has no probability under the belief")
    return np.asarray(posterior / left)


def distance(grid: Gridworld, one: Index, other: Index) -> Index:
    """Steps of the shortest walk between cells."""
    columns = np.abs(one % grid.size - other % grid.size)
    return np.asarray(columns + np.abs(one // grid.size - other // grid.size))
