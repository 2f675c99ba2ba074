"""The half circle: closed forms, limits on steps, and play in the world of the point robots."""

from __future__ import annotations

import numpy as np
import pytest

from training.exact.half_circle import (
    SCENE,
    HalfCircle,
    ideal_posterior_sampler,
    known_goal_returns,
    on_circle,
    reward,
    stepped,
    walk_returns,
)
from training.exact.half_circle_sweep import Sweep, best_sweep, sweep_path, sweep_returns
from training.tasks.task import Task
from training.worlds.point_world import STEP_M, SparsePointWorld

LIMITS = ("length", "axis")


def test_known_goal_is_worth_its_closed_form():
    """0.8 on the rim after eight steps, 0.9, then 1 for eleven steps."""
    assert known_goal_returns(HalfCircle()) == pytest.approx(np.full(494, 12.7))


def test_known_goal_with_axes_apart_is_worth_more_off_the_axes():
    returns = known_goal_returns(HalfCircle(limit="axis"))
    assert returns[[0, -1]] == pytest.approx([12.7, 12.7], abs=0.01)
    # Six and seven steps along the diagonal end inside the radius; from the eighth on, the goal.
    gaps = np.sqrt(2.0) * (np.sqrt(0.5) - np.array([0.6, 0.7]))
    assert returns[len(returns) // 4] == pytest.approx(13.0 + (1.0 - gaps).sum(), abs=0.02)


@pytest.mark.parametrize("limit", LIMITS)
def test_no_step_is_longer_than_the_limit_and_no_other_is_nearer(limit):
    problem = HalfCircle(limit=limit)
    rng = np.random.default_rng(0)
    position, target = rng.uniform(-1, 1, (2, 300, 2))
    after = stepped(problem, position, target)
    move = after - position
    size = np.abs(move).max(1) if limit == "axis" else np.hypot(*move.T)
    assert (size <= STEP_M + 1e-12).all()
    other = rng.uniform(-STEP_M, STEP_M, (500, 1, 2))
    if limit == "length":
        other /= np.maximum(np.hypot(*np.moveaxis(other, -1, 0)) / STEP_M, 1.0)[..., None]
    away = np.hypot(*(after - target).T)
    assert (np.hypot(*np.moveaxis(position + other - target, -1, 0)) >= away - 1e-9).all()


def test_first_episode_of_the_sampler_is_its_integral():
    """A goal and a sample apart by δ, density 2 (π - δ) / π²; chords on the walk and at its end."""
    delta = (np.arange(200_000) + 0.5) / 200_000 * 0.25
    radius = np.minimum(np.arange(1, 21) * 0.1, 1.0)[:, None]
    distance = np.sqrt(1.0 + radius**2 - 2.0 * radius * np.cos(delta))
    earned = np.where(distance <= 0.2, 1.0 - distance, 0.0).sum(0)
    integral = (earned * 2.0 * (np.pi - delta) / np.pi**2).sum() * (delta[1] - delta[0])
    sampler = ideal_posterior_sampler(HalfCircle(num_episodes=1), np.random.default_rng(0))
    assert sampler.by_episode[0] == pytest.approx(integral, abs=0.01)


def test_sampler_finds_the_goal_in_as_many_episodes_as_played_draws_do():
    """Played without a grid: intervals of angle are ruled out until the goal's is met."""
    rng = np.random.default_rng(1)
    half_width = 2.0 * np.arcsin(0.1)
    found_in = []
    for goal in rng.uniform(0.0, np.pi, 3000):
        drawn: list[float] = []
        while not drawn or abs(drawn[-1] - goal) > half_width:
            sample = rng.uniform(0.0, np.pi)
            while any(abs(sample - old) <= half_width for old in drawn):
                sample = rng.uniform(0.0, np.pi)
            drawn.append(sample)
        found_in.append(len(drawn))
    played = np.array(found_in)
    sampler = ideal_posterior_sampler(HalfCircle(num_episodes=40), rng, num_runs=1000)
    error = played.std() / np.sqrt(len(played))
    assert abs(sampler.episodes_to_find - played.mean()) < 4.0 * error
    assert sampler.episodes_to_find == pytest.approx(5.16, abs=0.15)  # another program's


def test_ten_episodes_have_the_known_values():
    problem = HalfCircle()
    sampler = ideal_posterior_sampler(problem, np.random.default_rng(0), num_runs=1500)
    assert sampler.by_episode.sum() == pytest.approx(72.0, abs=0.7)
    assert 112.0 <= best_sweep(problem).by_episode.sum() < 10 * known_goal_returns(problem).mean()


@pytest.mark.parametrize("limit", LIMITS)
def test_sweep_takes_only_steps_that_are_allowed(limit):
    path = sweep_path(HalfCircle(limit=limit), Sweep(radius_m=0.9, overhang_rad=0.18))
    move = np.diff(path, axis=1, prepend=np.zeros((len(path), 1, 2)))
    size = np.abs(move).max(-1) if limit == "axis" else np.hypot(*np.moveaxis(move, -1, 0))
    assert size.max() <= STEP_M + 1e-9
    assert size.max() == pytest.approx(STEP_M)


def test_sweep_along_the_inner_circle_is_worth_what_another_program_found():
    """112.5 over ten episodes; its rim was decided by rounding, ours counts."""
    returns = sweep_returns(HalfCircle(), Sweep(radius_m=0.9, overhang_rad=0.0)).by_episode
    assert returns[0] == pytest.approx(2.98, abs=0.1)
    assert returns.sum() == pytest.approx(112.5, abs=1.0)


@pytest.mark.parametrize("limit", LIMITS)
def test_sweep_played_without_a_shortcut_earns_its_value(limit):
    """By a player that keeps every goal of a fine grid that fits the rewards, to 2 mm."""
    problem = HalfCircle(limit=limit, num_goals=60, num_episodes=4)
    sweep = Sweep(radius_m=0.9, overhang_rad=0.18)
    path = sweep_path(problem, sweep)
    fine = (np.arange(6000) + 0.5) * np.pi / 6000
    total = []
    for goal in on_circle(problem.angles_rad):
        fits = np.ones(len(fine), bool)
        earned = 0.0
        for episode in range(problem.num_episodes):
            position = np.zeros(2)
            for step in range(SCENE.episode_length):
                is_known = np.ptp(fine[fits]) < 0.02
                position = stepped(problem, position, goal) if is_known else path[episode, step]
                paid = float(reward(position, goal))
                earned += paid
                away = np.hypot(*(position - on_circle(fine)).T)
                fits &= np.abs(away - 1.0 + paid) < 0.002 if paid > 0.0 else away > 0.198
        total.append(earned)
    expected = sweep_returns(problem, sweep).by_episode.sum()
    assert np.mean(total) == pytest.approx(expected, rel=0.02)


def test_world_of_the_point_robots_plays_the_same_walks():
    """In `SparsePointWorld` itself, where axes are limited apart, goal known and goal mistaken."""
    problem = HalfCircle(limit="axis", num_goals=40)
    goals = on_circle(problem.angles_rad)
    world = SparsePointWorld(SCENE, len(goals))
    for shift in (0, 2):
        tasks = [_task(index, goal) for index, goal in enumerate(goals)]
        position = world.reset(tasks, seed=0).astype(float)
        aim, earned = np.roll(goals, shift, axis=0), np.zeros(len(goals))
        for _ in range(SCENE.episode_length):
            action = (stepped(problem, position, aim) - position) / STEP_M
            result = world.step(action.astype(np.float32))
            position = result.final_observation.astype(float)
            earned += result.sparse_reward
        aimed_at = np.roll(np.arange(len(goals)), shift)
        expected = walk_returns(problem)[aimed_at, np.arange(len(goals))]
        assert earned == pytest.approx(expected, abs=1e-4)


def _task(index: int, goal) -> Task:
    return Task(family="sparse_point_robot", name=f"test/{index}", parameters={"goal": tuple(goal)})
