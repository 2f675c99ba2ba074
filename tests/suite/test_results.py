"""What is counted, and how: against numbers that were worked out otherwise."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from training.suite.aggregates import estimate, improvement, interquartile_mean, mean
from training.suite.results import ALL, Line, scores, write_results


def noise(seed, num_seeds=5, num_tasks=20):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(num_seeds, num_tasks)) + rng.normal(size=num_tasks)


def line(**changes):
    plain = {
        "family": "gridworld", "algorithm": "rl2", "recipe": "rl2-gridworld", "seed": 0,
        "environment_steps": 10, "condition": "adapted", "episode": 3, "task": "test/0",
        "metric": "return", "value": 1.0,
    }  # fmt: skip
    return Line(**plain | changes)


def test_the_interquartile_mean_leaves_out_a_quarter_at_each_end():
    values = np.array([[0.0, 1.0, 4.0, 9.0], [16.0, 25.0, 36.0, 1000.0]])

    assert interquartile_mean(values) == pytest.approx((4 + 9 + 16 + 25) / 4)
    assert mean(values) == pytest.approx(values.mean())


def test_the_stratified_interval_is_that_of_seeds_drawn_anew_for_each_task():
    """Of a mean its deviation is known: the root of the tasks' variances over seeds and tasks."""
    values = noise(1)
    found = estimate(values, mean).within_tasks

    deviation = np.sqrt((values.var(axis=0) / len(values)).mean() / values.shape[1])
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * deviation, rel=0.08)
    shifted = values + np.arange(20) * 10.0
    assert estimate(shifted, mean).within_tasks.high - shifted.mean() == pytest.approx(
        found.high - values.mean()
    ), "how tasks differ does not count"


def test_seeds_that_are_good_or_bad_as_a_whole_count_in_the_wider_interval():
    values = np.repeat(np.array([[0.0], [1.0], [2.0], [3.0]]), 50, axis=1)
    found = estimate(values, mean)

    assert found.within_tasks.high - found.within_tasks.low < 0.5
    assert found.whole.high - found.whole.low > 1.5
    assert estimate(values[:1], mean).within_tasks is None


def test_improvement_counts_pairs_task_by_task():
    first, second = noise(2, 3, 4), noise(3, 5, 4).round(0)
    first[0, 0] = second[0, 0]
    pairs = itertools.product(first, second)
    wins = [(a > b).mean() + (a == b).mean() / 2 for a, b in pairs]

    found = improvement(first, second)
    assert found.mean == pytest.approx(np.mean(wins))
    assert found.low <= found.mean <= found.high
    assert improvement(second, first).mean == pytest.approx(1 - found.mean)
    assert improvement(first + 100, second) == pytest.approx((1.0, 1.0, 1.0))


def test_the_table_is_sorted_whatever_the_order_of_its_lines(tmp_path):
    lines = [
        line(seed=seed, environment_steps=steps, episode=episode)
        for seed, steps, episode in itertools.product((2, 10), (90, 1000), (0, 11, 2))
    ]
    write_results(tmp_path / "a.csv", lines)
    write_results(tmp_path / "b.csv", reversed(lines))

    text = (tmp_path / "a.csv").read_text()
    assert text == (tmp_path / "b.csv").read_text()
    rows = [row.split(",") for row in text.splitlines()[1:]]
    assert [int(row[3]) for row in rows] == [2] * 6 + [10] * 6, "numbers, not words"
    assert [int(row[6]) for row in rows[:3]] == [0, 2, 11]


def test_scores_are_the_last_episodes_by_seed_and_task():
    lines = [
        line(seed=seed, task=task, episode=episode, value=100 * seed + 10 * int(task[-1]) + episode)
        for seed, task, episode in itertools.product((0, 1), ("test/0", "test/1", "test/2"), (0, 3))
    ]
    lines += [line(task=ALL, value=-1.0), line(condition="frozen_prior", value=-2.0)]

    found = scores(lines, "return")
    assert found["rl2-gridworld"].tolist() == [[3.0, 13.0, 23.0], [103.0, 113.0, 123.0]]
    assert scores(lines, "return", condition="frozen_prior")["rl2-gridworld"].tolist() == [[-2.0]]
