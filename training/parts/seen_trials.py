"""Trials with what was seen in them, remembered whole: for beliefs from pixels.

Frames are kept as the bytes that they were, and each once: a trial is its moments, those on which
something was done and the one where it ended.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sim2real.contract.context import ContextLayout
from training.parts.actor import Actor
from training.parts.learner_state import LearnerState
from training.parts.seen_episodes import NO_FRAME, parted
from training.parts.sequence_replay import Column, SequenceReplay
from training.parts.trials import Trials, collect_trials
from training.tasks.task import Task
from training.worlds.vector_world import VectorWorld, measured_size


class Batch(NamedTuple):
    """B whole trials of up to T steps, and T + 1 moments: zeros behind the end of each."""

    measured: Tensor
    """(T + 1, B, O) as stored"""
    frame: Tensor
    """(T + 1, B, H, W, C) uint8"""
    action: Tensor
    """(T + 1, B, A) what was done there, as the world executed it; nothing at the last moment"""
    reward: Tensor
    """(T + 1, B) what was paid for it"""
    felt: Tensor
    """(T + 1, B) what the belief is told of that: the same, or what an evaluator pays"""
    is_first: Tensor
    """(T + 1, B) 1 where an episode begins"""
    is_cut: Tensor
    """(T + 1, B) 1 for a step that ended a trial by itself: no value lies beyond"""
    is_valid: Tensor
    """(T + 1, B) 1 for a moment of the trial"""

    @property
    def led(self) -> Tensor:
        """(T + 1, B, A + 2) action, what is told of its reward, and 0 where an episode begins: what
        led to each moment."""
        rows = torch.cat([self.action, self.felt[..., None]], dim=-1)
        rows = torch.cat([torch.zeros_like(rows[:1]), rows[:-1]])
        return torch.cat([rows, 1.0 - self.is_first[..., None]], dim=-1)

    def between(self, start: int, stop: int) -> Batch:
        """Only those moments. What led to the first of them is not among what `led` says of it."""
        return Batch(*(part[start:stop] for part in self))

    @property
    def is_step(self) -> Tensor:
        """(T, B) bool, whether something was done at a moment."""
        return self.is_valid[1:] > 0


class SeenTrials:
    """Plays trials in many worlds, remembers them, and draws some."""

    def __init__(
        self,
        worlds: VectorWorld,
        tasks: Sequence[Task],
        state: LearnerState,
        *,
        num_episodes: int,
        capacity: int,
        uses_sparse_context: bool = False,
    ) -> None:
        """`num_episodes` of a trial; `capacity` in trials, at least those of one collection."""
        self._worlds, self._tasks, self._state = worlds, tasks, state
        self._num_episodes, self._uses_sparse = num_episodes, uses_sparse_context
        self._layout = ContextLayout(
            observation_size=worlds.observation_size,
            action_size=worlds.action_size,
            uses_next_observation=False,
        )
        self.replay = SequenceReplay(
            {
                "measured": Column(shape=(measured_size(worlds),)),
                "frame": Column(shape=worlds.frame_shape or NO_FRAME, dtype="uint8"),
                "action": Column(shape=(worlds.action_size,)),
                "reward": Column(shape=()),
                "felt": Column(shape=()),
                "is_first": Column(shape=()),
                "is_cut": Column(shape=()),
            },
            num_tasks=1,
            max_length=num_episodes * worlds.episode_length + 1,
            capacity=max(capacity, worlds.num_worlds),
            device=state.device,
        )

    def collect(self, make_actor: Callable[[Sequence[Task]], Actor]) -> float:
        """One trial in every world, each on a task drawn anew, remembered and counted; what is
        measured goes into the statistics. Returns the mean return of the last episodes."""
        rng = self._state.rng
        chosen = rng.integers(len(self._tasks), size=self._worlds.num_worlds)
        tasks = [self._tasks[index] for index in chosen]
        trials = collect_trials(
            self._worlds,
            tasks,
            make_actor(tasks),
            num_episodes=self._num_episodes,
            seed=int(rng.integers(2**31)),
            device=torch.device("cpu"),
            context_layout=self._layout,
            uses_sparse_context=self._uses_sparse,
        )
        self._remember(trials)
        self._state.num_environment_steps += int(trials.is_valid.sum())
        return trials.last_return(self._num_episodes)

    def _remember(self, trials: Trials) -> None:
        lengths = trials.is_valid.sum(0).long().numpy()
        every, size = np.arange(len(lengths)), self._layout.observation_size
        ends = trials.next_observation.numpy()[lengths - 1, every]
        moments = _with_room(trials.observation)
        moments[lengths, every] = ends
        seen = parted(moments, self._worlds.frame_shape)
        action, felt = trials.context[..., size:].split([self._layout.action_size, 1], dim=-1)
        is_last_step = np.arange(lengths.max())[:, None] == lengths - 1
        columns: dict[str, NDArray[Any]] = {
            "measured": seen.measured,
            "frame": seen.frame,
            "action": _with_room(action),
            "reward": _with_room(trials.reward),
            "felt": _with_room(felt[..., 0]),
            "is_first": _with_room(trials.is_first),
            "is_cut": _with_room(trials.terminated * torch.from_numpy(is_last_step)),
        }
        self.replay.add(np.zeros(len(lengths), np.int64), columns, lengths + 1)
        for moment, is_valid in zip(seen.measured, trials.is_valid, strict=False):
            self._state.statistics.update(moment[is_valid.numpy() > 0])

    def sample(self, batch_size: int, generator: torch.Generator) -> Batch:
        """Whole trials, each as likely as another."""
        drawn = self.replay.sample(batch_size, generator)
        return Batch(**drawn.columns, is_valid=drawn.is_valid)


def _with_room(values: Tensor) -> NDArray[np.float32]:
    """(T + 1, ...) a copy of (T, ...) with zeros behind."""
    padded: NDArray[np.float32] = torch.cat([values, torch.zeros_like(values[:1])]).numpy()
    return padded
