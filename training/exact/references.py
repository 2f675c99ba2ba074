"""Every exact reference by problem and quantity: what a learner's figure is to be held against."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from training.exact.bandit_values import bayes_optimal, known_arms_value, policy_value
from training.exact.gittins import index_by_calibration
from training.exact.gridworld_value import bayes_optimal_walk
from training.exact.half_circle import HalfCircle, ideal_posterior_sampler, known_goal_returns
from training.exact.half_circle_sweep import best_sweep
from training.rules.bernoulli_bandit import BernoulliBandit, greedy, thompson
from training.rules.gridworld import Gridworld


@dataclass(frozen=True, kw_only=True)
class Reference:
    """One number."""

    problem: str
    """a key of `PROBLEMS`"""
    quantity: str
    """what of the problem it is"""
    value: float
    """expected sum of rewards, or an index"""
    meaning: str
    """what the number says, for people"""


_SAMPLER_SEED = 0


def references() -> Iterator[Reference]:
    """All references, worked out one problem after the other."""
    for problem, work_out in PROBLEMS.items():
        for quantity, (value, meaning) in work_out().items():
            yield Reference(problem=problem, quantity=quantity, value=value, meaning=meaning)


def _bandit_2x20() -> Mapping[str, tuple[float, str]]:
    bandit = BernoulliBandit(num_arms=2, num_pulls=20)
    return {
        "bayes": (bayes_optimal(bandit).value, "the best there is, from the prior"),
        "greedy": (
            policy_value(bandit, partial(greedy, bandit)),
            "best mean; ties shared",
        ),
        "thompson": (
            policy_value(bandit, partial(thompson, bandit)),
            "one sample a pull",
        ),
        "known": (known_arms_value(bandit), "told the arms"),
    }


def _gittins() -> Mapping[str, tuple[float, str]]:
    index = index_by_calibration(1, 1, 0.9)
    return {"index": (index, "of an untried arm, at discount 0.9")}


def _half_circle(problem: HalfCircle) -> Mapping[str, tuple[float, str]]:
    sampler = ideal_posterior_sampler(problem, np.random.default_rng(_SAMPLER_SEED))
    error = f"standard error {sampler.standard_error:.2f}"
    known = problem.num_episodes * float(known_goal_returns(problem).mean())
    return {
        "known_goal": (known, "told the goal: the ceiling"),
        "sweep": (float(best_sweep(problem).by_episode.sum()), "searches along the arc"),
        "ideal_posterior_sampler": (
            float(sampler.by_episode.sum()),
            f"one posterior sample an episode, {error}",
        ),
    }


def _gridworld_5x5() -> Mapping[str, tuple[float, str]]:
    value = bayes_optimal_walk(Gridworld()).value
    return {"bayes": (value, "the best there is, from the prior")}


PROBLEMS: Mapping[str, Callable[[], Mapping[str, tuple[float, str]]]] = {
    "bandit_2x20": _bandit_2x20,
    "gittins_0.9_1_1": _gittins,
    "half_circle_10": partial(_half_circle, HalfCircle()),
    "half_circle_10_axis": partial(_half_circle, HalfCircle(limit="axis")),
    "gridworld_5x5": _gridworld_5x5,
}
