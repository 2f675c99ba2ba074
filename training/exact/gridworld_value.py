"""The Bayes-optimal value of the gridworld: the best walk until the goal is found.

Until then all that is ever seen is "not here", so a policy is one open-loop walk; afterwards the
goal is known and the shortest way to it is best. What a walk is worth is therefore a sum over the
goals of what their discovery is worth at the time when the walk first meets them, and the best
walk is found step by step over (goals met so far, cell): of equal ones only the best is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.worlds.gridworld import MOVES, Gridworld, Index, distance, moved
from training.worlds.ties import Array

_ROUNDING = 1e-6
"""sums of rewards nearer than this are equal"""


@dataclass(frozen=True, kw_only=True)
class GridworldPlan:
    """The best walk, and what it is worth on average over the goals."""

    value: float
    """expected sum of rewards of a trial"""
    walk: tuple[int, ...]
    """the cell after every step of the trial, as long as the goal has not been met"""


@dataclass(frozen=True, kw_only=True)
class _Layer:
    """The walks of some length that may still become the best; M of them."""

    met: Index
    """(M,) bit g: the walk has met goal g"""
    cell: Index
    """(M,) where the walk is"""
    worth: Array
    """(M,) of the goals met, summed"""
    parent: Index
    """(M,) which walk of the layer before it goes on"""


def bayes_optimal_walk(grid: Gridworld) -> GridworldPlan:
    """The best walk of a trial, exactly.

    Walks that can no longer surpass the best of a narrow search are dropped on the way; the bound
    on what a walk may still earn is optimistic, so none is dropped that could have won.
    """
    worths = discovery_worths(grid)
    lower_bound = _walk_layers(grid, worths, width=2_000, at_least=-np.inf)[-1].worth.max()
    layers = _walk_layers(grid, worths, width=None, at_least=float(lower_bound) - _ROUNDING)
    best = int(layers[-1].worth.argmax())
    value = float(layers[-1].worth[best]) / len(grid.goals)
    cells = []
    for layer in reversed(layers[1:]):
        cells.append(int(layer.cell[best]))
        best = int(layer.parent[best])
    return GridworldPlan(value=value, walk=tuple(reversed(cells)))


def walk_returns_by_episode(grid: Gridworld, walk: Sequence[int]) -> Array:
    """(E,) mean return of each episode over the goals, for a walk as `GridworldPlan` has it."""
    cells, num_steps = np.array(walk), len(walk)
    is_met = cells[:, None] == grid.goals  # (T, G)
    met_at = np.where(is_met.any(0), is_met.argmax(0), num_steps)
    now = _steps_on_goal(grid)[0]
    episode = met_at // grid.episode_length
    index = np.arange(grid.num_episodes)[:, None]  # (E, 1) beside goals
    on_goal = np.where(index == episode, now[met_at], 0)
    on_goal = np.where(index > episode, _steps_on_known_goal(grid), on_goal)
    paid = grid.goal_reward * on_goal + grid.step_reward * (grid.episode_length - on_goal)
    return np.asarray(paid.mean(1))


def discovery_worths(grid: Gridworld) -> Array:
    """(T + 1, G) the sum of a trial's rewards if goal g is first met at step t, counted from 0.

    The last row is for goals that are never met.
    """
    now, later = _steps_on_goal(grid)
    num_steps = grid.episode_length * grid.num_episodes
    on_goal = now[:, None] + later[:, None] * _steps_on_known_goal(grid)
    return grid.goal_reward * on_goal + grid.step_reward * (num_steps - on_goal)


def _steps_on_goal(grid: Gridworld) -> tuple[Index, Index]:
    """Twice (T + 1,): after meeting the goal at step t, steps of this episode and episodes left."""
    step = np.arange(grid.episode_length * grid.num_episodes)
    now = grid.episode_length - step % grid.episode_length
    later = grid.num_episodes - 1 - step // grid.episode_length
    return np.append(now, 0), np.append(later, 0)


def _steps_on_known_goal(grid: Gridworld) -> Index:
    """(G,) steps on the goal in an episode that goes straight to it."""
    away = distance(grid, grid.goals, np.zeros(1, np.int64))
    return np.where(away <= grid.episode_length, grid.episode_length - away + 1, 0)


def _walk_layers(
    grid: Gridworld, worths: Array, *, width: int | None, at_least: float
) -> list[_Layer]:
    """Walks of 0 … T steps. `width` keeps the most promising only, `at_least` those that can."""
    zero = np.zeros(1, np.int64)
    layers = [_Layer(met=zero, cell=zero, worth=np.array([worths[-1].sum()]), parent=zero)]
    for step in range(len(worths) - 1):
        layer = _extended(grid, worths, layers[-1], step)
        promise = layer.worth + _promise(grid, layer, step)
        kept = np.flatnonzero(promise >= at_least)
        if width is not None and len(kept) > width:
            kept = kept[np.argsort(-promise[kept])[:width]]
        layers.append(
            _Layer(
                met=layer.met[kept],
                cell=layer.cell[kept],
                worth=layer.worth[kept],
                parent=layer.parent[kept],
            )
        )
    return layers


def _extended(grid: Gridworld, worths: Array, layer: _Layer, step: int) -> _Layer:
    """Every walk with every next move; of those that met the same and ended alike, the best."""
    goal_at = np.full(grid.size**2, -1)
    goal_at[grid.goals] = np.arange(len(grid.goals))
    parent = np.repeat(np.arange(len(layer.cell)), len(MOVES))
    start = np.zeros_like(layer.cell) if step % grid.episode_length == 0 else layer.cell
    cell = moved(grid, start[parent], np.tile(np.arange(len(MOVES)), len(layer.cell)))
    goal = goal_at[cell]
    bit = np.where(goal >= 0, 1 << np.maximum(goal, 0), 0)
    is_new = (bit & ~layer.met[parent]) > 0
    gain = worths[step, goal] - worths[-1, goal]
    worth = layer.worth[parent] + np.where(is_new, gain, 0.0)
    met = layer.met[parent] | bit
    order = np.lexsort((-worth, met * grid.size**2 + cell))
    key = (met * grid.size**2 + cell)[order]
    chosen = order[np.concatenate([[True], key[1:] != key[:-1]])]
    return _Layer(met=met[chosen], cell=cell[chosen], worth=worth[chosen], parent=parent[chosen])


def _promise(grid: Gridworld, layer: _Layer, step: int) -> Array:
    """(M,) more than this no walk of the layer can gain after `step`, its last.

    A goal is met no sooner than the walk can be there, and no two are met at one step: the n-th
    that is met is so at `soonest[n]` or later. What a discovery is worth falls with time, in this
    episode and in later ones; the latter is granted to the goals nearest to the start first.
    """
    now, later = _steps_on_goal(grid)
    last, goals = len(now) - 1, grid.goals
    known = _steps_on_known_goal(grid)
    next_start = (step // grid.episode_length + 1) * grid.episode_length
    arrival = step + distance(grid, layer.cell[:, None], goals)
    arrival_later = next_start + distance(grid, np.zeros(1, np.int64), goals) - 1
    arrival = np.where(arrival < next_start, arrival, arrival_later)
    is_met = (layer.met[:, None] >> np.arange(len(goals)) & 1) == 1
    soonest = np.sort(np.where(is_met, last, arrival), axis=1) - np.arange(len(goals))
    soonest = np.minimum(np.maximum.accumulate(soonest, 1) + np.arange(len(goals)), last)
    nearest = -np.sort(np.where(is_met, 0, -known), axis=1)
    steps_on_goal = (now[soonest] + later[soonest] * nearest).sum(1)
    return np.asarray((grid.goal_reward - grid.step_reward) * steps_on_goal)
