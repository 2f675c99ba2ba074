"""Tabular decision processes with a finite horizon: planning, playing, and two that are hard.

Arrays are batched over B independent runs, so that all seeds of an experiment advance together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from training.rules.ties import Array

Index = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Model:
    """What planning needs to know; a true process, or what a learner takes for one."""

    transition: Array
    """(B, S, A, S) probabilities of the next state; B may be 1 for all runs alike"""
    reward: Array
    """(B, S, A) mean reward"""


@dataclass(frozen=True, kw_only=True)
class Process:
    """A decision process to be explored."""

    name: str
    """what it is called in tables"""
    model: Model
    """its true dynamics, which no learner reads"""
    horizon: int
    """steps of an episode"""
    start: int = 0
    """the state in which every episode begins"""
    reward_noise: Literal["none", "bernoulli"] = "none"
    """whether a reward is its mean, or 1 with that probability and else 0"""


def plan(model: Model, horizon: int) -> Array:
    """(B, H, S, A) the best that can be earned from step h on, by backward induction.

    The model stays as it is.
    """
    num_runs, num_states, num_actions, _ = model.transition.shape
    values = np.empty((num_runs, horizon, num_states, num_actions))
    following = np.zeros((num_runs, num_states))
    for step in reversed(range(horizon)):
        values[:, step] = model.reward + expected_next(model, following)
        following = values[:, step].max(-1)
    return values


def expected_next(model: Model, following: Array) -> Array:
    """(B, S, A) mean of (B, S) values over the next state."""
    num_runs, num_states, num_actions, _ = model.transition.shape
    rows = model.transition.reshape(num_runs, num_states * num_actions, num_states)
    return np.asarray((rows @ following[..., None]).reshape(-1, num_states, num_actions))


def policy_return(process: Process, policy: Array) -> Array:
    """(B,) expected return of an episode under (B, H, S, A) choice probabilities."""
    following = np.zeros((len(policy), policy.shape[2]))
    for step in reversed(range(process.horizon)):
        values = process.model.reward + expected_next(process.model, following)
        following = (policy[:, step] * values).sum(-1)
    return following[:, process.start]


def step_process(
    process: Process, state: Index, action: Index, rng: np.random.Generator
) -> tuple[Index, Array]:
    """Next states and rewards, (B,) each."""
    run = np.arange(len(state)) % len(process.model.transition)
    chances = process.model.transition[run, state, action]
    reward = process.model.reward[run, state, action]
    if process.reward_noise == "bernoulli":
        reward = (rng.random(len(state)) < reward).astype(np.float64)
    return drawn(chances, rng), reward


def drawn(chances: Array, rng: np.random.Generator) -> Index:
    """(B,) one of N choices each, from (B, N) probabilities."""
    cumulative = chances.cumsum(-1)
    return np.asarray((rng.random((len(chances), 1)) * cumulative[:, -1:] >= cumulative).sum(-1))


def river_swim(num_states: int = 6, horizon: int = 20) -> Process:
    """Swim against the stream: a little at hand on the left, everything far on the right.

    Strehl and Littman 2008, with the numbers of Osband et al. 2013: action 0 drifts left for sure
    and earns 0.005 at the left bank, action 1 swims right and earns 1 at the right bank.
    """
    transition = np.zeros((num_states, 2, num_states))
    reward = np.zeros((num_states, 2))
    inner = np.arange(1, num_states - 1)
    transition[np.arange(num_states), 0, np.maximum(np.arange(num_states) - 1, 0)] = 1.0
    transition[inner, 1, inner + 1], transition[inner, 1, inner] = 0.35, 0.6
    transition[inner, 1, inner - 1] = 0.05
    transition[0, 1, :2] = 0.4, 0.6
    transition[-1, 1, -2:] = 0.4, 0.6
    reward[0, 0], reward[-1, 1] = 0.005, 1.0
    return Process(
        name=f"river_swim_{num_states}",
        model=Model(transition=transition[None], reward=reward[None]),
        horizon=horizon,
    )


def chain(num_states: int = 20) -> Process:
    """A row of states to be walked to its end without a step back, within just enough steps.

    Action 1 goes right but for one time in `num_states`, action 0 left. Only staying at the right
    end pays, 1; going left at the left end pays 0.001. As the stochastic chain of TabulaRL.
    """
    states = np.arange(num_states)
    left, right = np.maximum(states - 1, 0), np.minimum(states + 1, num_states - 1)
    transition = np.zeros((num_states, 2, num_states))
    transition[states, 0, left] = 1.0
    transition[states, 1, right] = 1.0 - 1.0 / num_states
    transition[states, 1, left] += 1.0 / num_states
    reward = np.zeros((num_states, 2))
    reward[0, 0], reward[-1, 1] = 0.001, 1.0
    return Process(
        name=f"chain_{num_states}",
        model=Model(transition=transition[None], reward=reward[None]),
        horizon=num_states,
    )


def bandits(arms: Array) -> Process:
    """(B, K) Bernoulli arms as processes of one state and one step: an episode is a pull."""
    return Process(
        name="bandit",
        model=Model(transition=np.ones((len(arms), 1, arms.shape[1], 1)), reward=arms[:, None]),
        horizon=1,
        reward_noise="bernoulli",
    )
