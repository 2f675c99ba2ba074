"""A belief of which one half knows the order of its evidence, and the other none."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from training.parts.split_belief import SplitBelief

NUM_TRIALS, ROW_SIZE, HIDDEN_SIZE = 3, 5, 9
ORDERED = 5
"""of the hidden state's numbers are the recurrent cell's"""


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def belief() -> SplitBelief:
    return SplitBelief(ROW_SIZE, HIDDEN_SIZE, generator=generator())


def rows(num_rows: int, seed: int) -> torch.Tensor:
    return torch.randn(num_rows, NUM_TRIALS, ROW_SIZE, generator=generator(seed))


START = torch.zeros(NUM_TRIALS, HIDDEN_SIZE)
LENGTHS, SEEDS = st.integers(2, 40), st.integers(0, 1000)


@given(num_rows=LENGTHS, seed=SEEDS)
@settings(max_examples=20)
@torch.no_grad()
def test_h3_row_by_row_is_the_whole_sequence(num_rows: int, seed: int) -> None:
    cell, context = belief(), rows(num_rows, seed)
    whole, hidden = cell.sequence(context, START), START
    for row, expected in zip(context, whole, strict=True):
        hidden = cell.step(row, hidden)
        torch.testing.assert_close(hidden, expected, atol=1e-6, rtol=0)
    half = num_rows // 2
    resumed = cell.sequence(context[half:], whole[half - 1])
    torch.testing.assert_close(resumed, whole[half:], atol=1e-6, rtol=0)
    assert cell.sequence(context[:0], START).shape == (0, NUM_TRIALS, HIDDEN_SIZE)


@given(num_rows=LENGTHS, seed=SEEDS)
@settings(max_examples=20)
@torch.no_grad()
def test_h3_another_order_changes_the_recurrent_half_alone(num_rows: int, seed: int) -> None:
    cell, context = belief(), rows(num_rows, seed)
    one, other = (cell.sequence(each, START)[-1] for each in (context, context.flip(0)))

    assert torch.equal(one[:, ORDERED:], other[:, ORDERED:])
    assert (one[:, :ORDERED] != other[:, :ORDERED]).any()


@torch.no_grad()
def test_h4_a_feature_that_is_always_negative_is_remembered() -> None:
    cell, context = belief(), rows(8, 0)
    cell.features.layers[-1].bias -= 2.0
    features = torch.tanh(cell.features(context))
    assert (features < 0).all()

    for count in (1, 8):
        kept = cell.sequence(context[:count], START)[-1, :, ORDERED:]
        torch.testing.assert_close(kept - 1.0, features[:count].amax(0), atol=1e-6, rtol=0)
        assert not torch.equal(kept[0], kept[1])
