"""The sequential latent model of SLAC: what is seen, as the trace of something that moves unseen.

Lee et al. 2020, https://arxiv.org/abs/1907.00953. A latent of two parts: z1 takes in what is seen,
z2 carries what follows from it. With x what is seen and a what is done,

    p(z1_1) = N(0, I)   p(z1_t+1 | z2_t, a_t)   p(z2_t+1 | z1_t+1, z2_t, a_t)
    q(z1_1 | x_1)       q(z1_t+1 | x_t+1, z2_t, a_t)   q(z2 | ·) = p(z2 | ·)

so only z1 has a divergence. Frames, measurements and rewards are told from the latent. All terms
are summed over time and elements and averaged over sequences: a frame twice as large on either side
weighs four times as much against the divergence, and `frame_variance` is what balances the two.

Noise is always handed in: a filter that is replayed with the same numbers gives the same latents.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.parts.distributions import DiagonalGaussian
from training.parts.eye import KERNEL, STRIDE, Eye, initialise_convolutions
from training.parts.networks import Mlp, initialise
from training.worlds.vector_world import FrameShape

MIN_STD = 1e-5


class Sizes(NamedTuple):
    """How large a model is, and what it deals with."""

    frame_shape: FrameShape | None
    """None in a world without a camera: then measurements are all there is to tell"""
    measured: int
    action: int
    channels: int
    """of the eye's convolutions and, mirrored, of the decoder's"""
    features: int
    """what the eye makes of a frame"""
    z1: int
    z2: int
    hidden: int
    """units of both hidden layers of every head"""

    @property
    def latent(self) -> int:
        return self.z1 + self.z2

    @property
    def seen(self) -> int:
        """of a moment as inference takes it: measurements, then features"""
        return self.measured + (0 if self.frame_shape is None else self.features)


class Latent(NamedTuple):
    """A draw of both parts, (..., L1) and (..., L2)."""

    z1: Tensor
    z2: Tensor

    @property
    def both(self) -> Tensor:
        """(..., L1 + L2)"""
        return torch.cat(self, dim=-1)


class Inferred(NamedTuple):
    """What is inferred of T + 1 moments of B sequences."""

    latent: Latent
    """(T + 1, B, ·) one draw"""
    posterior: DiagonalGaussian
    """(T + 1, B, L1) of z1"""
    prior: DiagonalGaussian
    """(T + 1, B, L1) of z1: what was expected of each moment before it was seen"""

    @property
    def divergence(self) -> Tensor:
        """(T + 1, B) KL of posterior from prior; that of z2 is zero, for they are the same."""
        return self.posterior.kl_from(self.prior)


class GaussianHead(nn.Module):
    """(..., I) to a Gaussian over (..., L)."""

    def __init__(
        self, input_size: int, hidden_size: int, output_size: int, *, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.network = Mlp(
            input_size, (hidden_size, hidden_size), 2 * output_size, generator=generator
        )

    def forward(self, *parts: Tensor) -> DiagonalGaussian:
        mean, spread = self.network(torch.cat(parts, dim=-1)).chunk(2, dim=-1)
        return DiagonalGaussian(mean, torch.log(F.softplus(spread) + MIN_STD))


class FrameDecoder(nn.Module):
    """Latents (B, L) to the means of frames (B, H, W, C), about 0 to 1: the eye, mirrored."""

    def __init__(
        self, latent_size: int, shape: FrameShape, channels: int, *, generator: torch.Generator
    ) -> None:
        """Raises `ValueError` for sides that cannot be halved twice."""
        super().__init__()
        height, width, num_colours = shape
        if height % STRIDE**2 or width % STRIDE**2:
            raise ValueError(f"frames of {height} x {width}: sides have to be multiples of 4")
        self.smallest = channels, height // STRIDE**2, width // STRIDE**2
        self.first = nn.Linear(latent_size, math.prod(self.smallest))
        self.middle = nn.ConvTranspose2d(channels, channels, KERNEL + 1, STRIDE, padding=1)
        self.last = nn.ConvTranspose2d(channels, num_colours, KERNEL + 1, STRIDE, padding=1)
        initialise([self.first], generator)
        initialise_convolutions([self.middle, self.last], generator)

    def forward(self, latent: Tensor) -> Tensor:
        values = F.leaky_relu(self.first(latent), 0.2).unflatten(-1, self.smallest)
        frame: Tensor = self.last(F.leaky_relu(self.middle(values), 0.2))
        return frame.permute(0, 2, 3, 1)


class SequenceLatentModel(nn.Module):
    """The model: an eye, a filter, and what tells things from a latent."""

    def __init__(self, sizes: Sizes, *, generator: torch.Generator) -> None:
        super().__init__()
        self.sizes = sizes

        def head(input_size: int, output_size: int) -> GaussianHead:
            return GaussianHead(input_size, sizes.hidden, output_size, generator=generator)

        self.eye = Eye(
            sizes.frame_shape,
            num_channels=sizes.channels,
            num_features=sizes.features,
            generator=generator,
        )
        before = sizes.z2 + sizes.action
        self.first_posterior = head(sizes.seen, sizes.z1)
        self.posterior = head(sizes.seen + before, sizes.z1)
        self.prior = head(before, sizes.z1)
        self.first_second = head(sizes.z1, sizes.z2)
        self.second = head(sizes.z1 + before, sizes.z2)
        self.of_measured = Mlp(
            sizes.latent, (sizes.hidden, sizes.hidden), sizes.measured, generator=generator
        )
        self.of_reward = head(2 * sizes.latent + sizes.action, 1)
        if sizes.frame_shape is not None:
            self.of_frame = FrameDecoder(
                sizes.latent, sizes.frame_shape, sizes.channels, generator=generator
            )

    # ---- the filter ----------------------------------------------------------------------------

    def seen(self, measured: Tensor, frame: Tensor) -> Tensor:
        """(..., S) of moments: measurements (..., O), normalised, and frames (..., H, W, C)."""
        leading = measured.shape[:-1]
        features = self.eye(frame.flatten(0, len(leading) - 1))
        return torch.cat([measured, features.unflatten(0, leading)], dim=-1)

    def begin(self, seen: Tensor, noise: Tensor) -> tuple[Latent, DiagonalGaussian]:
        """The latent of a first moment (B, S), and the posterior of its z1."""
        posterior: DiagonalGaussian = self.first_posterior(seen)
        z1 = _drawn(posterior, noise[..., : self.sizes.z1])
        z2 = _drawn(self.first_second(z1), noise[..., self.sizes.z1 :])
        return Latent(z1, z2), posterior

    def follow(
        self, before: Latent, action: Tensor, seen: Tensor, noise: Tensor
    ) -> tuple[Latent, DiagonalGaussian]:
        """The latent of the moment (B, S) that an action (B, A) led to, and z1's posterior."""
        posterior: DiagonalGaussian = self.posterior(seen, before.z2, action)
        z1 = _drawn(posterior, noise[..., : self.sizes.z1])
        return self._carried_on(z1, before, action, noise), posterior

    def imagine(self, before: Latent, action: Tensor, noise: Tensor) -> Latent:
        """As `follow`, where nothing was seen: z1 is drawn from its prior."""
        z1 = _drawn(self.prior(before.z2, action), noise[..., : self.sizes.z1])
        return self._carried_on(z1, before, action, noise)

    def _carried_on(self, z1: Tensor, before: Latent, action: Tensor, noise: Tensor) -> Latent:
        z2 = _drawn(self.second(z1, before.z2, action), noise[..., self.sizes.z1 :])
        return Latent(z1, z2)

    def infer(self, seen: Tensor, action: Tensor, is_first: Tensor, noise: Tensor) -> Inferred:
        """The latents of T + 1 moments (T + 1, B, S) between T actions (T, B, A).

        Where `is_first` (T + 1, B) is 1, as at the very first, an episode begins: nothing is
        carried over, and the prior is the first one. `noise` is (T + 1, B, L1 + L2).
        """
        latents: list[Latent] = []
        posteriors: list[DiagonalGaussian] = []
        priors: list[DiagonalGaussian] = []
        for time, moment in enumerate(seen):
            latent, posterior = self.begin(moment, noise[time])
            prior = DiagonalGaussian(
                torch.zeros_like(posterior.mean), torch.zeros_like(posterior.mean)
            )
            if time:
                before, done, starts = latents[-1], action[time - 1], is_first[time][:, None] > 0
                onward = self.follow(before, done, moment, noise[time])
                expected = self.prior(before.z2, done)
                latent = Latent(*_where(starts, latent, onward[0]))
                posterior = DiagonalGaussian(*_where(starts, posterior, onward[1]))
                prior = DiagonalGaussian(*_where(starts, prior, expected))
            latents.append(latent)
            posteriors.append(posterior)
            priors.append(prior)
        return Inferred(
            Latent(*map(torch.stack, zip(*latents))),
            DiagonalGaussian(*map(torch.stack, zip(*posteriors))),
            DiagonalGaussian(*map(torch.stack, zip(*priors))),
        )

    # ---- what the latent tells -----------------------------------------------------------------

    def told_frame(self, latent: Latent) -> Tensor:
        """(..., H, W, C) means of the frames of latents (..., ·), about 0 to 1."""
        leading = latent.z1.shape[:-1]
        frames: Tensor = self.of_frame(latent.both.flatten(0, len(leading) - 1))
        unfolded: Tensor = frames.unflatten(0, leading)
        return unfolded

    def told_measured(self, latent: Latent) -> Tensor:
        """(..., O) means of the measurements."""
        measured: Tensor = self.of_measured(latent.both)
        return measured

    def told_reward(self, before: Latent, action: Tensor, after: Latent) -> DiagonalGaussian:
        """(..., 1) of what is paid for the step between two latents."""
        reward: DiagonalGaussian = self.of_reward(before.both, action, after.both)
        return reward


def frame_misfit(told: Tensor, frame: Tensor, variance: float) -> Tensor:
    """(...) negative log-likelihood of uint8 frames (..., H, W, C), a sum over pixels.

    Less the constant that neither depends on the latent nor on any weight.
    """
    error = told - frame.float() / 255.0
    return 0.5 * error.square().flatten(-3).sum(-1) / variance


def _drawn(distribution: DiagonalGaussian, noise: Tensor) -> Tensor:
    return distribution.mean + distribution.log_std.exp() * noise


def _where(condition: Tensor, one: tuple[Tensor, ...], other: tuple[Tensor, ...]) -> list[Tensor]:
    return [torch.where(condition, left, right) for left, right in zip(one, other, strict=True)]
