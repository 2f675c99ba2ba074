"""The evidence lower bound of VariBAD: what a belief at any time says of a whole trial.

Zintgraf et al. 2020, https://arxiv.org/abs/1910.08348, equations 8 to 10. Times run from 0, before
anything was seen, to a trial's length. A belief is judged by how well it explains the past and the
future, and by how far it moved from the one before it.

Everything is a mean over trials, so that the weight of the divergence means the same at any batch
size. (The published code sums the divergence over trials and averages the reconstruction.)
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.parts.distributions import DiagonalGaussian
from training.parts.networks import Mlp
from training.parts.read_out import gaussian_of


class Picked(NamedTuple):
    """Places of B trials, all of them or some."""

    place: Tensor
    """(N, B) int64"""
    weight: Tensor
    """(N, B) sums to one in every trial"""

    def of(self, values: Tensor) -> Tensor:
        """(N, B, ...) of `values` (T, B, ...)."""
        return values[self.place, torch.arange(self.place.shape[1], device=values.device)]


def pick(count: Tensor, how_many: int, generator: torch.Generator) -> Picked:
    """Among the first `count` (B,) places of each trial: all, or `how_many` drawn with replacement.

    0 stands for all.
    """
    if how_many:
        drawn = torch.rand(how_many, len(count), generator=generator, device=count.device)
        place = torch.minimum((drawn * count).long(), count - 1)  # a product may be rounded up
        return Picked(place, torch.full_like(drawn, 1.0 / how_many))
    place = torch.arange(int(count.max()), device=count.device)[:, None].expand(-1, len(count))
    return Picked(place, (place < count).float() / count)


def chained_kl(read: Tensor) -> Tensor:
    """(T, B) KL of every belief from the one before it, the first from N(0, I).

    `read` (T, B, 2 D) holds means and log-variances.
    """
    belief = gaussian_of(read)
    prior = DiagonalGaussian(
        torch.cat([torch.zeros_like(belief.mean[:1]), belief.mean[:-1]]),
        torch.cat([torch.zeros_like(belief.log_std[:1]), belief.log_std[:-1]]),
    )
    return belief.kl_from(prior)


class Steps(NamedTuple):
    """What a decoder explains, (S, B, ...)."""

    observation: Tensor
    action: Tensor
    reward: Tensor
    """(S, B)"""
    next_observation: Tensor


class Decoder(nn.Module):
    """Latent and what was done to what came of it: the reward, and where asked, the next state."""

    def __init__(
        self,
        *,
        latent_size: int,
        observation_size: int,
        action_size: int,
        hidden_sizes: tuple[int, ...],
        has_binary_rewards: bool,
        pays_for_outcome: bool,
        decodes_state: bool,
        generator: torch.Generator,
    ) -> None:
        """Binary rewards are told apart by their sign: paid or not paid.

        With `pays_for_outcome` the reward decoder sees where a step ended and no more.
        """
        super().__init__()
        self.has_binary_rewards, self.pays_for_outcome = has_binary_rewards, pays_for_outcome
        size = latent_size + observation_size + action_size
        reward_size = latent_size if pays_for_outcome else size
        self.reward = Mlp(reward_size + observation_size, hidden_sizes, 1, generator=generator)
        self.state = (
            Mlp(size, hidden_sizes, observation_size, generator=generator)
            if decodes_state
            else None
        )

    def predicted_reward(self, latent: Tensor, steps: Steps) -> Tensor:
        """(...) of latents (..., L) and steps (..., ·): expected, or the logit of being paid."""
        before = [] if self.pays_for_outcome else [steps.observation, steps.action]
        rows = torch.cat([latent, *before, steps.next_observation], dim=-1)
        predicted: Tensor = self.reward(rows).squeeze(-1)
        return predicted

    def error(self, latent: Tensor, steps: Steps) -> Tensor:
        """(E, S, B) minus the log-likelihood of every step under every latent (E, B, L).

        Gaussian ones have unit variance, and their constant is left out.
        """
        latent = latent[:, None].expand(-1, len(steps.reward), -1, -1)
        steps = Steps(*(values[None].expand(len(latent), *values.shape) for values in steps))
        predicted = self.predicted_reward(latent, steps)
        if self.has_binary_rewards:
            paid = (steps.reward > 0).float()
            error = F.binary_cross_entropy_with_logits(predicted, paid, reduction="none")
        else:
            error = 0.5 * (predicted - steps.reward).square()
        if self.state is not None:
            rows = torch.cat([latent, steps.observation, steps.action], dim=-1)
            change = steps.next_observation - steps.observation
            error = error + 0.5 * (self.state(rows) - change).square().sum(-1)
        return error


def reconstruction(error: Tensor, steps: Picked, length: Tensor) -> Tensor:
    """(E, B) sums over a whole trial of (E, S, B) errors, from all of its steps or some."""
    return (error * steps.weight).sum(1) * length


def over_beliefs(values: Tensor, beliefs: Picked) -> Tensor:
    """() the mean over trials of the mean over each trial's beliefs, (E, B)."""
    return (values * beliefs.weight).sum(0).mean()
