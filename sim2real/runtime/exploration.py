"""What a robot's episodes were worth: the steps that it explored with, and their advantages.

The same as in training (`training.parts.gradient_adaptation`), in float64: rewards to go against
the linear baseline, fitted on the same episodes, without value beyond their ends, standardised over
all steps. What training has no need of: a robot misses steps. A step that was no evidence is not
learnt from; its reward and its value, which those before it are credited with, are interpolated.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim2real.runtime.linear_baseline import LinearBaseline

Double = NDArray[np.float64]


class ExploredStep(NamedTuple):
    """One step that was evidence."""

    episode: int
    """of the trial"""
    tick: int
    """of the episode: which of its actions led to the reward"""
    observation: NDArray[np.float32]
    """(O,) as measured, on which the action was chosen"""
    drawn: NDArray[np.float32]
    """(D,) what was drawn: the action before it was clipped, or the latent of the episode"""
    reward: float


class Explored(NamedTuple):
    """The N steps of some episodes, in order."""

    episode: NDArray[np.int64]
    tick: NDArray[np.int64]
    """(N,) each"""
    observation: NDArray[np.float32]
    """(N, O)"""
    drawn: NDArray[np.float32]
    """(N, D)"""
    reward: Double
    """(N,)"""

    @classmethod
    def of(cls, steps: Sequence[ExploredStep]) -> Explored:
        """At least one step."""
        episode, tick, observation, drawn, reward = zip(*steps)
        return cls(
            np.array(episode, np.int64),
            np.array(tick, np.int64),
            np.array(observation, np.float32),
            np.array(drawn, np.float32),
            np.array(reward, np.float64),
        )

    def mean_rewards(self) -> dict[int, float]:
        """By episode, its return divided by its length."""
        return {
            number: float(_filled(self.tick[rows], self.reward[rows]).mean())
            for number, rows in self._by_episode()
        }

    def advantages(self, *, discount: float, gae_lambda: float) -> Double:
        """(N,) zero mean and unit deviation over all steps; all equal comes out as 0.

        Raises `ValueError` where observations or rewards are not finite.
        """
        returns = np.zeros(len(self.reward))
        for _, rows in self._by_episode():
            reward = _filled(self.tick[rows], self.reward[rows])
            to_go = _sums(reward, discount)
            returns[rows] = to_go[self.tick[rows] - self.tick[rows[0]]]
        baseline = LinearBaseline.fitted(self.observation, self.tick, returns)
        value = baseline.values(self.observation, self.tick)
        advantage = np.zeros(len(self.reward))
        for _, rows in self._by_episode():
            tick = self.tick[rows]
            worth, expected = _filled(tick, self.reward[rows]), _filled(tick, value[rows])
            error = worth + discount * np.append(expected[1:], 0.0) - expected
            advantage[rows] = _sums(error, discount * gae_lambda)[tick - tick[0]]
        centred = advantage - advantage.mean()
        standardised: Double = centred / (np.sqrt(np.square(centred).mean()) + _LEAST)
        return standardised

    def first_steps(self) -> NDArray[np.int64]:
        """(M,) where each episode's first step is."""
        return np.array([rows[0] for _, rows in self._by_episode()], np.int64)

    def _by_episode(self) -> list[tuple[int, NDArray[np.int64]]]:
        return [
            (int(number), np.flatnonzero(self.episode == number))
            for number in np.unique(self.episode)
        ]


_LEAST = 1e-8
"""added to a deviation, as in training: zeros stay zeros"""


def _filled(tick: NDArray[np.int64], values: Double) -> Double:
    """(T,) one for every tick from the first to the last that is known, the others in between."""
    every = np.arange(tick[0], tick[-1] + 1)
    filled: Double = np.interp(every, tick, values)
    return filled


def _sums(values: Double, discount: float) -> Double:
    """(T,) of this and later ones, each later one discounted once more."""
    sums = np.zeros(len(values))
    following = 0.0
    for step in reversed(range(len(values))):
        following = sums[step] = values[step] + discount * following
    return sums


def episode_credit(first_advantage: Double) -> Double:
    """(M,) advantages at the first steps of M episodes, centred and scaled over them."""
    centred = first_advantage - first_advantage.mean()
    credit: Double = centred / (np.sqrt(np.square(centred).mean()) + _LEAST)
    return credit
