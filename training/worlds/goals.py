"""Where a skill's goal comes from: the task, a draw per episode, or a pose that swings.

A rule draws what an episode carries and says what the goal is at any time of it. Both are batched
over the worlds; see `scene.py` for what is carried.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from training.tasks.task import Task
from training.worlds.scene import Array


class GoalRule(Protocol):
    """How the goal of an episode is set."""

    def draw(self, rng: np.random.Generator, task: Task) -> dict[str, Array]:
        """What one episode carries to know its goal; names begin with `goal_`."""

    def at(self, carried: Mapping[str, Array], elapsed_s: Array) -> Array:
        """(n, G) the goal of n worlds, `elapsed_s` (n,) into their episodes."""


@dataclass(frozen=True, kw_only=True)
class TaskGoal:
    """The goal is part of the task: the same in every episode, to be inferred where hidden."""

    parameter: str
    """the task's parameter that holds it"""

    def draw(self, rng: np.random.Generator, task: Task) -> dict[str, Array]:
        return {"goal_fixed": np.array(task.parameters[self.parameter])}

    def at(self, carried: Mapping[str, Array], elapsed_s: Array) -> Array:
        return carried["goal_fixed"]


@dataclass(frozen=True, kw_only=True)
class FixedGoal:
    """The same scalar goal in every task and episode."""

    value: float

    def draw(self, rng: np.random.Generator, task: Task) -> dict[str, Array]:
        return {"goal_fixed": np.array([self.value])}

    def at(self, carried: Mapping[str, Array], elapsed_s: Array) -> Array:
        return carried["goal_fixed"]


@dataclass(frozen=True, kw_only=True)
class EpisodeGoal:
    """A scalar goal drawn anew in every episode: of random sign, its size within a range."""

    low: float
    high: float

    def draw(self, rng: np.random.Generator, task: Task) -> dict[str, Array]:
        sign = rng.choice((-1.0, 1.0))
        return {"goal_fixed": np.array([sign * rng.uniform(self.low, self.high)])}

    def at(self, carried: Mapping[str, Array], elapsed_s: Array) -> Array:
        return carried["goal_fixed"]


@dataclass(frozen=True, kw_only=True)
class SwingingPose:
    """A pose that swings sinusoidally about a random centre, anew in every episode.

    As ROBEL's random pose task: each joint has its own centre, amplitude and angular frequency.
    """

    centre_low_rad: tuple[float, ...]
    centre_high_rad: tuple[float, ...]
    max_amplitude_rad: float
    min_frequency_rad_s: float
    max_frequency_rad_s: float

    def draw(self, rng: np.random.Generator, task: Task) -> dict[str, Array]:
        size = len(self.centre_low_rad)
        return {
            "goal_centre": rng.uniform(self.centre_low_rad, self.centre_high_rad),
            "goal_amplitude": rng.uniform(0.0, self.max_amplitude_rad, size),
            "goal_frequency": rng.uniform(self.min_frequency_rad_s, self.max_frequency_rad_s, size),
        }

    def at(self, carried: Mapping[str, Array], elapsed_s: Array) -> Array:
        return swung(carried, elapsed_s)


@dataclass(frozen=True, kw_only=True)
class SwingBetweenPoses:
    """A pose that swings between two random ones, anew in every episode; never too fast to follow.

    ROBEL's `DClawPoseRandom` (Ahn et al. 2019): about the middle of both, each joint with an
    angular frequency of its own, and no further than a servo can follow at that frequency.
    """

    lower_rad: tuple[float, ...]
    """of both poses, joint by joint"""
    upper_rad: tuple[float, ...]
    min_frequency_rad_s: float
    max_frequency_rad_s: float
    max_speed_rad_s: float
    """of a joint's goal"""

    def draw(self, rng: np.random.Generator, task: Task) -> dict[str, Array]:
        size = len(self.lower_rad)
        first, second = (rng.uniform(self.lower_rad, self.upper_rad) for _ in range(2))
        frequency = rng.uniform(self.min_frequency_rad_s, self.max_frequency_rad_s, size)
        reach = np.minimum(np.abs(second - first) / 2.0, self.max_speed_rad_s / frequency)
        return {
            "goal_centre": (first + second) / 2.0,
            "goal_amplitude": reach,
            "goal_frequency": frequency,
        }

    def at(self, carried: Mapping[str, Array], elapsed_s: Array) -> Array:
        return swung(carried, elapsed_s)


def swung(carried: Mapping[str, Array], elapsed_s: Array) -> Array:
    """(n, J) poses that swing about a centre."""
    swing = np.sin(carried["goal_frequency"] * elapsed_s[:, None])
    return carried["goal_centre"] + carried["goal_amplitude"] * swing
