"""A belief of two halves: a recurrent cell, and running maxima that know no order.

Beck et al. 2024 (SplAgger), https://arxiv.org/abs/2403.03020. Which task it is does not depend on
the order in which transitions came, what to do next may: one half of the hidden state is a GRU's,
the other the largest value so far of each of some features of single transitions.

Differs from the implementation that the paper compares with: its maxima begin at zero, so that a
feature which is negative on all transitions leaves no trace. Here they begin below everything.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.parts.encoders import RecurrentBelief
from training.parts.networks import Mlp


class SplitBelief(nn.Module):
    """A `Cell` over context rows, zero at the start of a trial like any other.

    Features lie in (-1, 1) and are kept with one added: zero is below all of them.
    """

    def __init__(
        self,
        row_size: int,
        hidden_size: int,
        *,
        generator: torch.Generator,
        row_scale: Tensor | None = None,
    ) -> None:
        """`row_scale` (C,) multiplies every row first: it travels with the exported graph."""
        super().__init__()
        self.hidden_size, num_features = hidden_size, hidden_size // 2
        self.sizes = (hidden_size - num_features, num_features)
        self.ordered = RecurrentBelief(
            row_size, self.sizes[0], generator=generator, row_scale=row_scale
        )
        self.features = Mlp(row_size, (hidden_size,), num_features, generator=generator)

    def step(self, row: Tensor, hidden: Tensor) -> Tensor:
        """One transition: row (B, C) and hidden (B, H) to the next hidden (B, H)."""
        ordered, most = hidden.split(self.sizes, dim=-1)
        most = torch.maximum(most, self._shown(row))
        return torch.cat([self.ordered.step(row, ordered), most], dim=-1)

    def sequence(self, rows: Tensor, hidden: Tensor) -> Tensor:
        """Rows (T, B, C) from hidden (B, H): the hidden states after each of them, (T, B, H)."""
        ordered, most = hidden.split(self.sizes, dim=-1)
        so_far = torch.cat([most[None], self._shown(rows)]).cummax(0).values[1:]
        return torch.cat([self.ordered.sequence(rows, ordered), so_far], dim=-1)

    def _shown(self, rows: Tensor) -> Tensor:
        return 1.0 + torch.tanh(self.features(rows * self.ordered.row_scale))
