"""The sequential latent model: which prior belongs where, and what it is worth on a moving dot."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.algorithms.dot_world import TURN_RAD, picture
from training.parts.sequence_latent_model import (
    Inferred,
    Latent,
    SequenceLatentModel,
    Sizes,
    frame_misfit,
)

SIZES = Sizes(
    frame_shape=(16, 16, 3), measured=1, action=2, channels=8, features=8, z1=6, z2=10, hidden=32
)
VARIANCE = 0.02


def model(seed: int = 0) -> SequenceLatentModel:
    return SequenceLatentModel(SIZES, generator=torch.Generator().manual_seed(seed))


def videos(num_moments: int, batch: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """(T, B, 16, 16, 3) frames of dots that go round, (T, B, 1) of nothing, (T - 1, B, 2) zeros."""
    start = np.random.default_rng(seed).uniform(-np.pi, np.pi, batch)
    frames = np.stack([picture(start + TURN_RAD * time) for time in range(num_moments)])
    nothing = torch.zeros(num_moments, batch, 1)
    return torch.from_numpy(frames), nothing, torch.zeros(num_moments - 1, batch, 2)


def noise(num_moments: int, batch: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(num_moments, batch, SIZES.latent, generator=generator)


def inferred(
    of: SequenceLatentModel, num_moments: int = 6, batch: int = 4, *, reset_at: int | None = None
) -> tuple[Inferred, Tensor, Tensor]:
    """With what was seen and done."""
    frames, nothing, _ = videos(num_moments, batch, 1)
    action = torch.randn(num_moments - 1, batch, 2, generator=torch.Generator().manual_seed(2))
    is_first = torch.zeros(num_moments, batch)
    if reset_at is not None:
        is_first[reset_at] = 1.0
    seen = of.seen(nothing, frames)
    return of.infer(seen, action, is_first, noise(num_moments, batch)), seen, action


def test_l1_the_first_prior_is_fixed_and_later_ones_follow_from_the_moment_before() -> None:
    of = model()
    found, _, action = inferred(of)

    assert (found.prior.mean[0] == 0).all() and (found.prior.log_std[0] == 0).all()
    expected = of.prior(found.latent.z2[:-1], action)
    torch.testing.assert_close(found.prior.mean[1:], expected.mean)
    torch.testing.assert_close(found.prior.log_std[1:], expected.log_std)
    assert (found.divergence > 0).all()


def test_l2_where_an_episode_begins_nothing_is_carried_over() -> None:
    of = model()
    whole, seen, action = inferred(of, reset_at=3)
    fresh = of.infer(seen[3:], action[3:], torch.zeros(3, 4), noise(6, 4)[3:])

    torch.testing.assert_close(whole.latent.both[3:], fresh.latent.both)
    torch.testing.assert_close(whole.posterior.mean[3:], fresh.posterior.mean)
    torch.testing.assert_close(whole.prior.mean[3:], fresh.prior.mean)
    without, _, _ = inferred(of)
    assert not torch.allclose(whole.latent.both[3], without.latent.both[3])


def test_l6_the_posterior_of_the_second_part_is_its_prior() -> None:
    """Given z1, what was seen tells nothing more of z2: one head draws it in both cases."""
    of, drawn = model(), noise(1, 4)[0]
    found, _, action = inferred(of)
    before = Latent(*(part[0] for part in found.latent))
    told: list[Tensor] = []
    of.second.register_forward_hook(lambda _, given, __: told.append(torch.cat(given, dim=-1)))
    seen = of.seen(torch.zeros(4, 1), videos(1, 4, 3)[0][0])
    followed, _ = of.follow(before, action[0], seen, drawn)
    imagined = of.imagine(before, action[0], drawn)

    assert len(told) == 2
    for given, latent in zip(told, (followed, imagined), strict=True):
        torch.testing.assert_close(given, torch.cat([latent.z1, before.z2, action[0]], dim=-1))
        expected = of.second.forward(latent.z1, before.z2, action[0])
        draw = expected.mean + expected.log_std.exp() * drawn[:, SIZES.z1 :]
        torch.testing.assert_close(latent.z2, draw)


def test_l10_a_frame_of_twice_the_side_weighs_four_times_as_much() -> None:
    frame = torch.from_numpy(picture(np.array([0.1, 1.0])))
    told = torch.rand(2, 16, 16, 3, generator=torch.Generator().manual_seed(0))
    larger = (part.repeat_interleave(2, 1).repeat_interleave(2, 2) for part in (told, frame))

    one = frame_misfit(told, frame, 0.1)
    assert one.shape == (2,)
    torch.testing.assert_close(frame_misfit(*larger, 0.1), 4.0 * one)


def test_me3_the_same_noise_gives_the_same_latents_to_the_bit() -> None:
    of = model()
    once, seen, action = inferred(of)
    again, _, _ = inferred(of)
    other = of.infer(seen, action, torch.zeros(6, 4), noise(6, 4, seed=9))

    assert torch.equal(once.latent.both, again.latent.both)
    assert not torch.equal(once.latent.both, other.latent.both)


@cache
def trained() -> tuple[SequenceLatentModel, list[float]]:
    """On dots that go round, and what was minimised of frames before each step."""
    of = model()
    optimizer = torch.optim.Adam(of.parameters(), lr=2e-3)
    misfits = []
    for step in range(700):
        frames, nothing, done = videos(6, 16, seed=100 + step)
        found = of.infer(of.seen(nothing, frames), done, torch.zeros(6, 16), noise(6, 16, step))
        misfit = frame_misfit(of.told_frame(found.latent), frames, VARIANCE).sum(0).mean()
        optimizer.zero_grad()
        (misfit + found.divergence.sum(0).mean()).backward()
        optimizer.step()
        misfits.append(float(misfit.detach()))
    return of, misfits


@pytest.mark.slow
def test_l4_a_moving_dot_is_told_again() -> None:
    """Better by far than the mean picture, which any decoder can learn."""
    of, _ = trained()
    frames, nothing, done = videos(6, 64, seed=7)
    with torch.no_grad():
        found = of.infer(of.seen(nothing, frames), done, torch.zeros(6, 64), noise(6, 64, 7))
        misfit = frame_misfit(of.told_frame(found.latent), frames, VARIANCE).mean()
    mean = (frames.float() / 255.0).mean((0, 1)).expand(6, 64, -1, -1, -1)
    unmoved = frame_misfit(mean, frames, VARIANCE).mean()

    assert misfit < 0.5 * unmoved


@pytest.mark.slow
def test_l7_what_is_imagined_moves_on_as_the_dot_does() -> None:
    """Nothing is seen for four steps: the frames told are nearer than the last one that was."""
    of, _ = trained()
    frames, nothing, done = videos(7, 64, seed=8)
    drawn = noise(7, 64, 8)
    with torch.no_grad():
        seen = of.seen(nothing, frames)
        found = of.infer(seen[:3], done[:2], torch.zeros(3, 64), drawn[:3])
        latent = Latent(*(part[-1] for part in found.latent))
        for ahead in range(1, 5):
            latent = of.imagine(latent, done[0], drawn[2 + ahead])
            now = frames[2 + ahead]
            imagined = frame_misfit(of.told_frame(latent), now, VARIANCE).mean()
            copied = frame_misfit(frames[2].float() / 255.0, now, VARIANCE).mean()
            assert imagined < 0.8 * copied, f"{ahead} steps ahead"
