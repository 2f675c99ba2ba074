"""Paired differences: zero between equals, the other sign when the sides change places."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sim2real.evaluation.metrics import pearson
from sim2real.gap.closed_loop import (
    Outcome,
    closed_loop,
    mean_rank_violation,
    paired_means,
    paired_proportions,
    ranks,
)
from sim2real.gap.motion import PairKey

VALUES = hnp.arrays(
    np.float64, st.integers(2, 12), elements=st.floats(-100, 100, allow_subnormal=False)
)


def outcomes(seed: int, *, tasks: int = 6, episodes: int = 3, shift: float = 0.0):
    """A made-up evaluation: adapted trials and a frozen prior."""
    rng, side = np.random.default_rng(seed), {}
    for task in range(tasks):
        cases = [("adapted", episode) for episode in range(episodes)] + [("frozen_prior", 2)]
        for condition, episode in cases:
            key = PairKey(f"test/{task}", condition, 0, episode, 17 + episode)
            value = float(rng.normal(task + episode, 1.0)) + shift
            side[key] = Outcome(
                total_reward=value, is_success=bool(value > 3.0), success_fraction=0.5
            )
    return side


def test_the_same_recording_twice_shows_no_gap():
    side = outcomes(0)

    gap = closed_loop(side, side)

    assert gap["num_only_in_a"] == gap["num_only_in_b"] == 0
    for row in (*gap["conditions"].values(), *gap["adapted_by_episode"]):
        for metric in ("success", "return", "success_fraction"):
            assert row[metric]["difference"] == 0.0
            assert row[metric]["low"] <= 0.0 <= row[metric]["high"]
        assert row["return"]["low"] == row["return"]["high"] == 0.0
    assert gap["correlation"]["spearman"] == pytest.approx(1.0)
    assert gap["correlation"]["mean_rank_violation"] == 0.0


@settings(max_examples=40)
@given(values=VALUES, seed=st.integers(0, 100))
def test_changing_sides_changes_signs(values, seed):
    other = values + np.random.default_rng(seed).normal(0.0, 1.0, len(values))
    rates, other_rates = (values > 0).astype(float), (other > 0).astype(float)

    for compare, a, b in ((paired_means, values, other), (paired_proportions, rates, other_rates)):
        forward, backward = compare(a, b), compare(b, a)
        assert forward.difference == pytest.approx(-backward.difference, abs=1e-9)
        assert forward.low == pytest.approx(-backward.high, abs=1e-9)
        assert forward.high == pytest.approx(-backward.low, abs=1e-9)
        assert forward.low - 1e-9 <= forward.difference <= forward.high + 1e-9


def test_only_episodes_that_both_sides_completed_are_compared():
    a, b = outcomes(0), outcomes(1)
    missing = PairKey("test/0", "adapted", 0, 2, 19)
    del b[missing]
    b[missing._replace(seed=5)] = next(iter(b.values()))

    gap = closed_loop(a, b)

    assert (gap["num_only_in_a"], gap["num_only_in_b"]) == (1, 1)
    assert gap["conditions"]["adapted"]["num_tasks"] == 5


def test_the_adapted_condition_is_the_last_episode():
    gap = closed_loop(outcomes(0), outcomes(0, shift=2.0))

    assert {"episode": 2, **gap["conditions"]["adapted"]} == gap["adapted_by_episode"][-1]
    assert gap["conditions"]["adapted"]["return"]["difference"] == pytest.approx(2.0)
    assert gap["conditions"]["frozen_prior"]["num_pairs"] == 6


def test_few_tasks_without_a_failure_do_not_prove_that_there_is_no_gap():
    nothing_failed = paired_proportions(np.ones(3), np.ones(3))

    assert nothing_failed.difference == 0.0
    assert nothing_failed.low < -0.3
    assert nothing_failed.high > 0.3


def test_newcombes_own_example():
    """Newcombe (1998), table II, pairs (36, 12, 2, 0): 0.20 with 0.0569 to 0.3404 by method 10.

    There phi is the four-fold table's coefficient, which for two 0/1 series is Pearson's.
    """
    a = np.array([1.0] * 36 + [0.0] * 2 + [1.0] * 12)
    b = np.array([1.0] * 36 + [1.0] * 2 + [0.0] * 12)

    result = paired_proportions(b, a)

    assert result.difference == pytest.approx(0.20)
    assert result.low == pytest.approx(0.0569, abs=0.002)
    assert result.high == pytest.approx(0.3404, abs=0.002)


def test_the_interval_of_returns_covers_the_truth_as_often_as_it_says():
    rng, covered = np.random.default_rng(0), 0
    for _ in range(200):
        a = rng.normal(0.0, 2.0, 20)
        b = a + rng.normal(0.7, 1.0, 20)
        result = paired_means(a, b)
        covered += result.low <= 0.7 <= result.high
    assert 178 <= covered <= 199


def test_too_few_tasks_are_not_correlated():
    assert closed_loop(outcomes(0, tasks=4), outcomes(1, tasks=4))["correlation"] is None


def test_ranks_and_their_violation():
    np.testing.assert_array_equal(ranks(np.array([3.0, 1.0, 3.0, 0.0])), [2.5, 1.0, 2.5, 0.0])
    assert pearson(np.ones(4), np.arange(4.0)) is None
    # Tasks 0 and 1 change places, two units apart on B; task 2 keeps its place.
    assert mean_rank_violation(np.array([0.0, 1.0, 9.0]), np.array([2.0, 0.0, 9.0])) == (
        pytest.approx(4.0 / 3.0)
    )
