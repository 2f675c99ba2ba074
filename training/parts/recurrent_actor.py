"""Acting on a recurrent belief: one hidden state per world, moved by every transition."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sim2real.contract.context import ContextLayout
from sim2real.contract.transition import Transition
from training.parts.actor import Drawn
from training.parts.encoders import Cell
from training.parts.policies import Policy, choose
from training.parts.running_stats import RunningStats
from training.worlds.vector_world import Bool, Float

See = Callable[[Float], Float]
"""(W, ·) observations as a world gives them to (W, O) as networks know them"""


def as_measured(observation: Float) -> Float:
    """Nothing in it has to be looked at first."""
    return observation


class Evidence(NamedTuple):
    """How a transition is shown to a network."""

    statistics: RunningStats
    layout: ContextLayout
    uses_sparse_reward: bool

    def rows(self, transition: Transition, sparse_reward: Float) -> Tensor:
        """(W, C) normalised context rows on the training device."""
        if self.uses_sparse_reward:
            transition = transition._replace(reward=sparse_reward)
        rows = torch.from_numpy(self.layout.row(transition)).to(self.statistics.device)
        return self.statistics.normalize_context(rows, self.layout)


class RecurrentActor:
    """Carries the hidden states of W worlds; `policy` sees observation and hidden state.

    Or, with a `read_out`, observation and what that makes of the hidden state.

    The hidden state survives the end of an episode, for it has seen that it ended, and is zero at
    the start of a trial.
    """

    def __init__(
        self,
        cell: Cell,
        policy: Policy,
        evidence: Evidence,
        *,
        num_worlds: int,
        generator: torch.Generator | None,
        read_out: nn.Module | None = None,
        cell_noise_size: int = 0,
        see: See = as_measured,
    ) -> None:
        """Actions are drawn from `generator`; without one they are the likeliest.

        `see` comes before everything else, in a world with a camera: frames become features.

        A cell that draws gets `cell_noise_size` standard normal numbers beside every row, from the
        trial's seed.
        """
        self._cell, self._policy, self._evidence = cell, policy, evidence
        self._read_out = nn.Identity() if read_out is None else read_out
        self._num_worlds, self._generator = num_worlds, generator
        self._cell_noise_size, self._see = cell_noise_size, see
        self.begin_trial(0)

    def begin_trial(self, seed: int) -> None:
        device = self._evidence.statistics.device
        self.hidden = torch.zeros(self._num_worlds, self._cell.hidden_size, device=device)
        self._noise = torch.Generator(device).manual_seed(seed)

    def begin_episode(self, starts: Bool) -> None:
        """The hidden state stays."""

    @torch.no_grad()
    def act(self, observation: Float) -> Drawn:
        observed = self._evidence.statistics.normalize_raw(self._see(observation))
        rows = torch.cat([observed, self._read_out(self.hidden)], dim=-1)
        return choose(self._policy, rows, self._generator)

    @torch.no_grad()
    def observe(self, transition: Transition, sparse_reward: Float, is_running: Bool) -> None:
        transition = transition._replace(
            observation=self._see(transition.observation),
            next_observation=self._see(transition.next_observation),
        )
        rows = self._evidence.rows(transition, sparse_reward)
        if self._cell_noise_size:
            rows = torch.cat([rows, self._cell_noise()], dim=-1)
        following = self._cell.step(rows, self.hidden)
        runs = torch.from_numpy(is_running).to(self.hidden.device)[:, None]
        self.hidden = torch.where(runs, following, self.hidden)

    @torch.no_grad()
    def believed(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(W, D) mean and standard deviation that a Gaussian read-out makes of the hidden state."""
        mean, log_variance = self._read_out(self.hidden).double().cpu().chunk(2, dim=-1)
        return mean.numpy(), (0.5 * log_variance).exp().numpy()

    def _cell_noise(self) -> Tensor:
        """(W, N) standard normal numbers for a cell that draws."""
        shape = (self._num_worlds, self._cell_noise_size)
        return torch.randn(shape, generator=self._noise, device=self.hidden.device)

    def exchange_beliefs(self, order: NDArray[np.int64]) -> None:
        self.hidden = self.hidden[torch.from_numpy(order).to(self.hidden.device)]
