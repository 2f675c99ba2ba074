"""Sweeping the half circle: walk out, follow the arc, go on in the next episode where this ended.

A search that no posterior sampler can make, since a sampler aims at one goal per episode. Its value
is a lower bound of what is Bayes-optimal; radius and start are searched for, the shape is not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from training.exact.half_circle import (
    SCENE,
    HalfCircle,
    known_goal_returns,
    on_circle,
    stepped,
    straight_walk,
)
from training.exact.half_circle import reward as reward_at
from training.worlds.point_world import STEP_M
from training.worlds.ties import Array

RADII_M = np.arange(0.80, 1.001, 0.02)
OVERHANGS_RAD = np.arange(0.0, 0.21, 0.02)
_COARSE_GOALS = 200
"""goals while radius and start are searched for"""
_SAME_REWARD = 1e-9


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """A path along the arc, until the goal is known."""

    radius_m: float
    """distance from the centre while sweeping"""
    overhang_rad: float
    """how far behind it a sweep counts on having seen: where it starts from the arc's end, and half
    of what it leaves out between one episode and the next"""


@dataclass(frozen=True, kw_only=True)
class SweepReturns:
    """What a sweep earns."""

    by_episode: Array
    """(E,) mean return of each episode"""
    sweep: Sweep
    """how it was done"""


def best_sweep(problem: HalfCircle) -> SweepReturns:
    """The best of all radii and overhangs."""
    coarse = HalfCircle(
        num_episodes=problem.num_episodes, limit=problem.limit, num_goals=_COARSE_GOALS
    )
    sweeps = [
        Sweep(radius_m=float(radius), overhang_rad=float(overhang))
        for radius in RADII_M
        for overhang in OVERHANGS_RAD
    ]
    best = max(sweeps, key=lambda sweep: float(sweep_returns(coarse, sweep).by_episode.sum()))
    return sweep_returns(problem, best)


def sweep_returns(problem: HalfCircle, sweep: Sweep) -> SweepReturns:
    """Play one sweep on every goal: along the path until the goal is known, then straight to it."""
    path = sweep_path(problem, sweep).reshape(-1, 2)
    goals = on_circle(problem.angles_rad)
    rewards = reward_at(path[:, None], goals)
    known_at = _known_at(path, problem.angles_rad, rewards)
    step = np.arange(len(path))[:, None]
    rewards = np.where(step <= known_at, rewards, 0.0).T.reshape(len(goals), -1, _length())
    rewards = rewards.sum(-1)
    episode = np.minimum(known_at // _length(), problem.num_episodes)
    is_known = np.flatnonzero(episode < problem.num_episodes)
    rewards[is_known, episode[is_known]] += _rest_of_episode(
        problem, path[known_at[is_known]], goals[is_known], known_at[is_known] % _length()
    )
    later = np.arange(problem.num_episodes) > episode[:, None]
    rewards += later * known_goal_returns(problem)[:, None]
    return SweepReturns(by_episode=rewards.mean(0), sweep=sweep)


def sweep_path(problem: HalfCircle, sweep: Sweep) -> Array:
    """(E, T, 2) positions after every step, as long as no goal has been met."""
    end_rad = np.pi - sweep.overhang_rad
    angle_rad, path = sweep.overhang_rad, []
    for _ in range(problem.num_episodes):
        position = np.zeros(2)
        for _ in range(_length()):
            target = on_circle(min(angle_rad, end_rad), sweep.radius_m)
            if np.array_equal(position, target):
                angle_rad = _next_angle(problem, sweep, angle_rad)
                target = on_circle(min(angle_rad, end_rad), sweep.radius_m)
                position = target
            else:
                position = stepped(problem, position, target)
                if np.allclose(position, target, rtol=0.0, atol=_SAME_REWARD):
                    position = target
            path.append(position)
        angle_rad += 2.0 * sweep.overhang_rad
    return np.array(path).reshape(problem.num_episodes, _length(), 2)


def _next_angle(problem: HalfCircle, sweep: Sweep, angle_rad: float) -> float:
    """The farthest angle on the sweep's circle that one step reaches.

    The chord to it has the direction of the tangent half way. Where each axis is limited alone, the
    direction decides how long the chord may be, and the chord where half way is: a fixed point.
    """
    turn_rad = 0.0
    for _ in range(30):
        tangent_rad = angle_rad + turn_rad / 2.0
        share = 1.0
        if problem.limit == "axis":
            share = max(abs(math.sin(tangent_rad)), abs(math.cos(tangent_rad)))
        turn_rad = 2.0 * math.asin(STEP_M / (2.0 * share * sweep.radius_m))
    return angle_rad + turn_rad


def _known_at(path: Array, angles_rad: Array, rewards: Array) -> Array:
    """(G,) the step at which what was earned so far fits one goal only; E·T if never.

    The first reward tells the distance, which two goals share: mirror images about the position.
    The image is out of question off the half circle, and where it would have paid before; else the
    path is followed until it pays differently.
    """
    num_steps = len(path)
    is_met = rewards > 0.0
    met_at = np.where(is_met.any(0), is_met.argmax(0), num_steps)
    position = path[np.minimum(met_at, num_steps - 1)]
    image_rad = 2.0 * np.arctan2(position[:, 1], position[:, 0]) - angles_rad
    of_image = reward_at(path[:, None], on_circle(image_rad))
    step = np.arange(num_steps)[:, None]
    paid_before = ((of_image > 0.0) & (step < met_at)).any(0)
    is_single = (image_rad < 0.0) | (image_rad > np.pi) | paid_before
    is_single |= np.abs(image_rad - angles_rad) < _SAME_REWARD
    differs = (np.abs(rewards - of_image) > _SAME_REWARD) & (step >= met_at)
    told_at = np.where(differs.any(0), differs.argmax(0), num_steps)
    return np.where(is_single, met_at, told_at)


def _rest_of_episode(problem: HalfCircle, position: Array, goal: Array, step: Array) -> Array:
    """(N,) what the way from `position` to the goal earns after step `step` of an episode."""
    total = np.zeros(len(goal))
    for index in range(1, _length()):
        is_later = (step < index)[:, None]
        position = np.where(is_later, stepped(problem, position, goal), position)
        total += np.where(step < index, reward_at(position, goal), 0.0)
    return total


def _length() -> int:
    return SCENE.episode_length


def walk_of_sweep(problem: HalfCircle, sweep: Sweep, goal: Array) -> tuple[Array, Array]:
    """One trial of a sweep on a goal (2,) in m.

    Returns (E, T + 1, 2) positions from the start on, and the (E, T) rewards of the steps.
    """
    path = sweep_path(problem, sweep)
    along = path.reshape(-1, 2)
    angle_rad = np.arctan2(goal[1:], goal[:1])
    known_at = int(_known_at(along, angle_rad, reward_at(along[:, None], goal[None]))[0])
    walks = []
    for episode, start in enumerate(range(0, len(along), _length())):
        followed = min(max(known_at + 1 - start, 0), _length())
        out = np.concatenate([np.zeros((1, 2)), path[episode, :followed]])
        rest = straight_walk(problem, goal, out[-1], _length() - followed)
        walks.append(np.concatenate([out, rest[1:]]))
    position = np.array(walks)
    return position, reward_at(position[:, 1:], goal)
