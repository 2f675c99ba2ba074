"""Episodes with what was seen in them, remembered whole: for those who learn from pixels.

An observation of a world with a camera ends with its frame. Here they part: numbers stay float32,
frames become the bytes that they were, and each is kept once, since where a step ends is where the
next one begins.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.parts.actor import Actor
from training.parts.learner_state import LearnerState
from training.parts.replay import Int
from training.parts.rollout import Collected, Step, collect_episodes
from training.parts.sequence_replay import Column, SequenceReplay
from training.tasks.task import Task
from training.worlds.vector_world import Float, FrameShape, VectorWorld, measured_size

NO_FRAME: FrameShape = (0, 0, 0)
"""the shape of what a world without a camera shows"""


class Observed(NamedTuple):
    """An observation in its two parts."""

    measured: Float
    """(..., O)"""
    frame: NDArray[np.uint8]
    """(..., H, W, C)"""


def parted(observation: Float, frame_shape: FrameShape | None) -> Observed:
    """(..., O + H W C) observations as a world gives them."""
    shape = NO_FRAME if frame_shape is None else frame_shape
    size = observation.shape[-1] - int(np.prod(shape))
    frame = observation[..., size:].astype(np.uint8)
    return Observed(observation[..., :size], frame.reshape(*observation.shape[:-1], *shape))


class Batch(NamedTuple):
    """B windows of T + 1 consecutive moments, as stored: T steps and where the last one led."""

    measured: Tensor
    """(T + 1, B, O)"""
    frame: Tensor
    """(T + 1, B, H, W, C) uint8"""
    action: Tensor
    """(T, B, A) as the world executed it"""
    reward: Tensor
    """(T, B)"""
    terminated: Tensor
    """(T, B) 1 where no value lies beyond, 0 elsewhere, time limits included"""
    is_padding: Tensor
    """(T, B) 1 for a step before its episode began: both its ends show the first moment"""


class SeenEpisodes:
    """Collects the steps of many worlds into whole episodes, and draws windows of these."""

    def __init__(self, worlds: VectorWorld, *, capacity: int, device: torch.device) -> None:
        """`capacity` is in steps; at least what the worlds bring in at once is kept."""
        self._frame_shape = worlds.frame_shape
        columns = {
            "measured": Column(shape=(measured_size(worlds),)),
            "frame": Column(shape=worlds.frame_shape or NO_FRAME, dtype="uint8"),
            "action": Column(shape=(worlds.action_size,)),
            "reward": Column(shape=()),
            "terminated": Column(shape=()),
        }
        self.replay = SequenceReplay(
            columns,
            num_tasks=1,
            max_length=worlds.episode_length + 1,
            capacity=max(capacity // worlds.episode_length, worlds.num_worlds),
            device=device,
        )
        self._running: dict[int, list[dict[str, NDArray[np.generic]]]] = {}

    def collect(
        self,
        worlds: VectorWorld,
        tasks: Sequence[Task],
        make_actor: Callable[[Sequence[Task]], Actor],
        state: LearnerState,
        num_steps: int,
    ) -> Collected:
        """Whole episodes, every world on one of `tasks` drawn anew, remembered and counted; what
        is measured in them goes into the statistics."""
        chosen = state.rng.integers(len(tasks), size=worlds.num_worlds)
        drawn = [tasks[index] for index in chosen]

        def store(step: Step) -> None:
            seen = parted(step.transition.observation, self._frame_shape)
            state.statistics.update(seen.measured)
            self.store(step)

        collected = collect_episodes(
            worlds,
            drawn,
            make_actor(drawn),
            num_steps=num_steps,
            seed=int(state.rng.integers(2**31)),
            store=store,
        )
        state.num_environment_steps += collected.num_steps
        return collected

    def store(self, step: Step) -> None:
        """Take in a step of some worlds; episodes that it ends are remembered."""
        transition = step.transition
        begins = parted(transition.observation, self._frame_shape)
        ends = parted(transition.next_observation, self._frame_shape)
        is_last = transition.terminated | transition.truncated
        for row, world in enumerate(step.worlds.tolist()):
            episode = self._running.setdefault(world, [])
            episode.append(
                {
                    "measured": begins.measured[row],
                    "frame": begins.frame[row],
                    "action": transition.action[row],
                    "reward": transition.reward[row],
                    "terminated": transition.terminated[row].astype(np.float32),
                }
            )
            if is_last[row]:
                # What follows an episode is its last moment; nothing is done or paid there.
                last = {name: np.zeros_like(value) for name, value in episode[-1].items()}
                last |= {"measured": ends.measured[row], "frame": ends.frame[row]}
                self._remember([*episode, last])
                del self._running[world]

    def _remember(self, moments: list[dict[str, NDArray[np.generic]]]) -> None:
        columns = {
            name: np.stack([moment[name] for moment in moments])[:, None] for name in moments[0]
        }
        self.replay.add(_ONLY, columns, np.array([len(moments)], np.int64))

    def sample(
        self,
        batch_size: int,
        generator: torch.Generator,
        *,
        num_before: int = 0,
        num_steps: int = 1,
    ) -> Batch:
        """Windows that end with `num_steps` steps of one episode, each as likely as another.

        `num_before` steps before these are there too; where the episode had not begun, they repeat
        its first moment, with actions and rewards of zero: what an actor goes by at its start.
        """
        window = num_steps + 1
        drawn = self.replay.sample(batch_size, generator, window=window, num_before=num_before)
        columns = drawn.columns
        moment = torch.arange(num_before + window - 1, device=drawn.start.device)[:, None]
        is_padding = (moment < num_before - drawn.start).float()
        acted = 1.0 - is_padding
        return Batch(
            measured=columns["measured"],
            frame=columns["frame"],
            action=columns["action"][:-1] * acted[..., None],
            reward=columns["reward"][:-1] * acted,
            terminated=columns["terminated"][:-1] * acted,
            is_padding=is_padding,
        )


_ONLY: Int = np.zeros(1, np.int64)  # one ring for all tasks
