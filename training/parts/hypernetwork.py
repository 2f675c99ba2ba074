"""Networks whose weights are generated from a condition, row by row.

Beck et al. 2022 (hypernetworks in meta-RL), https://arxiv.org/abs/2210.11348: what conditions a
policy does better as its weights than as one more input, if learning begins as if it were not
there. That is Bias-HyperInit: the heads' weights begin at zero and their biases are an ordinary
network's initial weights.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.parts.networks import Activation, Mlp


class GeneratedMlp(nn.Module):
    """(..., I + H) rows of input and condition side by side to (..., J).

    The last H elements are the condition. They become a small latent, and that all weights and
    biases of a multilayer perceptron on the first I.
    """

    def __init__(
        self,
        input_size: int,
        hidden_sizes: Sequence[int],
        output_size: int,
        *,
        condition_size: int,
        latent_size: int,
        generator: torch.Generator,
        output_scale: float = 1.0,
        activation: Activation = "relu",
    ) -> None:
        """`input_size` counts the condition; the rest is as of `Mlp`."""
        super().__init__()
        own = Mlp(
            input_size - condition_size,
            hidden_sizes,
            output_size,
            generator=generator,
            output_scale=output_scale,
        )
        self.condition_size, self.activation = condition_size, activation
        self.latent = Mlp(condition_size, (), latent_size, generator=generator)
        self.shapes = [tuple(layer.weight.shape) for layer in _linear(own)]
        self.heads = nn.ModuleList(_head(layer, latent_size) for layer in _linear(own))

    def forward(self, rows: Tensor) -> Tensor:
        size = rows.shape[-1] - self.condition_size
        values, condition = rows[..., :size], rows[..., size:]
        latent = torch.tanh(self.latent(condition))
        for index, (head, shape) in enumerate(zip(self.heads, self.shapes, strict=True)):
            generated = head(latent)
            weight = generated[..., : shape[0] * shape[1]].unflatten(-1, shape)
            bias = generated[..., shape[0] * shape[1] :]
            values = (weight @ values[..., None]).squeeze(-1) + bias
            if index + 1 < len(self.shapes):
                values = torch.tanh(values) if self.activation == "tanh" else F.relu(values)
        return values


def _linear(network: Mlp) -> list[nn.Linear]:
    return [layer for layer in network.layers if isinstance(layer, nn.Linear)]


def _head(layer: nn.Linear, latent_size: int) -> nn.Linear:
    """Generates what `layer` begins with, whatever the latent, until it learns otherwise."""
    head = nn.Linear(latent_size, layer.weight.numel() + layer.bias.numel())
    with torch.no_grad():
        head.weight.zero_()
        head.bias.copy_(torch.cat([layer.weight.flatten(), layer.bias]))
    return head
