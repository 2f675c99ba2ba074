"""Policies that a robot adapts, and the step that adapts them, as ordinary forward graphs.

No graph here asks for a derivative: exporting one is an open problem of torch, and training on a
device was taken out of ONNX Runtime. The gradient of a Gaussian policy over a network of tanh
layers is written out; tests hold it against autograd and finite differences. The same step serves
every learner whose inner loss is the policy gradient, for on the robot the policy that collected is
the one that is stepped: ratio and log-likelihood then have one gradient.

Parameters are an input, one flat vector, so that the graphs stay what they are whatever is learnt.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from sim2real.contract.normalizer import FrozenNormalizer
from training.parts.deployed import Normalize
from training.parts.inner_loop import parameters_of
from training.parts.networks import Mlp
from training.parts.policies import DiagonalGaussianPolicy

Layer = tuple[Tensor, Tensor]
"""weight (B, J, I) and bias (B, J) of a linear layer, each row's own"""


class FlatPolicy(nn.Module):
    """A Gaussian policy of tanh layers, whose parameters are the rows of (B, P)."""

    base: Tensor

    def __init__(self, policy: DiagonalGaussianPolicy) -> None:
        """`base` (1, P) is `policy` as it is. Raises `ValueError` for a policy of another form."""
        super().__init__()
        network = policy.network
        if (
            not isinstance(network, Mlp)
            or network.activation != "tanh"
            or network.uses_layer_norm
            or policy.bounds_mean
        ):
            raise ValueError("a policy of plain tanh layers with a mean that nothing bounds")
        self.min_log_std = policy.min_log_std
        named = parameters_of(network)  # weight, bias, weight, bias, …
        self.shapes = [(len(w), w.shape[1]) for w in named.values() if w.dim() == 2]
        self.action_size = self.shapes[-1][0]
        tensors = [policy.log_std, *named.values()]
        base = torch.cat([tensor.detach().reshape(1, -1) for tensor in tensors], dim=-1)
        self.register_buffer("base", base.cpu().clone())

    @property
    def num_parameters(self) -> int:
        """P"""
        return self.base.shape[1]

    def unpacked(self, parameters: Tensor) -> tuple[Tensor, list[Layer]]:
        """Log-deviations (B, A) and layers."""
        sizes = [self.action_size]
        for out, into in self.shapes:
            sizes += [out * into, out]
        log_std, *parts = parameters.split(sizes, dim=-1)
        layers = [
            (weight.unflatten(-1, shape), bias)
            for weight, bias, shape in zip(parts[::2], parts[1::2], self.shapes, strict=True)
        ]
        return log_std, layers

    def clamped(self, log_std: Tensor) -> Tensor:
        """As sure as actions may get."""
        return log_std if self.min_log_std is None else log_std.clamp(min=self.min_log_std)

    def activations(self, rows: Tensor, layers: list[Layer]) -> list[Tensor]:
        """Rows (B, N, I), every hidden layer's output, and the mean (B, N, A)."""
        outputs = [rows]
        for number, (weight, bias) in enumerate(layers):
            product = torch.matmul(outputs[-1], weight.transpose(1, 2)) + bias[:, None]
            outputs.append(product if number == len(layers) - 1 else torch.tanh(product))
        return outputs


class DeployedParameterPolicy(nn.Module):
    """Observation (B, O), parameters (B, P) and noise (B, A) to action (B, A)."""

    def __init__(self, normalizer: FrozenNormalizer, policy: DiagonalGaussianPolicy) -> None:
        super().__init__()
        self.normalize, self.flat = Normalize(normalizer), FlatPolicy(policy)

    def forward(self, observation: Tensor, parameters: Tensor, action_noise: Tensor) -> Tensor:
        log_std, layers = self.flat.unpacked(parameters)
        rows = self.normalize(observation)[:, None]
        mean = self.flat.activations(rows, layers)[-1][:, 0]
        return mean + self.flat.clamped(log_std).exp() * action_noise


class DeployedStep(nn.Module):
    """A step of policy gradient, scaled, and how far it leads from the base.

    Takes parameters (B, P), observations (B, N, O) as measured, actions (B, N, A) as drawn, their
    advantages (B, N), `is_valid` (B, N), 0 for rows that hold nothing, and `scale` (B, 1). Gives
    the stepped parameters (B, P), KL(stepped || base) (B, 1) in nats, mean over the valid rows, and
    the base (B, P).
    """

    def __init__(
        self,
        normalizer: FrozenNormalizer,
        policy: DiagonalGaussianPolicy,
        *,
        step_size: float,
        adapts_log_std: bool,
    ) -> None:
        super().__init__()
        self.normalize, self.flat = Normalize(normalizer), FlatPolicy(policy)
        self.step_size, self.adapts_log_std = step_size, adapts_log_std

    def forward(
        self,
        parameters: Tensor,
        observation: Tensor,
        action: Tensor,
        advantage: Tensor,
        is_valid: Tensor,
        scale: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        rows, share = self.normalize(observation), _share(is_valid)
        slope = self.gradient(parameters, rows, action, advantage * share)
        adapted = parameters - self.step_size * scale * slope
        base = self.flat.base.expand(parameters.shape) + 0.0
        kl = (self.divergence(adapted, base, rows) * share).sum(1, keepdim=True)
        return adapted, kl, base

    def gradient(self, parameters: Tensor, rows: Tensor, action: Tensor, weight: Tensor) -> Tensor:
        """(B, P) of minus the weighted log-likelihood; normalised rows, weights (B, N)."""
        flat = self.flat
        raw_log_std, layers = flat.unpacked(parameters)
        log_std = flat.clamped(raw_log_std)[:, None]
        *hidden, mean = flat.activations(rows, layers)
        error = (action - mean) * torch.exp(-log_std)
        of_log_std = -(weight[..., None] * (error.square() - 1.0)).sum(1)
        if not self.adapts_log_std:
            of_log_std = of_log_std * 0.0
        elif flat.min_log_std is not None:
            of_log_std = of_log_std * (raw_log_std >= flat.min_log_std).to(of_log_std)
        parts = list[Tensor]()
        delta = -weight[..., None] * error * torch.exp(-log_std)
        for (matrix, _), before in zip(layers[::-1], hidden[::-1], strict=True):
            of_weight = torch.matmul(delta.transpose(1, 2), before).flatten(1)
            parts = [of_weight, delta.sum(1), *parts]
            delta = torch.matmul(delta, matrix) * (1.0 - before.square())
        return torch.cat([of_log_std, *parts], dim=-1)

    def divergence(self, parameters: Tensor, base: Tensor, rows: Tensor) -> Tensor:
        """(B, N) nats between the actions of two sets of parameters, KL(these || base)."""
        flat, means, log_stds = self.flat, [], []
        for one in (parameters, base):
            log_std, layers = flat.unpacked(one)
            log_stds.append(flat.clamped(log_std)[:, None])
            means.append(flat.activations(rows, layers)[-1])
        distance = (means[0] - means[1]) * torch.exp(-log_stds[1])
        log_ratio = log_stds[1] - log_stds[0]
        nats = log_ratio + 0.5 * (torch.exp(-2.0 * log_ratio) + distance.square() - 1.0)
        return nats.sum(-1)


def _share(is_valid: Tensor) -> Tensor:
    """(B, N) each valid row's share of the mean over them."""
    return is_valid / is_valid.sum(1, keepdim=True).clamp(min=1.0)


class DeployedLatentPolicy(nn.Module):
    """Observation (B, O), a latent's mean and log-deviation and its noise (B, L) to action (B, A):
    the mean on the latent."""

    def __init__(self, normalizer: FrozenNormalizer, policy: DiagonalGaussianPolicy) -> None:
        super().__init__()
        self.normalize, self.policy = Normalize(normalizer), policy

    def forward(
        self,
        observation: Tensor,
        latent_mean: Tensor,
        latent_log_std: Tensor,
        latent_noise: Tensor,
    ) -> Tensor:
        latent = latent_mean + latent_log_std.exp() * latent_noise
        return self.policy.mode(torch.cat([self.normalize(observation), latent], dim=-1))


def layer_sizes(policy: DiagonalGaussianPolicy) -> tuple[int, ...]:
    """Of the hidden layers."""
    shapes = FlatPolicy(policy).shapes
    return tuple(before[0] for before, _ in pairwise(shapes))
