"""Layouts put named values in order, and refuse whatever is missing, unknown or misshapen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim2real.contract.context import ContextLayout
from sim2real.contract.normalizer import FrozenNormalizer
from sim2real.contract.observation import ObservationLayout, Term
from sim2real.contract.transition import Transition

LAYOUT = ObservationLayout(
    terms=(Term(name="joints", size=3, unit="rad"), Term(name="valve", size=1, unit="rad"))
)


def values(*batch: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {"valve": rng.normal(size=(*batch, 1)), "joints": rng.normal(size=(*batch, 3))}


@pytest.mark.parametrize("batch", [(), (5,), (2, 5)])
def test_pack_follows_the_order_of_terms_not_of_values(batch):
    given_values = values(*batch)

    packed = LAYOUT.pack(given_values)

    assert packed.dtype == np.float32
    assert packed.shape == (*batch, 4)
    np.testing.assert_allclose(packed[..., :3], given_values["joints"], rtol=1e-6)
    np.testing.assert_allclose(packed[..., 3:], given_values["valve"], rtol=1e-6)
    np.testing.assert_array_equal(LAYOUT.unpack(packed)["valve"], packed[..., 3:])


def test_packed_observations_share_no_memory():
    source = values()
    first, second = LAYOUT.pack(source), LAYOUT.pack(source)

    assert not np.shares_memory(first, second)
    assert not any(np.shares_memory(first, value) for value in source.values())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v.pop("valve"), r"missing: \['valve'\]"),
        (lambda v: v.update(extra=np.zeros(1)), r"unknown: \['extra'\]"),
        (lambda v: v.update(joints=np.zeros(2)), r"joints: shape \(2,\), expected \(..., 3\)"),
        (lambda v: v.update(joints=np.array([0, np.nan, 0])), r"not finite: \['joints'\]"),
    ],
)
def test_pack_refuses(change, message):
    wrong = values()
    change(wrong)

    with pytest.raises(ValueError, match=message):
        LAYOUT.pack(wrong)


def test_digest_tells_layouts_apart_by_order_size_and_unit():
    terms = LAYOUT.terms
    others = [
        ObservationLayout(terms=terms[::-1]),
        ObservationLayout(terms=(Term(name="joints", size=2, unit="rad"), terms[1])),
        ObservationLayout(terms=(Term(name="joints", size=3, unit="deg"), terms[1])),
    ]

    assert len({LAYOUT.digest, *(other.digest for other in others)}) == 4


def test_layout_prints_what_the_policy_sees():
    assert "0-2" in str(LAYOUT)
    assert "valve" in str(LAYOUT)


def transition(*batch: int) -> Transition:
    rng = np.random.default_rng(1)
    return Transition(
        observation=rng.normal(size=(*batch, 4)).astype(np.float32),
        action=rng.normal(size=(*batch, 2)).astype(np.float32),
        reward=rng.normal(size=batch).astype(np.float32),
        next_observation=rng.normal(size=(*batch, 4)).astype(np.float32),
        terminated=np.zeros(batch, bool),
        truncated=np.zeros(batch, bool),
    )


@pytest.mark.parametrize("uses_next_observation", [False, True])
@pytest.mark.parametrize("batch", [(), (5,), (2, 5)])
def test_context_row_is_observation_action_reward_and_outcome(batch, uses_next_observation):
    layout = ContextLayout(
        observation_size=4, action_size=2, uses_next_observation=uses_next_observation
    )
    step = transition(*batch)

    row = layout.row(step)

    assert row.shape == (*batch, 4 + 2 + 1 + 4 * uses_next_observation)
    assert row.dtype == np.float32
    np.testing.assert_array_equal(row[..., :4], step.observation)
    np.testing.assert_array_equal(row[..., 4:6], step.action)
    np.testing.assert_array_equal(row[..., 6], step.reward)
    if uses_next_observation:
        np.testing.assert_array_equal(row[..., 7:], step.next_observation)


def test_context_row_never_depends_on_how_an_episode_ended():
    layout = ContextLayout(observation_size=4, action_size=2, uses_next_observation=True)
    step = transition()
    ended = step._replace(terminated=np.array(True), truncated=np.array(True))

    np.testing.assert_array_equal(layout.row(step), layout.row(ended))


def test_context_row_refuses_another_size():
    layout = ContextLayout(observation_size=3, action_size=2, uses_next_observation=False)

    with pytest.raises(ValueError, match=r"expected \(\.\.\., 3\)"):
        layout.row(transition())


@given(st.floats(-100, 100), st.floats(0.1, 10), st.floats(-100, 100))
def test_normalizer_is_affine_and_clipped(mean, std, x):
    normalizer = FrozenNormalizer(
        mean=np.array([mean], np.float32), std=np.array([std], np.float32), clip=5.0
    )

    result = normalizer.normalize(np.array([[x]], np.float32))

    assert result.dtype == np.float32
    expected = np.clip((np.float32(x) - np.float32(mean)) / np.float32(std), -5, 5)
    np.testing.assert_allclose(result, [[expected]], rtol=1e-5, atol=1e-5)


def test_normalizer_refuses_to_broadcast_and_to_divide_by_zero():
    ones = np.ones(2, np.float32)

    with pytest.raises(ValueError, match="expected"):
        FrozenNormalizer.identity(2).normalize(np.zeros((4, 1), np.float32))
    with pytest.raises(ValueError, match="above zero"):
        FrozenNormalizer(mean=ones, std=ones * 0, clip=5.0)
    with pytest.raises(ValueError, match="float32"):
        FrozenNormalizer(mean=ones.astype(np.float64), std=ones, clip=5.0)
