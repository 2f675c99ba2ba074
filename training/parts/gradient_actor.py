"""Adapting by gradients within a trial: explore, take the inner step, then act on what came out."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sim2real.contract.transition import Transition
from training.parts.actor import Drawn
from training.parts.gradient_adaptation import Credit, TaskAdaptation, stage_of
from training.parts.inner_loop import Parameters
from training.parts.running_stats import RunningStats
from training.parts.trials import Recorded, stacked
from training.worlds.vector_world import Bool, Float


class GradientActor:
    """W worlds, each with parameters of its own, adapted by what its first episodes brought.

    Every `num_exploration_episodes` of a trial end in an inner step, until `num_inner_steps` are
    done. These episodes explore with noise: by the mean, nothing would adapt. Later ones act
    by the mean on the adapted parameters; with a generator they go on as in training. Without
    evidence nothing moves. Whoever begins a trial anew for every episode (`frozen_prior`) sees
    exploration, noise included.
    """

    def __init__(
        self,
        adaptation: TaskAdaptation,
        start: Parameters,
        statistics: RunningStats,
        credit: Credit,
        *,
        num_exploration_episodes: int,
        num_inner_steps: int,
        generator: torch.Generator | None,
    ) -> None:
        """`start` is (W, ...). Without `generator` a trial's noise follows from its seed."""
        self._adaptation, self._statistics, self._credit = adaptation, statistics, credit
        self._start = {name: value.detach() for name, value in start.items()}
        self._num_worlds = len(next(iter(self._start.values())))
        self._per_step = num_exploration_episodes
        self._num_exploring = num_exploration_episodes * num_inner_steps
        self._generator = generator
        self.begin_trial(0)

    def begin_trial(self, seed: int) -> None:
        device = self._statistics.device
        self.own = {name: value.clone() for name, value in self._start.items()}
        self._noise = self._generator or torch.Generator(device).manual_seed(seed)
        self._episode = np.full(self._num_worlds, -1)
        self._steps: list[Recorded] = []
        sizes = (self._num_worlds, self._num_exploring + 1, self._adaptation.held_size)
        self._held = torch.zeros(sizes, device=device)  # the last is of all later episodes
        self._starts = np.zeros(self._num_worlds, bool)
        self._drawn = Drawn(np.zeros((self._num_worlds, 0), np.float32))

    def begin_episode(self, starts: Bool) -> None:
        self._episode += starts
        self._starts = starts.copy()
        drawn = self._unit_noise(self._adaptation.held_size)
        chosen = torch.from_numpy(starts & self._is_noisy()).to(drawn.device)
        worlds, columns = self._places()
        self._held[worlds, columns] = torch.where(
            chosen[:, None], drawn, self._held[worlds, columns]
        )

    @torch.no_grad()
    def act(self, observation: Float) -> Drawn:
        rows = self._statistics.normalize_raw(observation)[:, None]
        held = self._held[self._places()][:, None]
        distribution = self._adaptation.distributions(self.own, rows, held)
        is_noisy = self._is_noisy()
        if self._generator is None and not self._adaptation.explores_by_actions:
            is_noisy[:] = False
        action = distribution.mean[:, 0]
        if is_noisy.any():
            noise = self._unit_noise(action.shape[1]) * distribution.log_std[:, 0].exp()
            chosen = torch.from_numpy(is_noisy).to(noise.device)[:, None]
            action = torch.where(chosen, action + noise, action)
        density = distribution.log_density(action[:, None])[:, 0]
        self._drawn = Drawn(action.cpu().numpy(), density.cpu().numpy())
        return self._drawn

    def observe(self, transition: Transition, sparse_reward: Float, is_running: Bool) -> None:
        explored = is_running & (self._episode < self._num_exploring)
        if explored.any():
            self._steps.append(
                Recorded(
                    self._drawn,
                    transition,
                    sparse_reward,
                    self._starts,
                    explored,
                    self._episode.copy(),
                )
            )
        self._starts = np.zeros_like(self._starts)
        ended = explored & (transition.terminated | transition.truncated)
        is_due = ended & ((self._episode + 1) % self._per_step == 0)
        for stop in np.unique(self._episode[is_due] + 1):
            self._adapt(np.flatnonzero(is_due & (self._episode + 1 == stop)), int(stop))

    @torch.no_grad()
    def _adapt(self, worlds: NDArray[np.int64], stop: int) -> None:
        """An inner step of `worlds` on their last episodes, up to `stop`."""
        first = stop - self._per_step
        index = torch.from_numpy(worlds).to(self._statistics.device)
        trials = stacked(self._steps, self._statistics.device, None, uses_sparse_context=False)
        trials = trials.of(index).only_episodes(first, stop)
        episodes = trials._replace(episode=trials.episode - first).by_episode(self._per_step)
        held = self._held[index, first:stop]
        own = {name: value[index] for name, value in self.own.items()}
        latent = self._adaptation.latents(own, held)
        stage = stage_of(episodes, held, latent, self._credit, self._statistics, len(worlds))
        for name, value in self._adaptation.adapted(own, stage).items():
            self.own[name][index] = value

    def exchange_beliefs(self, order: NDArray[np.int64]) -> None:
        """What was adapted changes hands, and so does what would be adapted on."""
        index = torch.from_numpy(order).to(self._statistics.device)
        self.own = {name: value[index] for name, value in self.own.items()}
        self._held = self._held[index]
        self._steps = [_exchanged(step, order) for step in self._steps]

    def _is_noisy(self) -> Bool:
        """(W,) whether the current episode explores."""
        if self._generator is not None:
            return np.ones(self._num_worlds, bool)
        return self._episode < self._num_exploring

    def _places(self) -> tuple[Tensor, Tensor]:
        """Where each world's current episode has its noise."""
        device = self._held.device
        columns = torch.from_numpy(np.clip(self._episode, 0, self._num_exploring)).to(device)
        return torch.arange(self._num_worlds, device=device), columns

    def _unit_noise(self, size: int) -> Tensor:
        generator = self._noise
        return torch.randn(self._num_worlds, size, generator=generator, device=generator.device)


def _exchanged(step: Recorded, order: NDArray[np.int64]) -> Recorded:
    """World w's column is what `order[w]`'s was."""
    density = step.drawn.log_density
    return Recorded(
        Drawn(step.drawn.action[order], None if density is None else density[order]),
        Transition(*(values[order] for values in step.transition)),  # type: ignore[arg-type]
        *(values[order] for values in step[2:]),  # type: ignore[arg-type]
    )
