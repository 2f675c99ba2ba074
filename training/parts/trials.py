"""Collecting whole trials, several episodes on one task each, from many worlds side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sim2real.contract.context import ContextLayout
from sim2real.contract.transition import Transition
from training.parts.actor import Actor, Drawn
from training.parts.running_stats import RunningStats
from training.tasks.task import Task
from training.worlds.vector_world import Bool, Float, VectorWorld


class Trials(NamedTuple):
    """B trials of up to T steps; T runs through all episodes. Padding has `is_valid` 0.

    Marks are 0 or 1 in float32. Observations and rewards are as the world gave them.
    """

    observation: Tensor
    """(T, B, O) what the action was chosen on; an episode's first one is its own"""
    next_observation: Tensor
    """(T, B, O) where the step ended: never the first observation of the next episode"""
    context: Tensor
    """(T, B, C) rows, row t known from step t + 1 on; C is 0 where no layout was asked for"""
    action: Tensor
    """(T, B, A) as drawn, before the world clipped it"""
    log_density: Tensor
    """(T, B) of `action` under the actor that drew it; NaN where the actor told none"""
    reward: Tensor
    """(T, B) dense"""
    sparse_reward: Tensor
    """(T, B) what an evaluator pays"""
    is_first: Tensor
    """(T, B) 1 for the first step of an episode"""
    is_last: Tensor
    """(T, B) 1 for the last step of an episode, however it ended"""
    terminated: Tensor
    """(T, B) 1 where the task ended itself: no value lies beyond, unlike at a time limit"""
    is_valid: Tensor
    """(T, B) 1 for a step of the trial, 0 behind its end"""
    episode: Tensor
    """(T, B) int64, which episode of the trial; padding counts as the one after the last"""

    def of(self, trials: Tensor) -> Trials:
        """The trials that `trials`, indices or marks over B, picks: a minibatch, one task's."""
        return Trials(*(values[:, trials] for values in self))

    def only_episodes(self, first: int, stop: int) -> Trials:
        """The same steps, valid only within episodes [first, stop): before or after adapting."""
        within = (self.episode >= first) & (self.episode < stop)
        return self._replace(is_valid=self.is_valid * within)

    def by_episode(self, num_episodes: int) -> Trials:
        """(T', B·E, ...) every episode as a trial of its own, a trial's side by side.

        T' is the longest one's length. `episode` still says which of its trial it was.
        """
        index = torch.arange(len(self.is_valid), device=self.is_valid.device)[:, None, None]
        wanted = torch.arange(num_episodes, device=index.device)
        is_within = (self.episode[..., None] == wanted) & (self.is_valid[..., None] > 0)
        length = is_within.sum(0).flatten()
        begin = torch.where(is_within, index, len(index)).amin(0).flatten()
        offset = index[: int(length.max()), :, 0]
        step = (begin + offset).clamp(max=len(index) - 1)
        trial = torch.arange(len(length), device=index.device) // num_episodes
        episodes = Trials(*(values[step, trial] for values in self))
        return episodes._replace(is_valid=(offset < length).to(self.is_valid))

    def step_in_episode(self) -> Tensor:
        """(T, B) int64 steps since the episode began, 0 at its first."""
        step = torch.arange(len(self.is_first), device=self.is_first.device)[:, None]
        begun = torch.where(self.is_first > 0, step, 0).cummax(0).values
        return step - begun

    def episode_sums(self, values: Tensor, num_episodes: int) -> Tensor:
        """(B, E) sums of `values` (T, B) over the valid steps of each episode: returns."""
        sums = values.new_zeros(values.shape[1], num_episodes + 1)
        for value, episode, is_valid in zip(values, self.episode, self.is_valid, strict=True):
            masked = torch.where(is_valid > 0, value, 0.0)
            sums.scatter_add_(1, episode[:, None], masked[:, None])
        return sums[:, :num_episodes]

    def last_return(self, num_episodes: int) -> float:
        """The mean reward of the trials' last episodes."""
        returns = self.episode_sums(self.reward, num_episodes).cpu()
        return float(returns[:, -1].numpy().mean())

    def normalized(self, statistics: RunningStats, layout: ContextLayout | None = None) -> Trials:
        """As networks take them; context rows only where their `layout` is given."""
        rows = self.context
        return self._replace(
            observation=statistics.normalize(self.observation),
            next_observation=statistics.normalize(self.next_observation),
            context=rows if layout is None else statistics.normalize_context(rows, layout),
        )

    def update(self, statistics: RunningStats) -> None:
        """Let the statistics take in every valid observation, step by step."""
        for observation, is_valid in zip(self.observation, self.is_valid, strict=True):
            statistics.update(observation[is_valid > 0].cpu().numpy())


def by_task(values: Tensor, num_tasks: int) -> Tensor:
    """(T, K·M, ...) of M trials per task, a task's side by side, to (K, T, M, ...)."""
    grouped: Tensor = values.unflatten(1, (num_tasks, -1))
    return grouped.transpose(0, 1)


class Recorded(NamedTuple):
    """One step of all worlds, (W, ...)."""

    drawn: Drawn
    transition: Transition
    sparse_reward: Float
    starts: Bool
    running: Bool
    episode: NDArray[np.int64]


def collect_trials(
    world: VectorWorld,
    tasks: Sequence[Task],
    actor: Actor,
    *,
    num_episodes: int,
    seed: int,
    device: torch.device,
    context_layout: ContextLayout | None = None,
    uses_sparse_context: bool = False,
) -> Trials:
    """One trial of `num_episodes` in each of the W worlds, world w on `tasks[w]`.

    Worlds go on, unrecorded, until the last trial has ended, so an actor draws for all of them
    in every step. `seed` decides starting points, and the actor's `begin_trial`. A policy that
    adapts between two collections (MAML) collects once before and once after on the same tasks;
    one that adapts within the trial collects once and looks at `only_episodes`.

    Raises `ValueError` for less than one episode.
    """
    if num_episodes < 1:
        raise ValueError(f"{num_episodes} episodes in a trial: at least one is needed")
    steps: list[Recorded] = []
    episode = np.zeros(len(tasks), np.int64)
    starts = np.ones(len(tasks), bool)
    observation = world.reset(tasks, seed)
    actor.begin_trial(seed)
    while (running := episode < num_episodes).any():
        if starts.any():
            actor.begin_episode(starts)
        drawn = actor.act(observation)
        result = world.step(drawn.action)
        transition = result.transition(observation)
        actor.observe(transition, result.sparse_reward, running)
        steps.append(
            Recorded(drawn, transition, result.sparse_reward, starts, running, episode.copy())
        )
        ended = running & (result.terminated | result.truncated)
        episode += ended
        starts = ended & (episode < num_episodes)
        observation = result.observation
    return stacked(steps, device, context_layout, uses_sparse_context=uses_sparse_context)


def stacked(
    steps: Sequence[Recorded],
    device: torch.device,
    layout: ContextLayout | None,
    *,
    uses_sparse_context: bool,
) -> Trials:
    def column(values: NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(values.astype(np.float32)).to(device)

    transition = Transition(*(np.stack(c) for c in zip(*(s.transition for s in steps))))
    sparse_reward = np.stack([step.sparse_reward for step in steps])
    evidence = transition._replace(reward=sparse_reward) if uses_sparse_context else transition
    shape = transition.reward.shape
    rows = np.zeros((*shape, 0)) if layout is None else layout.row(evidence)
    running = np.stack([step.running for step in steps])
    unknown = np.full(shape[1], np.nan)
    densities = [
        unknown if step.drawn.log_density is None else step.drawn.log_density for step in steps
    ]
    return Trials(
        observation=column(transition.observation),
        next_observation=column(transition.next_observation),
        context=column(rows),
        action=column(np.stack([step.drawn.action for step in steps])),
        log_density=column(np.stack(densities)),
        reward=column(transition.reward),
        sparse_reward=column(sparse_reward),
        is_first=column(np.stack([step.starts for step in steps])),
        is_last=column(running & (transition.terminated | transition.truncated)),
        terminated=column(running & transition.terminated),
        is_valid=column(running),
        episode=torch.from_numpy(np.stack([step.episode for step in steps])).to(device),
    )
