"""Feed-forward networks: the multilayer perceptron and the twin critics made of two."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Literal, TypeVar

import torch
from torch import Tensor, nn

from training.parts.fused_linear import linear

Activation = Literal["relu", "tanh"]
"""tanh where second derivatives matter: those of a ReLU are zero almost everywhere"""


class Mlp(nn.Module):
    """Linear layers with an activation between them; (..., I) to (..., J)."""

    def __init__(
        self,
        input_size: int,
        hidden_sizes: Sequence[int],
        output_size: int,
        *,
        generator: torch.Generator,
        uses_layer_norm: bool = False,
        output_scale: float = 1.0,
        activation: Activation = "relu",
    ) -> None:
        """`output_scale` shrinks the last layer's initial weights: small means start near zero."""
        super().__init__()
        sizes = [input_size, *hidden_sizes, output_size]
        layers = [nn.Linear(before, after) for before, after in pairwise(sizes)]
        initialise(layers, generator)
        with torch.no_grad():
            layers[-1].weight.mul_(output_scale)
            layers[-1].bias.mul_(output_scale)
        self.layers = nn.ModuleList(layers)
        self.norms = nn.ModuleList(
            nn.LayerNorm(size) if uses_layer_norm else nn.Identity() for size in hidden_sizes
        )
        self.uses_layer_norm = uses_layer_norm
        self.activation = activation

    def forward(self, rows: Tensor) -> Tensor:
        *hidden, last = self.layers
        for layer, norm in zip(hidden, self.norms, strict=True):
            if self.activation == "tanh":
                rows = torch.tanh(norm(linear(rows, layer, relu=False)))
            elif self.uses_layer_norm:
                rows = torch.relu(norm(linear(rows, layer, relu=False)))
            else:  # one operation
                rows = linear(rows, layer, relu=True)
        return linear(rows, last, relu=False)


def initialise(layers: Iterable[nn.Linear], generator: torch.Generator) -> None:
    """Uniform within 1/sqrt(fan-in), from an explicit generator: equal seeds, equal networks."""
    with torch.no_grad():
        for layer in layers:
            bound = 1.0 / math.sqrt(layer.in_features)
            layer.weight.uniform_(-bound, bound, generator=generator)
            layer.bias.uniform_(-bound, bound, generator=generator)


class TwinCritic(nn.Module):
    """Two action-value networks with different initial weights; their minimum is pessimistic."""

    def __init__(
        self,
        input_size: int,
        hidden_sizes: Sequence[int],
        *,
        generator: torch.Generator,
        uses_layer_norm: bool = False,
    ) -> None:
        super().__init__()
        self.first, self.second = (
            Mlp(input_size, hidden_sizes, 1, generator=generator, uses_layer_norm=uses_layer_norm)
            for _ in range(2)
        )

    def forward(self, rows: Tensor) -> Tensor:
        """(..., I) to (2, ...): one value per critic and row."""
        return torch.stack([self.first(rows), self.second(rows)]).squeeze(-1)


Module = TypeVar("Module", bound=nn.Module)


def frozen_copy(module: Module) -> Module:
    """Equal weights, no gradients: a target network, or what is exported."""
    return copy.deepcopy(module).requires_grad_(False)


@contextmanager
def without_weight_gradients(module: nn.Module) -> Iterator[None]:
    """Gradients pass through to the inputs; none are computed for the weights."""
    module.requires_grad_(False)
    try:
        yield
    finally:
        module.requires_grad_(True)
