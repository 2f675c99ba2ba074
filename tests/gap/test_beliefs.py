"""Agreement is 0 for the same beliefs and 1 for beliefs that do not know the task."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim2real.gap.beliefs import BeliefPath, belief_agreement, symmetric_kl, wasserstein

METRICS = ("wasserstein_2", "symmetric_kl")


def paths(centres, *, trials: int = 2, noise: float = 0.0, seed: int = 0, length: int = 30):
    """Beliefs that go from the prior to a task's centre (L,) as evidence comes in."""
    rng, found = np.random.default_rng(seed), {}
    for task, centre in enumerate(centres):
        for trial in range(trials):
            end = centre + noise * rng.standard_normal(len(centre))
            share = np.linspace(0.0, 1.0, length + 1)[:, None]
            found[f"test/{task}", trial] = BeliefPath(
                num_transitions=np.arange(length + 1.0),
                mean=share * end,
                variance=np.repeat(1.0 - 0.9 * share, len(centre), axis=1),
            )
    return found


def centres(seed: int, count: int = 8):
    return np.random.default_rng(seed).normal(0.0, 2.0, (count, 5))


def test_the_same_recording_twice_agrees_entirely():
    side = paths(centres(0), noise=0.2)

    gap = belief_agreement(side, side)

    for metric in METRICS:
        assert gap[metric]["same_task"] == 0.0
        assert gap[metric]["normalised"] == {"mean": 0.0, "low": 0.0, "high": 0.0}
        assert gap[metric]["nearest_is_same_task"] == 1.0


def test_beliefs_that_do_not_know_the_task_agree_by_chance_only():
    a, b = paths(centres(0, 40), trials=1), paths(centres(1, 40), trials=1)

    gap = belief_agreement(a, b)

    for metric in METRICS:
        assert gap[metric]["normalised"]["mean"] == pytest.approx(1.0, abs=0.15)
        assert gap[metric]["nearest_is_same_task"] < 0.2


@settings(max_examples=20)
@given(noise=st.floats(0.01, 1.0), seed=st.integers(0, 100))
def test_agreement_has_no_side(noise, seed):
    a = paths(centres(seed), noise=noise, seed=1)
    b = paths(centres(seed), noise=noise, seed=2)

    forward, backward = belief_agreement(a, b), belief_agreement(b, a)

    for metric in METRICS:
        for name in ("same_task", "different_tasks", "nearest_is_same_task"):
            assert forward[metric][name] == pytest.approx(backward[metric][name])
        assert forward[metric]["normalised"]["mean"] == pytest.approx(
            backward[metric]["normalised"]["mean"]
        )


def test_more_noise_is_less_agreement():
    found = [
        belief_agreement(paths(centres(0)), paths(centres(0), noise=noise))["wasserstein_2"]
        for noise in (0.1, 0.5, 2.0)
    ]

    values = [row["normalised"]["mean"] for row in found]
    assert values == sorted(values)
    assert values[0] < 0.1 < values[-1]


def test_distances_of_known_gaussians():
    one = np.array([0.0, 0.0]), np.array([1.0, 1.0])
    moved = np.array([3.0, 4.0]), np.array([1.0, 1.0])
    wider = np.array([0.0, 0.0]), np.array([4.0, 4.0])

    assert wasserstein(one, moved) == pytest.approx(5.0)
    assert wasserstein(one, wider) == pytest.approx(np.sqrt(2.0))
    assert symmetric_kl(one, moved) == pytest.approx(12.5)
    kl_forward = 2 * 0.5 * (1 / 4 - 1 + np.log(4.0))
    kl_backward = 2 * 0.5 * (4 - 1 - np.log(4.0))
    assert symmetric_kl(one, wider) == pytest.approx((kl_forward + kl_backward) / 2)


def test_hidden_states_without_a_variance_are_compared_by_place():
    side = {
        key: BeliefPath(
            num_transitions=path.num_transitions, mean=path.mean, variance=path.variance[:, :0]
        )
        for key, path in paths(centres(0), noise=0.1).items()
    }

    gap = belief_agreement(side, side)

    assert gap["wasserstein_2"]["normalised"]["mean"] == 0.0
    assert "symmetric_kl" not in gap


def test_the_trajectory_begins_at_the_prior_and_ends_at_the_final_beliefs():
    a, b = paths(centres(0), noise=0.3, seed=1), paths(centres(0), noise=0.3, seed=2)

    gap = belief_agreement(a, b)

    assert gap["trajectory"][0]["same_task"] == 0.0
    assert gap["trajectory"][0]["normalised"] is None
    last = gap["trajectory"][-1]
    assert last["num_transitions"] == 30
    assert last["normalised"] == pytest.approx(gap["wasserstein_2"]["normalised"]["mean"])


def test_what_chance_does_between_trials_is_shown_beside():
    still, noisy = paths(centres(0)), paths(centres(0), noise=0.5)

    between = belief_agreement(still, noisy)["wasserstein_2"]["between_trials"]

    assert between["a"] == 0.0
    assert between["b"] == pytest.approx(0.5 * np.sqrt(2 * 5), rel=0.3)


def test_one_task_shows_no_agreement():
    side = paths(centres(0, 1))

    assert belief_agreement(side, side) is None
