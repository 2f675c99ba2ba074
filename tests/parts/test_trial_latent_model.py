"""The latent model of whole trials: what its filter carries, from what, and how far."""

from __future__ import annotations

import torch
from torch import Tensor

from training.parts.sequence_latent_model import Sizes
from training.parts.trial_filter import Expectation, Filter, OnBelief
from training.parts.trial_latent_model import TrialLatentModel, frame_misfit

SIZES = Sizes(
    frame_shape=(16, 16, 3), measured=2, action=2, channels=4, features=6, z1=4, z2=5, hidden=16
)
LENGTH, BATCH, RESET = 7, 3, 4


def model(seed: int = 0) -> TrialLatentModel:
    return TrialLatentModel(SIZES, generator=torch.Generator().manual_seed(seed))


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def led() -> Tensor:
    """(T, B, A + 2) of trials whose second episode begins at `RESET`."""
    goes_on = torch.ones(LENGTH, BATCH, 1)
    goes_on[0] = goes_on[RESET] = 0.0
    rows = numbers(LENGTH, BATCH, SIZES.action + 1, seed=1)
    rows[0] = 0.0
    return torch.cat([rows, goes_on], dim=-1)


def seen() -> Tensor:
    return numbers(LENGTH, BATCH, SIZES.seen, seed=2)


def filtered(of: TrialLatentModel, moments: Tensor, before: Tensor) -> Tensor:
    return of.filter(moments, before).state


def start(of: TrialLatentModel) -> Tensor:
    return of.begin(BATCH, torch.device("cpu"))


def test_step_by_step_it_is_what_it_is_over_a_whole_trial() -> None:
    of, moments, before = model(), seen(), led()
    whole = filtered(of, moments, before)
    cell, memory, states = Filter(of), of.begin(BATCH, torch.device("cpu")), []
    on_belief = OnBelief(of, torch.nn.Identity())  # type: ignore[arg-type]
    for time in range(LENGTH):
        rows = torch.cat([moments[time], memory], dim=-1)
        states.append(on_belief.state(rows)[..., SIZES.measured :])
        if time + 1 < LENGTH:
            done, goes_on = before[time + 1].split([SIZES.action + 1, 1], dim=-1)
            memory = cell.step(torch.cat([moments[time], done, 1.0 - goes_on], -1), memory)

    torch.testing.assert_close(torch.stack(states), whole, atol=1e-6, rtol=1e-5)


def test_xb2_the_first_moment_of_a_later_episode_is_seen_and_marked() -> None:
    of, moments, before = model(), seen(), led()
    whole = filtered(of, moments, before)
    moved, unmarked = moments.clone(), before.clone()
    moved[RESET] += 1.0
    unmarked[RESET, :, -1] = 1.0

    for changed in (filtered(of, moved, before), filtered(of, moments, unmarked)):
        assert torch.equal(changed[:RESET], whole[:RESET])
        assert not torch.allclose(changed[RESET], whole[RESET])
        assert not torch.allclose(changed[-1], whole[-1])  # and carried on


def test_what_was_paid_moves_what_is_expected_and_what_is_believed() -> None:
    of = model()
    memory = numbers(BATCH, of.memory_size)
    paid = memory.clone()
    paid[:, -2] += 1.0

    assert not torch.allclose(of.expected(paid).mean, of.expected(memory).mean)
    one, other = (of.believed(seen()[0], each) for each in (paid, memory))
    assert not torch.allclose(one.z1.mean, other.z1.mean)
    assert not torch.allclose(one.z2.mean, other.z2.mean)


def test_me1_a_trial_begins_with_nothing_and_trials_do_not_touch_each_other() -> None:
    of, moments, before = model(), seen(), led()
    whole = filtered(of, moments, before)
    others, otherwise = moments.clone(), before.clone()
    others[:, 1:] += 1.0
    otherwise[:, 1:, :-1] += 1.0

    assert not of.begin(BATCH, torch.device("cpu")).any()
    assert torch.equal(filtered(of, others, otherwise)[:, 0], whole[:, 0])
    alone = filtered(of, moments[:, :1], before[:, :1])
    torch.testing.assert_close(alone, whole[:, :1], atol=1e-6, rtol=1e-5)


def test_me3_the_same_trial_gives_the_same_belief_to_the_bit() -> None:
    of, moments, before = model(), seen(), led()
    noise = numbers(LENGTH, BATCH, SIZES.latent, seed=3)
    once, again = (of.infer(start(of), moments, before, noise) for _ in range(2))
    other = of.infer(start(of), moments, before, numbers(LENGTH, BATCH, SIZES.latent, seed=4))

    assert torch.equal(filtered(of, moments, before), filtered(of, moments, before))
    assert torch.equal(once.latent, again.latent)
    assert not torch.equal(once.latent, other.latent)


def test_without_noise_what_is_drawn_is_what_is_carried() -> None:
    of, moments, before = model(), seen(), led()
    found = of.infer(start(of), moments, before, torch.zeros(LENGTH, BATCH, SIZES.latent))
    mean1, _, mean2, _ = filtered(of, moments, before).split([4, 4, 5, 5], dim=-1)

    torch.testing.assert_close(found.latent, torch.cat([mean1, mean2], -1), atol=1e-6, rtol=1e-5)


def test_in_the_middle_of_a_trial_it_goes_on_from_the_memory_there() -> None:
    of, moments, before = model(), seen(), led()
    noise = torch.zeros(LENGTH, BATCH, SIZES.latent)
    whole, memory = of.infer(start(of), moments, before, noise), of.filter(moments, before).memory
    rest = of.infer(memory[2], moments[2:], before[2:], noise[2:])

    torch.testing.assert_close(rest.latent, whole.latent[2:], atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(rest.prior.mean, whole.prior.mean[2:], atol=1e-6, rtol=1e-5)


def test_an_expectation_is_the_belief_of_a_moment_that_is_not_seen() -> None:
    of = model()
    memory = numbers(BATCH, of.memory_size)
    mean, log_variance = Expectation(of)(memory).chunk(2, dim=-1)
    expected = of.expected(memory)

    assert mean.shape == (BATCH, SIZES.latent)
    assert torch.equal(mean[:, : SIZES.z1], expected.mean)
    assert torch.equal(log_variance[:, : SIZES.z1], 2.0 * expected.log_std)


def test_light_is_not_asked_of_a_latent() -> None:
    frame = torch.randint(60, 120, (2, 16, 16, 3), generator=torch.Generator().manual_seed(0))
    told = numbers(2, 16, 16, 3)
    dark = frame_misfit(told, frame.to(torch.uint8), 2.0)
    bright = frame_misfit(told, (2 * frame).to(torch.uint8), 2.0)

    assert dark.shape == (2,)
    torch.testing.assert_close(dark, bright, rtol=1e-3, atol=0)
    torch.testing.assert_close(frame_misfit(told, frame.to(torch.uint8), 1.0), 2.0 * dark)
