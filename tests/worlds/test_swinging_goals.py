"""Poses that swing between two: within every joint's range, and never too fast to follow."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from training.families.registry import FAMILIES
from training.tasks.task_set import draw_task_set
from training.worlds.goals import SwingBetweenPoses

RULE = SwingBetweenPoses(
    lower_rad=(-0.48, -1.2, 0.4),
    upper_rad=(0.48, 0.2, 1.6),
    min_frequency_rad_s=0.5,
    max_frequency_rad_s=2.0,
    max_speed_rad_s=np.pi / 6.0,
)


def swing(seed: int, times_s: np.ndarray) -> np.ndarray:
    """(T, J)"""
    carried = RULE.draw(np.random.default_rng(seed), None)
    rows = {name: np.repeat(value[None], len(times_s), 0) for name, value in carried.items()}
    return RULE.at(rows, times_s)


@given(seed=st.integers(0, 10_000))
def test_a_swing_stays_within_the_ranges_and_the_speed(seed: int) -> None:
    times_s = np.linspace(0.0, 20.0, 2001)
    goal = swing(seed, times_s)
    assert (goal >= np.array(RULE.lower_rad) - 1e-9).all()
    assert (goal <= np.array(RULE.upper_rad) + 1e-9).all()
    assert (np.abs(np.diff(goal, axis=0)) <= np.pi / 6.0 * 0.01 + 1e-9).all()


def test_swings_use_the_ranges_and_the_speed() -> None:
    times_s = np.linspace(0.0, 20.0, 2001)
    goals = np.stack([swing(seed, times_s) for seed in range(200)])
    used = np.ptp(goals, axis=(0, 1)) / (np.array(RULE.upper_rad) - np.array(RULE.lower_rad))
    assert (used > 0.9).all()
    assert np.abs(np.diff(goals, axis=1)).max() > 0.95 * np.pi / 6.0 * 0.01


def test_the_error_of_the_pose_is_enough_to_follow_it_at_robels_measure() -> None:
    """So a policy that is below this has not learned; and there is little to adapt to."""
    family = FAMILIES["pose_full"]
    world = family.make_world(8)
    tasks = draw_task_set(family, seed=0, num_train=8, num_test=0).train
    layout, step_rad = family.scene.skill.layout, max(family.scene.action_map.max_step_rad)
    observation, successes = world.reset(tasks, seed=0), []
    for _ in range(family.scene.episode_length):
        error = observation[:, layout.slice_of("pose_error")]
        result = world.step(np.clip(error / step_rad, -1.0, 1.0).astype(np.float32))
        observation = result.observation
        successes.append(result.success)
    assert np.mean(successes[20:]) > 0.9
