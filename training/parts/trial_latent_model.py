"""A sequential latent model whose filter runs through a trial, and feels what is paid.

Zhao et al. 2020 (MELD), https://arxiv.org/abs/2010.13957: the model of SLAC, where the reward is an
input to inference and the filter goes on from one episode of a task to the next. With x what is
seen, r what was paid for the action a that led there, and g 0 where an episode begins, else 1,

    p(r_t | z_t, a_t)   p(z1_t+1 | m)   q(z1_t+1 | x_t+1, m)   p(z2_t+1 | z1_t+1, m)

where m = (z2_t, a_t, r_t, g) is all that is remembered, and q(z2 | ·) = p(z2 | ·). A trial begins
with m at zero, so that nothing of another trial can be in it. The final moment of an episode is not
looked at: what was done and paid there is told to the next episode's first moment, and g with it.

Differs from the published code:

* What is paid is told ahead, from the latent that the action was chosen on, and then is a given.
  Told from the latent after it, which has felt it already, it would ask for nothing but copying;
  and where what is felt has to pass through z1, its divergence shuts it out: a model of worlds that
  differ in their rewards alone had learnt nothing of them after a thousand steps.
* z2 keeps what it holds unless a gate lets go: a goal has to last sixty steps.
* The prior of the first moment is learnt like all others.
* The filter that acts carries means (`believed`). Only the model's own loss draws.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.parts.distributions import DiagonalGaussian
from training.parts.eye import Eye, normalized
from training.parts.networks import Mlp
from training.parts.sequence_latent_model import MIN_STD, FrameDecoder, GaussianHead, Sizes

KEPT, SURE = 1.0, 2.0
"""how far gates begin on the side of keeping, and deviations of z2 on that of being small"""
MIN_REWARD_LOG_STD = math.log(0.05)
"""rewards have no noise: without a floor the last digits of a few would outweigh everything"""


class Belief(NamedTuple):
    """Of both parts of the latent, (..., L1) and (..., L2)."""

    z1: DiagonalGaussian
    z2: DiagonalGaussian

    @property
    def state(self) -> Tensor:
        """(..., 2 (L1 + L2)) means and deviations: what actor and critics go by."""
        parts = [part for z in self for part in (z.mean, z.log_std.exp())]
        return torch.cat(parts, dim=-1)


class Inferred(NamedTuple):
    """What is inferred of T moments of B trials."""

    latent: Tensor
    """(T, B, L1 + L2) one draw"""
    posterior: DiagonalGaussian
    """(T, B, L1) of z1"""
    prior: DiagonalGaussian
    """(T, B, L1) of z1: what was expected of each moment before it was seen"""


class Filtered(NamedTuple):
    """What the filter makes of T moments of B trials."""

    state: Tensor
    """(T, B, 2 (L1 + L2)) see `Belief.state`"""
    memory: Tensor
    """(T, B, M) what each moment was met with"""


class KeepingHead(nn.Module):
    """What is there (..., L), and what there is to learn, to a Gaussian over what comes of it."""

    def __init__(
        self, input_size: int, hidden_size: int, output_size: int, *, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.network = Mlp(
            input_size + output_size,
            (hidden_size, hidden_size),
            3 * output_size,
            generator=generator,
        )

    def forward(self, before: Tensor, *others: Tensor) -> DiagonalGaussian:
        new, gate, spread = self.network(torch.cat([before, *others], dim=-1)).chunk(3, dim=-1)
        mean = torch.lerp(before, torch.tanh(new), torch.sigmoid(gate - KEPT))
        return DiagonalGaussian(mean, torch.log(F.softplus(spread - SURE) + MIN_STD))


class TrialLatentModel(nn.Module):
    """The model: an eye, a filter, and what tells things from a latent.

    A memory (..., M) is z2, the last action, what it was paid, and g, side by side.
    """

    def __init__(self, sizes: Sizes, *, generator: torch.Generator) -> None:
        super().__init__()
        self.sizes = sizes
        self.memory_size = sizes.z2 + sizes.action + 2
        self.state_size = 2 * sizes.latent

        def head(input_size: int, output_size: int) -> GaussianHead:
            return GaussianHead(input_size, sizes.hidden, output_size, generator=generator)

        self.eye = Eye(
            sizes.frame_shape,
            num_channels=sizes.channels,
            num_features=sizes.features,
            generator=generator,
        )
        self.posterior = head(sizes.seen + self.memory_size, sizes.z1)
        self.prior = head(self.memory_size, sizes.z1)
        self.second = KeepingHead(
            sizes.z1 + sizes.action + 2, sizes.hidden, sizes.z2, generator=generator
        )
        self.of_measured = Mlp(
            sizes.latent, (sizes.hidden, sizes.hidden), sizes.measured, generator=generator
        )
        self.of_reward = head(sizes.latent + sizes.action, 1)
        if sizes.frame_shape is not None:
            self.of_frame = FrameDecoder(
                sizes.latent, sizes.frame_shape, sizes.channels, generator=generator
            )

    # ---- the filter ----------------------------------------------------------------------------

    def seen(self, measured: Tensor, frame: Tensor) -> Tensor:
        """(..., S) of measurements (..., O), normalised, and frames (..., H, W, C) uint8."""
        leading = measured.shape[:-1]
        features = self.eye(frame.flatten(0, len(leading) - 1)).unflatten(0, leading)
        return torch.cat([measured, features], dim=-1)

    def begin(self, num_trials: int, device: torch.device) -> Tensor:
        """(B, M) the memory of a trial that begins."""
        return torch.zeros(num_trials, self.memory_size, device=device)

    def expected(self, memory: Tensor) -> DiagonalGaussian:
        """z1 of the moment to come, before it is seen."""
        prior: DiagonalGaussian = self.prior(memory)
        return prior

    def believed(self, seen: Tensor, memory: Tensor) -> Belief:
        """Of a moment (..., S), as the filter has it that carries means."""
        z1: DiagonalGaussian = self.posterior(seen, memory)
        return Belief(z1, self._carried_on(z1.mean, memory))

    def expected_belief(self, memory: Tensor) -> Belief:
        """As `believed`, of the moment to come, before it is seen."""
        z1 = self.expected(memory)
        return Belief(z1, self._carried_on(z1.mean, memory))

    def _carried_on(self, z1: Tensor, memory: Tensor) -> DiagonalGaussian:
        z2, led = memory.split([self.sizes.z2, self.memory_size - self.sizes.z2], dim=-1)
        second: DiagonalGaussian = self.second(z2, z1, led)
        return second

    def filter(self, seen: Tensor, led: Tensor) -> Filtered:
        """Of the moments (T, B, S) of whole trials, means carried.

        `led` (T, B, A + 2) is what led to each: action, what it was paid, and g.
        """
        z2 = seen.new_zeros(seen.shape[1], self.sizes.z2)
        states, memories = [], []
        for moment, before in zip(seen, led, strict=True):
            memories.append(torch.cat([z2, before], dim=-1))
            belief = self.believed(moment, memories[-1])
            states.append(belief.state)
            z2 = belief.z2.mean
        return Filtered(torch.stack(states), torch.stack(memories))

    def infer(self, memory: Tensor, seen: Tensor, led: Tensor, noise: Tensor) -> Inferred:
        """As `filter`, where a draw is carried: what the model learns by.

        Begins with `memory` (B, M) at the first of the moments; of the first of `led` nothing more
        is asked. `noise` is (T, B, L1 + L2) standard normal numbers.
        """
        latents, means, log_stds, memories = [], [], [], [memory]
        for time, (moment, drawn) in enumerate(zip(seen, noise, strict=True)):
            posterior = self.posterior(moment, memories[time])
            z1 = _drawn(posterior, drawn[..., : self.sizes.z1])
            z2 = _drawn(self._carried_on(z1, memories[time]), drawn[..., self.sizes.z1 :])
            latents.append(torch.cat([z1, z2], dim=-1))
            means.append(posterior.mean)
            log_stds.append(posterior.log_std)
            if time + 1 < len(led):
                memories.append(torch.cat([z2, led[time + 1]], dim=-1))
        return Inferred(
            torch.stack(latents),
            DiagonalGaussian(torch.stack(means), torch.stack(log_stds)),
            self.expected(torch.stack(memories)),
        )

    # ---- what the latent tells -----------------------------------------------------------------

    def told_frame(self, latent: Tensor) -> Tensor:
        """(B, H, W, C) means of the frames of latents (B, L), as the eye has them."""
        frame: Tensor = self.of_frame(latent)
        return frame

    def told_measured(self, latent: Tensor) -> Tensor:
        """(..., O) means of the measurements."""
        measured: Tensor = self.of_measured(latent)
        return measured

    def told_reward(self, latent: Tensor, action: Tensor) -> DiagonalGaussian:
        """(..., 1) of what an action (..., A) will be paid."""
        reward: DiagonalGaussian = self.of_reward(latent, action)
        return reward._replace(log_std=reward.log_std.clamp(min=MIN_REWARD_LOG_STD))


def frame_misfit(told: Tensor, frame: Tensor, variance: float) -> Tensor:
    """(B,) negative log-likelihood of uint8 frames (B, H, W, C), a sum over pixels.

    Less a constant. Brightness and contrast are divided out first, as the eye does: a latent is not
    asked to hold how a lamp shines.
    """
    error = told - normalized(frame).permute(0, 2, 3, 1)
    return 0.5 * error.square().flatten(1).sum(-1) / variance


def _drawn(distribution: DiagonalGaussian, noise: Tensor) -> Tensor:
    return distribution.mean + distribution.log_std.exp() * noise
