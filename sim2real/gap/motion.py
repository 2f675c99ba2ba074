"""One uninterrupted stretch of a recording: what a robot was told, and what it did."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.floating]


class PairKey(NamedTuple):
    """What pairs an episode on one side with one on the other."""

    task: str
    condition: str
    trial: int
    episode: int
    seed: int
    """of the episode's start"""


@dataclass(frozen=True, kw_only=True, eq=False)
class Motion:
    """T readings of a hand and its valve, and the G goals that its servos were given meanwhile.

    Times are seconds from the first reading. Goals hold until the next one.
    """

    key: PairKey
    time_s: Float
    """(T,) when it was measured, increasing from 0"""
    position_rad: Float
    """(T, J)"""
    velocity_rad_s: Float
    """(T, J)"""
    object_position_rad: Float
    """(T,)"""
    object_velocity_rad_s: Float
    """(T,)"""
    goal_time_s: Float
    """(G,) when the servos were given it, not decreasing; the first one at or before 0"""
    goal_rad: Float
    """(G, J)"""

    def __post_init__(self) -> None:
        if len(self.time_s) < 2 or (np.diff(self.time_s) <= 0.0).any():
            raise ValueError("a motion needs two readings, one after the other")
        if not len(self.goal_time_s) or self.goal_time_s[0] > 0.0:
            raise ValueError("a motion needs the goal that held when it began")
        if (np.diff(self.goal_time_s) < 0.0).any():
            raise ValueError("goals go back in time")

    @property
    def duration_s(self) -> float:
        return float(self.time_s[-1])

    @property
    def period_s(self) -> float:
        """Median time between two readings."""
        return float(np.median(np.diff(self.time_s)))

    def goals_at(self, time_s: Float) -> Float:
        """(N, J) the goals in force at (N,) times; one that is given at that very time counts."""
        index = np.searchsorted(self.goal_time_s, time_s, side="right") - 1
        return self.goal_rad[np.maximum(index, 0)]

    def mean_goals(self, num_steps: int, step_s: float, delay_s: float = 0.0) -> Float:
        """(num_steps, J) the mean of the goals in force during each step, all `delay_s` later."""
        borders = np.arange(num_steps + 1) * step_s - delay_s
        gone = np.diff(self.goal_time_s)[:, None] * self.goal_rad[:-1]
        integral = np.concatenate([np.zeros((1, gone.shape[1])), np.cumsum(gone, axis=0)])
        index = np.maximum(np.searchsorted(self.goal_time_s, borders, side="right") - 1, 0)
        since = borders - self.goal_time_s[index]
        at_borders = integral[index] + since[:, None] * self.goal_rad[index]
        mean = np.diff(at_borders, axis=0) / step_s
        # Where no goal comes within a step, the goal itself and not a rounded mean of it.
        is_whole = index[:-1] == index[1:]
        mean[is_whole] = self.goal_rad[index[:-1][is_whole]]
        return np.asarray(mean)

    def positions_at(self, time_s: Float) -> Float:
        """(N, J) measured positions at (N,) times, on straight lines between readings."""
        return interpolated(self.time_s, self.position_rad, time_s)

    def cut(self, first: int, last: int) -> Motion:
        """The readings `first` to `last`, the latter included, as a motion of its own."""
        start_s = self.time_s[first]
        rows = slice(first, last + 1)
        goal_time_s = self.goal_time_s - start_s
        is_before_end = goal_time_s <= self.time_s[last] - start_s
        return Motion(
            key=self.key,
            time_s=self.time_s[rows] - start_s,
            position_rad=self.position_rad[rows],
            velocity_rad_s=self.velocity_rad_s[rows],
            object_position_rad=self.object_position_rad[rows],
            object_velocity_rad_s=self.object_velocity_rad_s[rows],
            goal_time_s=goal_time_s[is_before_end],
            goal_rad=self.goal_rad[is_before_end],
        )

    def windows(self, length_s: float) -> list[Motion]:
        """The motion cut into equal pieces of about `length_s`; neighbours share a reading."""
        count = max(1, round(self.duration_s / length_s))
        borders = np.linspace(0.0, self.duration_s, count + 1)
        rows = np.unique(np.searchsorted(self.time_s, borders - 1e-9))
        return [self.cut(int(first), int(last)) for first, last in itertools.pairwise(rows)]


def interpolated(time_s: Float, values: Float, at_s: Float) -> Float:
    """(N, ...) rows of (T, ...) values on straight lines between them; their ends beyond."""
    if len(time_s) == 1:
        return np.repeat(values, len(at_s), axis=0)
    right = np.clip(np.searchsorted(time_s, at_s, side="right"), 1, len(time_s) - 1)
    left = right - 1
    share = np.clip((at_s - time_s[left]) / (time_s[right] - time_s[left]), 0.0, 1.0)
    share = share.reshape(-1, *[1] * (values.ndim - 1))
    return np.asarray(values[left] + share * (values[right] - values[left]))
