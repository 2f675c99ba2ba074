"""Hypotheses: what refutes a latent, and which one is tested next."""

from __future__ import annotations

import numpy as np
import pytest

from sim2real.contract.hypotheses import Hypotheses, most_promising

RNG = np.random.default_rng(0)
MISFITS = RNG.normal(size=(30, 4, 6)).astype(np.float32)
"""of thirty transitions in four worlds, under six latents"""


def observed(misfits: np.ndarray) -> Hypotheses:
    hypotheses = Hypotheses.untested(6, (4,))
    for misfit in misfits:
        hypotheses = hypotheses.observe(misfit)
    return hypotheses


def test_ls1_without_evidence_nothing_is_refuted() -> None:
    assert Hypotheses.untested(6, (4,)).survive(1e-9).all()


def test_ls1_the_order_of_evidence_does_not_matter_and_all_of_it_counts() -> None:
    forth, back = observed(MISFITS), observed(MISFITS[::-1])

    np.testing.assert_allclose(forth.error, back.error, rtol=1e-12)
    np.testing.assert_allclose(forth.error, (MISFITS.astype(float) ** 2).sum(0))
    assert forth.num_transitions == 30


def test_ls2_a_latent_is_refuted_by_what_it_lacks_against_the_best_alone() -> None:
    hypotheses = observed(MISFITS)
    excess = hypotheses.error - hypotheses.error.min(-1, keepdims=True)

    for allowed in (0.5, 5.0, 50.0):
        np.testing.assert_array_equal(hypotheses.survive(allowed), excess <= allowed)
    # What all of them got wrong alike, as noise in a reward, speaks against none.
    noisier = observed(np.concatenate([MISFITS, np.full((20, 4, 6), 3.0, np.float32)]))
    np.testing.assert_array_equal(noisier.survive(5.0), hypotheses.survive(5.0))


def test_ls2_the_best_always_survives() -> None:
    hypotheses = observed(MISFITS)
    best = hypotheses.error.argmin(-1)

    assert hypotheses.survive(1e-12)[np.arange(4), best].all()


def test_ls3_of_the_survivors_the_one_that_promises_most_is_tested() -> None:
    value = RNG.normal(size=(4, 6))
    survives = RNG.random((4, 6)) < 0.5
    survives[:, 2] = True

    chosen = most_promising(value, survives)

    for world in range(4):
        assert survives[world, chosen[world]]
        assert value[world, chosen[world]] == value[world][survives[world]].max()


def test_ls3_of_equals_the_first_is_tested() -> None:
    assert most_promising(np.zeros(5), np.array([False, True, True, False, True])) == 1


@pytest.mark.parametrize("reward", [-40.0, 0.0])
def test_negative_values_are_no_reason_to_test_what_is_refuted(reward: float) -> None:
    assert most_promising(np.array([reward, reward - 1.0]), np.array([False, True])) == 1
