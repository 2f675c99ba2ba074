"""Exact references by episode, for the families that have them: levels to hold a learner against.

Levels are means over a family's distribution, whatever tasks are played; the first is that of a
player who is told the task. Regret is counted task by task, from what that player earns on it: so a
learner's regret on a few tasks can be held against a level's, where returns differ by luck.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial

import numpy as np

from training.exact.bandit_values import bayes_optimal, known_arms_value, policy_value
from training.exact.gridworld_value import bayes_optimal_walk, walk_returns_by_episode
from training.exact.half_circle import (
    HalfCircle,
    ideal_posterior_sampler,
    known_goal_returns,
)
from training.exact.half_circle_sweep import best_sweep
from training.families.bernoulli_bandit import BernoulliBanditFamily
from training.families.gridworld import GridworldFamily
from training.tasks.task import Task
from training.worlds.bernoulli_bandit import Policy, greedy, thompson
from training.worlds.gridworld import Index, distance
from training.worlds.ties import Array

_SAMPLER_SEED = 0
_MAX_GAMES = 2
_GRID = GridworldFamily.grid
_HALF_CIRCLE = HalfCircle(limit="axis")
"""in the steps of `PointWorld`, which limits each axis alone"""


@dataclass(frozen=True, kw_only=True, eq=False)
class Level:
    """What a stated way to act earns, exactly or by simulation as docs/exact.md says."""

    name: str
    """for tables and legends"""
    by_episode: Array
    """(E,) mean return of each episode of a trial"""


@dataclass(frozen=True, kw_only=True, eq=False)
class ExactReturns:
    """The references of one family for trials of E episodes."""

    known: Array
    """(N,) return of an episode on each task for a player who is told it: regret is from here"""
    levels: tuple[Level, ...]
    """a player who is told the task first, then those who have to find out"""

    def regret(self, returns: Array) -> Array:
        """(N, T, E) of returns (N, T, E): tasks, trials, episodes."""
        return self.known[:, None, None] - returns

    def level_regret(self, level: Level) -> Array:
        """(E,)"""
        return self.levels[0].by_episode - level.by_episode


def exact_returns(family: str, tasks: Sequence[Task], num_episodes: int) -> ExactReturns | None:
    """References for a family's tasks; None for a family that has none."""
    if family not in KNOWN:
        return None
    known, mean = KNOWN[family]
    told = Level(name="told the task", by_episode=np.full(num_episodes, mean()))
    return ExactReturns(known=known(tasks), levels=(told, *PLAYERS[family](num_episodes)))


# ---- told the task: on each task, and on average over the distribution ---------------------------


def _known_arms(tasks: Sequence[Task]) -> Array:
    num_pulls = BernoulliBanditFamily.bandit.num_pulls
    return num_pulls * np.array([max(task.parameters["arms"]) for task in tasks])


def _known_cell(tasks: Sequence[Task]) -> Array:
    column, row = np.array([task.parameters["goal"] for task in tasks]).round().astype(int).T
    return _walked_straight(row * _GRID.size + column)


def _walked_straight(goals: Index) -> Array:
    """(G,) return of an episode that goes to the goal at once, and stays."""
    on_goal = _GRID.episode_length + 1 - distance(_GRID, goals, np.zeros(1, np.int64))
    off_goal = _GRID.episode_length - on_goal
    return np.asarray(_GRID.goal_reward * on_goal + _GRID.step_reward * off_goal)


def _known_goal(tasks: Sequence[Task]) -> Array:
    goals = np.array([task.parameters["goal"] for task in tasks])
    return known_goal_returns(_HALF_CIRCLE, goals)


KNOWN: Mapping[str, tuple[Callable[[Sequence[Task]], Array], Callable[[], float]]] = {
    "bernoulli_bandit": (_known_arms, partial(known_arms_value, BernoulliBanditFamily.bandit)),
    "gridworld": (_known_cell, lambda: float(_walked_straight(_GRID.goals).mean())),
    "sparse_point_robot": (
        _known_goal,
        lambda: float(known_goal_returns(_HALF_CIRCLE).mean()),
    ),
}


# ---- players who have to find out ----------------------------------------------------------------


@cache
def _bandit_players(num_episodes: int) -> tuple[Level, ...]:
    """Trials of several games go on with the same arms: they are one long game, told in parts.

    None beyond `_MAX_GAMES`: there are too many counts to come to.
    """
    if num_episodes > _MAX_GAMES:
        return ()
    bandit = BernoulliBanditFamily.bandit
    pulls = bandit.num_pulls * np.arange(1, num_episodes + 1)
    games = [replace(bandit, num_pulls=int(count)) for count in pulls]
    policies: dict[str, Policy] = {
        "Bayes-optimal": bayes_optimal(games[-1]).policy,
        "greedy": partial(greedy, games[-1]),
        "Thompson sampling": partial(thompson, games[-1]),
    }
    return tuple(
        Level(
            name=name,
            by_episode=np.diff([policy_value(game, policy) for game in games], prepend=0.0),
        )
        for name, policy in policies.items()
    )


@cache
def _grid_players(num_episodes: int) -> tuple[Level, ...]:
    grid = replace(_GRID, num_episodes=num_episodes)
    by_episode = walk_returns_by_episode(grid, bayes_optimal_walk(grid).walk)
    return (Level(name="Bayes-optimal", by_episode=by_episode),)


@cache
def _half_circle_players(num_episodes: int) -> tuple[Level, ...]:
    problem = replace(_HALF_CIRCLE, num_episodes=num_episodes)
    sampler = ideal_posterior_sampler(problem, np.random.default_rng(_SAMPLER_SEED))
    return (
        Level(name="sweep", by_episode=best_sweep(problem).by_episode),
        Level(name="ideal posterior sampler", by_episode=sampler.by_episode),
    )


PLAYERS: Mapping[str, Callable[[int], tuple[Level, ...]]] = {
    "bernoulli_bandit": _bandit_players,
    "gridworld": _grid_players,
    "sparse_point_robot": _half_circle_players,
}
