"""Adapting a latent instead of a network: MAESN's inner step, in closed form.

Gupta et al. 2018, https://arxiv.org/abs/1802.07245. A task's state is a Gaussian over a latent
that is drawn once an episode and shown to the policy beside every observation: noise that holds
still explores, noise in every action dithers. With ε held, z = μ + σ ε, and the score of an
episode's z is known:

    μ'     = μ     + a_μ · mean_n A_n (z_n − μ) / σ²
    log σ' = log σ + a_σ · mean_n A_n ((z_n − μ)² / σ² − 1)

A_n is an episode's advantage at its first step, centred and scaled over the task's episodes: the
mean is *in-sample*. A mean of the others (leave-one-out) is the same but for a factor N / (N − 1),
which the scaling takes out. One episode alone has nothing to be compared with and moves nothing.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.parts.distributions import DiagonalGaussian
from training.parts.gradient_adaptation import Stage
from training.parts.inner_loop import Parameters


class TaskLatents(nn.Module):
    """A Gaussian for each of N train tasks, and the step sizes that all tasks share."""

    def __init__(
        self,
        num_tasks: int,
        latent_size: int,
        *,
        initial_step_size: float,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.randn(num_tasks, latent_size, generator=generator))
        self.log_std = nn.Parameter(torch.zeros(num_tasks, latent_size))
        raw = torch.tensor(initial_step_size).expm1().log()  # the inverse of softplus
        self.raw_step_size = nn.Parameter(raw.expand(2, latent_size).clone())

    def step_sizes(self) -> Tensor:
        """(2, L) positive whatever was learnt: of means, of deviations."""
        return F.softplus(self.raw_step_size)

    def of(self, tasks: Tensor) -> dict[str, Tensor]:
        """(K, L) of `tasks` (K,); one that is there twice gets the gradients of both."""
        return {"mean": self.mean[tasks], "log_std": self.log_std[tasks]}

    def prior(self, num_tasks: int) -> dict[str, Tensor]:
        """(K, L) of tasks that were never met: unit Gaussians."""
        zeros = torch.zeros(num_tasks, self.mean.shape[1], device=self.mean.device)
        return {"mean": zeros, "log_std": zeros.clone()}


def divergence_from_prior(own: Parameters) -> Tensor:
    """(K,) KL of each task's latent from the unit Gaussian, in nats."""
    zeros = torch.zeros_like(own["mean"])
    return DiagonalGaussian(own["mean"], own["log_std"]).kl_from(DiagonalGaussian(zeros, zeros))


def episode_credit(first_advantage: Tensor) -> Tensor:
    """(K, M) advantages at the episodes' first steps: centred and scaled over each task's M."""
    centred = first_advantage - first_advantage.mean(1, keepdim=True)
    return centred / (centred.square().mean(1, keepdim=True).sqrt() + 1e-8)


def latent_step(own: Parameters, latent: Tensor, credit: Tensor, step: Tensor) -> dict[str, Tensor]:
    """The closed form: latents (K, M, L) and credits (K, M) of episodes, step sizes (2, L)."""
    precision = torch.exp(-2.0 * own["log_std"])
    distance = latent - own["mean"][:, None]
    square = distance.square() * precision[:, None]
    slope_mean = (credit[..., None] * distance).mean(1) * precision
    slope_log_std = (credit[..., None] * (square - 1.0)).mean(1)
    return {
        "mean": own["mean"] + step[0] * slope_mean,
        "log_std": own["log_std"] + step[1] * slope_log_std,
    }


class LatentAdaptation:
    """A task's latent moves; the policy, which all tasks share, does not."""

    explores_by_actions = False

    def __init__(self, policy: nn.Module, latents: TaskLatents) -> None:
        self._policy, self._task_latents = policy, latents
        self.held_size = latents.mean.shape[1]

    def latents(self, own: Parameters, held: Tensor) -> Tensor:
        return own["mean"][:, None] + own["log_std"][:, None].exp() * held

    def distributions(self, own: Parameters, observation: Tensor, held: Tensor) -> Any:
        """For rows (K, M, O) or (K, T, M, O): an episode's latent is the same in all of them."""
        latent = self.latents(own, held)
        if observation.dim() == 4:
            latent = latent[:, None].expand(-1, observation.shape[1], -1, -1)
        return self._policy(torch.cat([observation, latent], dim=-1)).expanded()

    def adapted(self, own: Parameters, stage: Stage) -> dict[str, Tensor]:
        credit = episode_credit(stage.advantage[:, 0])
        return latent_step(own, stage.latent, credit, self._task_latents.step_sizes())
