"""The sparse half circle over several episodes, as a search for a goal that pays when it is near.

Start, goal radius and episode length are those of `sparse_point_robot`; goals lie densely and
evenly on the half circle. Played in float64, with a rim that counts: see docs/exact.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from training.families.sparse_point_robot import SparsePointRobot
from training.worlds.point_world import STEP_M
from training.worlds.ties import Array

SCENE = SparsePointRobot.scene
_RIM_M = 1e-9
"""a straight walk of whole steps meets the rim exactly; rounding must not decide who is inside"""


@dataclass(frozen=True, kw_only=True)
class HalfCircle:
    """The task of finding the goal and staying there, episode after episode from the centre."""

    num_episodes: int = 10
    """episodes with the same goal"""
    limit: Literal["length", "axis"] = "length"
    """what a step's `STEP_M` bounds: the length of the step, or each axis alone as `PointWorld`"""
    num_goals: int = 494
    """goals on the half circle, evenly spaced, half a space from its ends; a walk meets goals up to
    31.50 spaces to either side, so that counting whole ones is right on average"""

    @property
    def angles_rad(self) -> Array:
        """(G,) where the goals are."""
        return (np.arange(self.num_goals) + 0.5) * np.pi / self.num_goals


def on_circle(angle_rad: Array | float, radius_m: float = 1.0) -> Array:
    """(..., 2) points in m."""
    return radius_m * np.stack([np.cos(angle_rad), np.sin(angle_rad)], axis=-1)


def stepped(problem: HalfCircle, position: Array, target: Array) -> Array:
    """(..., 2) positions after one step by the fastest way to the target, in m.

    Under either limit it is at every moment as near to the target as any way could be.
    """
    gap = target - position
    if problem.limit == "axis":
        return np.asarray(position + np.clip(gap, -STEP_M, STEP_M))
    length = np.hypot(gap[..., :1], gap[..., 1:])
    return np.asarray(position + gap * np.minimum(1.0, STEP_M / np.maximum(length, STEP_M / 2)))


def reward(position: Array, goal: Array) -> Array:
    """(...,) 1 - distance inside the success radius, rim included, and 0 outside."""
    distance = np.hypot(*np.moveaxis(position - goal, -1, 0))
    return np.where(distance <= SCENE.success_radius_m + _RIM_M, 1.0 - distance, 0.0)


def walk_returns(problem: HalfCircle) -> Array:
    """(X, G) return of an episode that walks to goal x and stays, where the goal is g."""
    goals = on_circle(problem.angles_rad)
    position, total = np.zeros_like(goals), np.zeros((len(goals), len(goals)))
    for _ in range(SCENE.episode_length):
        position = stepped(problem, position, goals)
        total += reward(position[:, None], goals)
    return total


def known_goal_returns(problem: HalfCircle, goals: Array | None = None) -> Array:
    """(G,) return of an episode for a player who is told the goal: no one can do better.

    `goals` (G, 2) in m are the problem's own by default.
    """
    goals = on_circle(problem.angles_rad) if goals is None else goals
    position, total = np.zeros_like(goals), np.zeros(len(goals))
    for _ in range(SCENE.episode_length):
        position = stepped(problem, position, goals)
        total += reward(position, goals)
    return total


@dataclass(frozen=True, kw_only=True)
class SamplerReturns:
    """What the ideal posterior sampler earns."""

    by_episode: Array
    """(E,) mean return of each episode"""
    episodes_to_find: float
    """mean number of the episode that finds the goal, counted from 1; later ones count as E + 1"""
    standard_error: float
    """of the sum over episodes, from the sampler's own draws"""


def ideal_posterior_sampler(
    problem: HalfCircle, rng: np.random.Generator, *, num_runs: int = 6000
) -> SamplerReturns:
    """Draw a goal from the exact posterior per episode, walk to it, and stay: Thompson's rule.

    An episode without reward rules out every goal that the walk would have met. A reward settles
    the goal for all later episodes. (It does so up to a mirror image about the walk; the ideal
    sampler is spared that doubt.) Only the draws are sampled: over the goals the mean is exact, and
    over the next draw too.
    """
    returns = walk_returns(problem)
    known = np.diagonal(returns)
    possible = np.ones((num_runs, problem.num_goals), bool)
    total, by_episode, unfound = np.zeros(num_runs), [], 0.0
    for _ in range(problem.num_episodes):
        count = possible.sum(1)
        unfound += float(count.mean()) / problem.num_goals
        weights = possible.astype(returns.dtype)  # of floats, which the matrix product is fast for
        searching = ((weights @ returns) * weights).sum(1) / np.maximum(count, 1)
        earned = (searching + (1.0 - weights) @ known) / problem.num_goals
        total += earned
        by_episode.append(earned.mean())
        drawn = _drawn(possible, rng)
        possible &= returns[drawn] == 0.0
    return SamplerReturns(
        by_episode=np.array(by_episode),
        episodes_to_find=unfound + float(possible.mean()),
        standard_error=float(total.std(ddof=1) / np.sqrt(num_runs)),
    )


def _drawn(possible: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.int64]:
    """(M,) one of the possible goals each, all equally likely; goal 0 where none is left."""
    rank = rng.integers(np.maximum(possible.sum(1), 1)) + 1
    return np.asarray((possible.cumsum(1) >= rank[:, None]).argmax(1))


def walk_of_sampler(
    problem: HalfCircle, goal: Array, rng: np.random.Generator
) -> tuple[Array, Array]:
    """One trial of the ideal posterior sampler on a goal (2,) in m.

    Returns (E, T + 1, 2) positions from the start on, and the (E, T) rewards of the steps.
    """
    returns, goals = walk_returns(problem), on_circle(problem.angles_rad)
    possible, is_found = np.ones(problem.num_goals, bool), False
    walks = []
    for _ in range(problem.num_episodes):
        drawn = int(rng.choice(np.flatnonzero(possible)))
        walks.append(straight_walk(problem, goal if is_found else goals[drawn], np.zeros(2)))
        is_found |= bool((reward(walks[-1], goal) > 0.0).any())
        if not is_found:
            possible &= returns[drawn] == 0.0
    position = np.array(walks)
    return position, reward(position[:, 1:], goal)


def straight_walk(
    problem: HalfCircle, target: Array, start: Array, num_steps: int = SCENE.episode_length
) -> Array:
    """(num_steps + 1, 2) from the start to a target, and staying there."""
    positions = [start]
    for _ in range(num_steps):
        positions.append(stepped(problem, positions[-1], target))
    return np.array(positions)
