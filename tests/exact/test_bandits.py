"""Exact values of Bernoulli bandits: published figures, brute force, closed forms, play."""

from __future__ import annotations

from fractions import Fraction
from functools import cache, partial
from math import comb

import numpy as np
import pytest

from training.exact.bandit_values import bayes_optimal, known_arms_value, policy_value
from training.exact.gittins import index_by_calibration, index_by_restart
from training.rules.bernoulli_bandit import (
    BernoulliBandit,
    draw_arms,
    greedy,
    play,
    posterior_mean,
    pull,
    thompson,
    updated,
)


@pytest.mark.parametrize(
    ("num_pulls", "bayes", "greedy_value", "thompson_value", "known"),
    [
        (10, 6.0218, 6.0058, 5.7045, 6.667),
        (20, 12.4313, 12.3654, 11.9318, 13.333),
        (40, 25.4469, 25.2136, 24.7325, 26.667),
    ],
)
def test_two_arms_have_the_values_that_another_program_found(
    num_pulls, bayes, greedy_value, thompson_value, known
):
    bandit = BernoulliBandit(num_pulls=num_pulls)
    assert bayes_optimal(bandit).value == pytest.approx(bayes, abs=1e-3)
    assert policy_value(bandit, partial(greedy, bandit)) == pytest.approx(greedy_value, abs=1e-3)
    assert policy_value(bandit, partial(thompson, bandit)) == pytest.approx(
        thompson_value, abs=1e-3
    )
    assert known_arms_value(bandit) == pytest.approx(known, abs=1e-3)


@pytest.mark.parametrize(("num_arms", "num_pulls"), [(1, 5), (2, 6), (3, 4)])
def test_bayes_value_is_that_of_a_recursion_in_fractions(num_arms, num_pulls):
    @cache
    def value(counts: tuple[tuple[int, int], ...], left: int) -> Fraction:
        if left == 0:
            return Fraction(0)
        best = Fraction(0)
        for arm, (won, lost) in enumerate(counts):
            chance = Fraction(2 + won, 3 + won + lost)
            after_win = (*counts[:arm], (won + 1, lost), *counts[arm + 1 :])
            after_loss = (*counts[:arm], (won, lost + 1), *counts[arm + 1 :])
            win, loss = value(after_win, left - 1), value(after_loss, left - 1)
            best = max(best, chance * (1 + win) + (1 - chance) * loss)
        return best

    bandit = BernoulliBandit(num_arms=num_arms, num_pulls=num_pulls, prior=(2, 1))
    expected = float(value(((0, 0),) * num_arms, num_pulls))
    assert bayes_optimal(bandit).value == pytest.approx(expected, abs=1e-12)


def test_known_arms_are_worth_the_mean_of_the_largest_of_k_uniforms():
    for num_arms in (1, 2, 5):
        bandit = BernoulliBandit(num_arms=num_arms, num_pulls=7)
        assert known_arms_value(bandit) == pytest.approx(7 * num_arms / (num_arms + 1))


def test_thompson_chances_of_two_arms_are_the_closed_form():
    bandit = BernoulliBandit(num_pulls=20)
    rng = np.random.default_rng(0)
    for first, second in rng.integers(0, 6, (50, 2, 2)):
        (a, b), (c, d) = first + 1, second + 1
        # P(X > Y), X ~ Beta(a, b), Y ~ Beta(c, d): X is above the c-th of c + d - 1 uniforms.
        closed = sum(
            Fraction(comb(a + i - 1, i) * comb(b + c + d - 1 - i - 1, c + d - 1 - i))
            for i in range(c, c + d)
        ) / comb(a + b + c + d - 2, c + d - 1)
        chances = thompson(bandit, np.array([first, second]))
        assert chances.sum() == pytest.approx(1.0, abs=1e-12)
        assert chances[0] == pytest.approx(float(closed), abs=1e-12)


def test_thompson_chances_of_three_arms_are_the_shares_of_posterior_samples():
    bandit = BernoulliBandit(num_arms=3, num_pulls=20)
    counts = np.array([[3, 1], [0, 0], [5, 4]])
    samples = np.random.default_rng(0).beta(counts[:, 0] + 1, counts[:, 1] + 1, (200_000, 3))
    shares = np.bincount(samples.argmax(1), minlength=3) / len(samples)
    assert thompson(bandit, counts) == pytest.approx(shares, abs=0.005)


@pytest.mark.parametrize("num_arms", [2, 3])
def test_played_games_earn_the_exact_values(num_arms):
    bandit = BernoulliBandit(num_arms=num_arms, num_pulls=10)
    plan = bayes_optimal(bandit)
    for seed, policy in enumerate(
        (plan.policy, partial(greedy, bandit), partial(thompson, bandit))
    ):
        value = policy_value(bandit, policy)
        returns = play(bandit, policy, np.random.default_rng(seed), 20_000)
        assert abs(returns.mean() - value) < 3.5 * returns.std() / np.sqrt(len(returns))


def test_values_are_ordered_as_what_the_players_know():
    bandit = BernoulliBandit(num_arms=3, num_pulls=8)
    best = bayes_optimal(bandit)
    assert best.value == pytest.approx(policy_value(bandit, best.policy))
    for policy in (greedy, thompson):
        assert policy_value(bandit, partial(policy, bandit)) < best.value
    assert best.value < known_arms_value(bandit)


def test_belief_is_the_conjugate_update_and_leaves_the_old_counts():
    bandit = BernoulliBandit(prior=(2, 3))
    counts = np.zeros((2, 2, 2), np.int64)
    after = updated(counts, np.array([0, 1]), np.array([1, 0]))
    assert not counts.any()
    assert posterior_mean(bandit, after) == pytest.approx(
        np.array([[3 / 6, 2 / 5], [2 / 5, 2 / 6]])
    )


def test_arms_pay_as_often_as_they_should():
    rng = np.random.default_rng(0)
    arms = draw_arms(BernoulliBandit(prior=(2, 1)), rng, 40_000)
    assert arms.mean() == pytest.approx(2 / 3, abs=0.005)
    choice = np.ones(len(arms), np.int64)
    paid = pull(arms, choice, rng)
    assert (paid - arms[:, 1]).mean() == pytest.approx(0.0, abs=0.01)


def test_a_bandit_that_no_memory_holds_is_refused():
    with pytest.raises(ValueError, match="too many"):
        bayes_optimal(BernoulliBandit(num_arms=8, num_pulls=100))


GITTINS = [  # another program's; the first row is in the tables of Gittins 1989 too
    (0.9, (1, 1), 0.7029),
    (0.9, (2, 1), 0.8001),
    (0.9, (1, 2), 0.5001),
    (0.9, (2, 2), 0.6346),
    (0.95, (1, 1), 0.7614),
    (0.95, (2, 1), 0.8381),
    (0.95, (1, 2), 0.5601),
    (0.95, (2, 2), 0.6810),
]


@pytest.mark.parametrize(("discount", "arm", "index"), GITTINS)
def test_gittins_indices_of_two_methods_agree(discount, arm, index):
    calibrated = index_by_calibration(*arm, discount, depth=250)
    assert calibrated == pytest.approx(index, abs=1e-4)
    assert index_by_restart(*arm, discount, depth=250) == pytest.approx(calibrated, abs=1e-6)


def test_an_index_without_a_future_is_the_mean():
    assert index_by_calibration(2, 1, 1e-9) == pytest.approx(2 / 3, abs=1e-6)


def test_the_largest_index_first_is_bayes_optimal_under_discount():
    """Gittins's theorem, where the game is so long that its end has no weight."""
    discount, num_pulls = 0.4, 12
    bandit = BernoulliBandit(num_pulls=num_pulls, discount=discount)
    index = np.zeros((num_pulls, num_pulls))
    for won in range(num_pulls):
        for lost in range(num_pulls - won):
            index[won, lost] = index_by_calibration(
                1 + won, 1 + lost, discount, depth=20, tolerance=1e-6
            )

    def by_index(counts):
        values = index[counts[..., 0], counts[..., 1]]
        return np.eye(2)[values.argmax(-1)]

    best = bayes_optimal(bandit).value
    assert policy_value(bandit, by_index) == pytest.approx(best, abs=2e-5)
    assert policy_value(bandit, partial(greedy, bandit)) < best - 1e-4
