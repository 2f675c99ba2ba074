"""Levels by episode: they sum to the exact references, and walks earn what is said of them."""

from __future__ import annotations

import numpy as np
import pytest

from training.exact.bandit_values import known_arms_value
from training.exact.gridworld_value import bayes_optimal_walk, walk_returns_by_episode
from training.exact.half_circle import (
    HalfCircle,
    ideal_posterior_sampler,
    known_goal_returns,
    on_circle,
    walk_of_sampler,
)
from training.exact.half_circle_sweep import Sweep, sweep_returns, walk_of_sweep
from training.exact.levels import KNOWN, PLAYERS, exact_returns
from training.families.bernoulli_bandit import BernoulliBanditFamily
from training.families.registry import FAMILIES
from training.tasks.task import Task
from training.tasks.task_set import draw_task_set
from training.worlds.gridworld import Gridworld


def tasks_of(family: str, count: int = 5) -> tuple[Task, ...]:
    return draw_task_set(FAMILIES[family], seed=0, num_train=1, num_test=count).test


def test_the_same_families_have_a_ceiling_and_players() -> None:
    assert KNOWN.keys() == PLAYERS.keys()
    assert exact_returns("point_robot", tasks_of("point_robot"), 2) is None


def test_levels_of_a_bandit_are_its_exact_values_game_by_game() -> None:
    tasks = tasks_of("bernoulli_bandit")
    levels = {level.name: level.by_episode for level in exact(tasks, "bernoulli_bandit", 1)}

    assert levels["told the task"] == pytest.approx(known_arms_value(BernoulliBanditFamily.bandit))
    assert levels["Bayes-optimal"] == pytest.approx(12.4313, abs=1e-4)
    assert levels["Thompson sampling"] == pytest.approx(11.932, abs=1e-3)
    twice = {level.name: level.by_episode for level in exact(tasks, "bernoulli_bandit", 2)}
    # Forty pulls, of which twenty are the first game: the literature's values.
    assert twice["Bayes-optimal"].sum() == pytest.approx(25.4469, abs=1e-4)
    assert twice["greedy"].sum() == pytest.approx(25.2136, abs=1e-4)
    assert twice["greedy"][0] == pytest.approx(levels["greedy"][0])
    # Who has forty pulls to come explores more in the first twenty, and gains by it.
    assert twice["Bayes-optimal"][0] < levels["Bayes-optimal"][0]
    assert [level.name for level in exact(tasks, "bernoulli_bandit", 3)] == ["told the task"]


def exact(tasks: tuple[Task, ...], family: str, num_episodes: int):
    returns = exact_returns(family, tasks, num_episodes)
    assert returns is not None
    return returns.levels


def test_levels_of_the_gridworld_sum_to_the_bayes_optimal_value() -> None:
    told, bayes = exact(tasks_of("gridworld"), "gridworld", 4)

    assert bayes.by_episode.sum() == pytest.approx(37.2143, abs=1e-4)
    assert (bayes.by_episode <= told.by_episode + 1e-9).all()


@pytest.mark.parametrize("grid", [Gridworld(size=3, num_episodes=3), Gridworld(num_episodes=2)])
def test_a_walks_returns_by_episode_sum_to_its_value(grid: Gridworld) -> None:
    plan = bayes_optimal_walk(grid)

    assert walk_returns_by_episode(grid, plan.walk).sum() == pytest.approx(plan.value)


def test_told_the_task_is_told_it_task_by_task() -> None:
    for family in KNOWN:
        tasks = tasks_of(family, 3)
        returns = exact_returns(family, tasks, 1)
        assert returns is not None and returns.known.shape == (len(tasks),)
        np.testing.assert_allclose(
            returns.regret(np.ones((len(tasks), 2, 1))),
            returns.known[:, None, None].repeat(2, 1) - 1.0,
        )
        assert (returns.level_regret(returns.levels[0]) == 0.0).all()
        for level in returns.levels[1:]:
            assert (returns.level_regret(level) > -1e-9).all()


CIRCLE = HalfCircle(limit="axis", num_episodes=4, num_goals=60)


def test_walks_of_the_sweep_earn_its_value_goal_by_goal() -> None:
    sweep = Sweep(radius_m=0.9, overhang_rad=0.1)
    walks = [walk_of_sweep(CIRCLE, sweep, goal) for goal in on_circle(CIRCLE.angles_rad)]

    earned = np.array([reward.sum(1) for _, reward in walks])
    np.testing.assert_allclose(earned.mean(0), sweep_returns(CIRCLE, sweep).by_episode, rtol=1e-9)
    for position, reward in walks:
        assert position.shape == (4, 21, 2) and reward.shape == (4, 20)
        assert (position[:, 0] == 0.0).all()
        assert np.abs(np.diff(position, axis=1)).max() < 0.1 + 1e-9  # no step is longer


def test_walks_of_the_sampler_earn_its_value_on_average() -> None:
    rng, goals = np.random.default_rng(0), on_circle(CIRCLE.angles_rad)
    earned = np.array(
        [
            walk_of_sampler(CIRCLE, goals[rng.integers(len(goals))], rng)[1].sum(1)
            for _ in range(400)
        ]
    )
    expected = ideal_posterior_sampler(CIRCLE, np.random.default_rng(1), num_runs=2000).by_episode

    error = earned.std(0) / np.sqrt(len(earned))
    assert (np.abs(earned.mean(0) - expected) < 4.0 * error).all()


def test_a_sampler_that_has_found_the_goal_goes_straight_to_it() -> None:
    goal = on_circle(CIRCLE.angles_rad)[17]
    walks = [walk_of_sampler(CIRCLE, goal, np.random.default_rng(seed)) for seed in range(20)]
    known = known_goal_returns(CIRCLE, goal[None])[0]

    for _, reward in walks:
        earned = reward.sum(1)
        found = np.flatnonzero(earned > 0.0)
        if found.size:
            np.testing.assert_allclose(earned[found[0] + 1 :], known)
    assert sum((reward.sum(1) > 0.0).any() for _, reward in walks) > 5
