"""Recurrent beliefs with a read-out, and with a cell that draws."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim2real.contract.quantity import Quantity
from sim2real.runtime.kinds.kind import Sizes
from sim2real.runtime.kinds.recurrent_belief import (
    KIND,
    ReadOut,
    RecurrentBeliefAdaptation,
    RecurrentBeliefSettings,
)
from sim2real.runtime.noise import TrialNoise

SIZES = Sizes(observation=4, action=2, context=3)
PLAIN = RecurrentBeliefSettings(hidden_size=5)
READ_OUT = ReadOut(initial_mean=(0.5, -1.0), initial_log_variance=(0.2, -0.4))


class Cell:
    """A graph by hand: what is remembered is the sum of rows, and of noise where there is some."""

    def __init__(self, settings: RecurrentBeliefSettings) -> None:
        signature = KIND.signatures(settings, SIZES)["recurrent"]
        self.inputs = {t.name: np.zeros(t.shape, np.float32) for t in signature.inputs}
        self.outputs = {t.name: np.zeros(t.shape, np.float32) for t in signature.outputs}

    def run(self) -> None:
        total = self.inputs["context_row"].sum() + self.inputs.get("cell_noise", np.zeros(1)).sum()
        self.outputs["next_hidden"][:] = self.inputs["hidden"] + total
        if "mean" in self.outputs:
            self.outputs["mean"][:] = total
            self.outputs["log_variance"][:] = -np.abs(total)


def adaptation_of(settings: RecurrentBeliefSettings, seed: int = 0) -> RecurrentBeliefAdaptation:
    adaptation = RecurrentBeliefAdaptation(settings, {"recurrent": Cell(settings)})
    adaptation.reset(np.random.default_rng(seed), TrialNoise(seed))
    return adaptation


def filled(adaptation: RecurrentBeliefAdaptation, settings: RecurrentBeliefSettings) -> dict:
    signature = KIND.signatures(settings, SIZES)["policy"]
    inputs = {t.name: np.full(t.shape, np.nan, np.float32) for t in signature.inputs}
    adaptation.fill(inputs, 0, 0)
    return {name: array[0] for name, array in inputs.items() if name != "observation"}


def test_the_policy_gets_what_the_settings_say():
    row = np.array([1.0, 0.5, 0.25], np.float32)
    of_hidden = replace(PLAIN, read_out=replace(READ_OUT, conditions_policy=False))
    of_read_out = replace(PLAIN, read_out=READ_OUT)

    for settings, names in (
        (PLAIN, ["hidden"]),
        (of_hidden, ["hidden"]),
        (of_read_out, ["mean", "log_variance"]),
    ):
        adaptation = adaptation_of(settings)
        adaptation.observe(row)
        given = filled(adaptation, settings)
        assert list(given) == names
        assert all(np.isfinite(array).all() for array in given.values())
    np.testing.assert_array_equal(given["mean"], [1.75, 1.75])
    np.testing.assert_array_equal(given["log_variance"], [-1.75, -1.75])


def test_before_any_evidence_it_believes_what_the_settings_say():
    settings = replace(PLAIN, read_out=READ_OUT)
    adaptation = adaptation_of(settings)
    adaptation.observe(np.ones(3, np.float32))
    adaptation.reset(np.random.default_rng(1), TrialNoise(1))

    belief, given = adaptation.summary(), filled(adaptation, settings)

    np.testing.assert_allclose(belief.mean, [0.5, -1.0])
    np.testing.assert_allclose(belief.variance, np.exp([0.2, -0.4]))
    np.testing.assert_allclose(given["mean"], [0.5, -1.0])
    # KL(N(m, v) || N(0, 1)) of each, in nats
    mean, log_variance = np.array([0.5, -1.0]), np.array([0.2, -0.4])
    expected = 0.5 * (np.exp(log_variance) + mean**2 - 1.0 - log_variance)
    assert belief.kl_from_prior == pytest.approx(expected.sum(), rel=1e-6)


@given(
    mean=st.floats(-3.0, 3.0),
    log_variance=st.floats(-6.0, 2.0),
    scale=st.floats(1e-4, 1e4),
    offset=st.floats(-100.0, 100.0),
)
def test_how_far_a_belief_about_quantities_is_from_the_prior_does_not_depend_on_units(
    mean, log_variance, scale, offset
):
    quantity = Quantity(name="valve_damping", unit="N m s/rad")
    latent = ReadOut(initial_mean=(0.0,), initial_log_variance=(0.0,))
    in_units = ReadOut(
        initial_mean=(offset,),
        initial_log_variance=(2.0 * np.log(scale),),
        quantities=(quantity,),
    )

    def kl(read_out, mean, log_variance):
        return read_out.kl_from_prior(np.array([mean]), np.array([log_variance]))

    found = kl(in_units, offset + scale * mean, log_variance + 2.0 * np.log(scale))
    rounding = 1e-10 * (1.0 + abs(offset) / scale) ** 2
    assert found == pytest.approx(kl(latent, mean, log_variance), rel=1e-6, abs=rounding)
    assert kl(in_units, offset, 2.0 * np.log(scale)) == 0.0


def test_a_memory_brings_the_read_out_with_it():
    settings = replace(PLAIN, read_out=READ_OUT)
    one, other = adaptation_of(settings), adaptation_of(settings)
    for _ in range(3):
        one.observe(np.array([0.1, 0.2, 0.3], np.float32))

    other.memory = one.memory

    for name, value in filled(one, settings).items():
        np.testing.assert_array_equal(filled(other, settings)[name], value)
    believed = KIND.belief_of({name: value.tolist() for name, value in other.memory.items()})
    np.testing.assert_allclose(believed.sd, np.sqrt(other.summary().variance))
    before = other.memory
    with pytest.raises(ValueError, match="log_variance"):
        other.memory = {**one.memory, "log_variance": np.zeros(3)}
    for name, value in before.items():
        np.testing.assert_array_equal(other.memory[name], value)  # nothing half-set


def test_a_cell_that_draws_goes_on_from_a_memory_as_it_would_have():
    settings = replace(PLAIN, cell_noise_size=4)
    whole, rows = adaptation_of(settings, seed=3), np.random.default_rng(0).normal(size=(6, 3))
    for number, row in enumerate(rows.astype(np.float32)):
        if number == 4:
            resumed = adaptation_of(settings, seed=3)
            resumed.memory = whole.memory
        whole.observe(row)
        if number >= 4:
            resumed.observe(row)

    np.testing.assert_array_equal(whole.memory["hidden"], resumed.memory["hidden"])
    drawn, idle = [0.0], adaptation_of(settings, seed=3)
    for _ in range(5):
        idle.observe(np.zeros(3, np.float32))
        drawn.append(float(idle.memory["hidden"][0]))
    assert len(np.unique(np.diff(drawn).round(6))) == 5  # another draw for every transition
    other = adaptation_of(settings, seed=4)
    still = adaptation_of(PLAIN)
    for row in rows.astype(np.float32):
        other.observe(row)
        still.observe(row)
    assert (other.memory["hidden"] != whole.memory["hidden"]).all()
    assert (still.memory["hidden"] != whole.memory["hidden"]).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden_size": 0}, "hidden_size"),
        ({"cell_noise_size": -1}, "cell_noise_size"),
        ({"takes_action_noise": True}, "exploration episode"),
    ],
)
def test_settings_that_cannot_be_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        replace(PLAIN, **change)


def test_read_outs_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="initial_log_variance"):
        replace(READ_OUT, initial_log_variance=(0.0,))
    with pytest.raises(ValueError, match="initial_mean"):
        ReadOut(initial_mean=(), initial_log_variance=())
    with pytest.raises(ValueError, match="quantities"):
        replace(READ_OUT, quantities=(Quantity(name="mass", unit="kg"),))


def test_what_is_read_out_is_called_by_its_name():
    quantities = (Quantity(name="mass", unit="kg"), Quantity(name="goal", unit="rad"))
    settings = replace(PLAIN, read_out=replace(READ_OUT, quantities=quantities))

    words = KIND.words(settings)

    assert "mass (kg), goal (rad)" in words.acts_by
    assert "mass (kg), goal (rad)" in words.card
