"""Exploring a process episode by episode, and the regret of it against the exact optimum."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from training.exact.explorers import Explorer
from training.exact.posterior import Counts, no_counts
from training.exact.tabular import Process, drawn, plan, step_process
from training.rules.ties import Array


class Episode(NamedTuple):
    """What one episode of all runs came to."""

    regret: Array
    """(B,) what the actions taken cost against the best ones: Σ V*(s) - Q*(s, a)"""
    total: Array
    """(B,) sum of rewards"""


def play_episode(
    process: Process,
    explorer: Explorer,
    counts: Counts,
    optimum: Array,
    rng: np.random.Generator,
    *,
    episode: int,
    decides_every_step: bool = False,
) -> Episode:
    """One episode of B runs, added to the counts; `optimum` is `plan` of the true process.

    The explorer decides once, at the start, as posterior sampling has to: a policy that is held is
    what carries it far. `decides_every_step` asks it anew at every step, to show the difference.
    """
    num_runs = len(counts.reward_sum)
    run, model = np.arange(num_runs), np.arange(num_runs) % len(optimum)
    state = np.full(num_runs, process.start)
    regret, total = np.zeros(num_runs), np.zeros(num_runs)
    for step in range(process.horizon):
        if step == 0 or decides_every_step:
            policy = explorer.policy(counts, process.horizon, episode, rng)
        action = drawn(policy[run, step, state], rng)
        best = optimum[model, step, state]
        regret += best.max(-1) - best[run, action]
        next_state, reward = step_process(process, state, action, rng)
        counts.add(state, action, reward, next_state)
        total += reward
        state = next_state
    return Episode(regret=regret, total=total)


class Exploration(NamedTuple):
    """What many episodes came to."""

    regret: Array
    """(K, B) of every episode and run"""
    total: Array
    """(K, B) sum of rewards"""


def explore(
    process: Process,
    explorer: Explorer,
    rng: np.random.Generator,
    *,
    num_runs: int,
    num_episodes: int,
    decides_every_step: bool = False,
) -> Exploration:
    """K episodes of B runs that start out knowing nothing."""
    counts = no_counts(num_runs, *process.model.reward.shape[1:])
    optimum = plan(process.model, process.horizon)
    episodes = [
        play_episode(
            process,
            explorer,
            counts,
            optimum,
            rng,
            episode=episode,
            decides_every_step=decides_every_step,
        )
        for episode in range(num_episodes)
    ]
    return Exploration(*(np.array(column) for column in zip(*episodes)))
