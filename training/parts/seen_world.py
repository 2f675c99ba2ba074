"""Worlds with a camera as an eye tells of them, and an eye that is taught what simulation knows.

Whoever learns from features alone, with an eye that its own losses do not move, learns as fast as
from measurements: every frame is looked at once, when it is new.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from training.parts.eye import Eye
from training.parts.networks import initialise
from training.parts.seen_episodes import parted
from training.tasks.task import Task
from training.worlds.vector_world import (
    Float,
    FrameShape,
    StepResult,
    VectorWorld,
    measured_size,
)

PLACE_SIZE = 2
"""cosine and sine of an angle"""


@runtime_checkable
class TellsAngle(Protocol):
    """A world that knows what its frames show. No robot does."""

    def seen_angle(self) -> Float:
        """(W,) rad, of what has to be seen, at this moment."""


class PlaceEye(nn.Module):
    """Frames (B, H, W, C) uint8 to (B, 2) cosine and sine of the angle of what is seen, about.

    In a world without a camera there is nothing to tell, (B, 0).
    """

    def __init__(
        self,
        frame_shape: FrameShape | None,
        *,
        num_channels: int,
        num_features: int,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.eye = Eye(
            frame_shape, num_channels=num_channels, num_features=num_features, generator=generator
        )
        self.num_features = PLACE_SIZE if frame_shape is not None else 0
        if self.num_features:
            self.last = nn.Linear(self.eye.num_features, self.num_features)
            initialise([self.last], generator)

    def forward(self, frame: Tensor) -> Tensor:
        features: Tensor = self.eye(frame)
        return self.last(features) if self.num_features else features

    def error(self, frame: Tensor, angle: Tensor) -> Tensor:
        """The mean square of what it tells amiss of (B,) angles in rad."""
        return F.mse_loss(self(frame), torch.stack([angle.cos(), angle.sin()], dim=-1))


@dataclass(frozen=True, kw_only=True)
class Sight:
    """How an observation with a frame becomes one with features."""

    eye: nn.Module
    frame_shape: FrameShape | None

    @torch.no_grad()
    def __call__(self, observation: Float) -> Float:
        """(W, O + H W C) to (W, O + F)."""
        if self.frame_shape is None:
            return observation
        observed = parted(observation, self.frame_shape)
        frame = torch.from_numpy(observed.frame).to(next(self.eye.parameters()).device)
        features = self.eye(frame).cpu().numpy()
        return np.concatenate([observed.measured, features], axis=-1)


class Looked(NamedTuple):
    """What was to be seen at T moments of W worlds, and where it was."""

    frame: NDArray[np.uint8]
    """(T, W, H, W', C)"""
    angle: Float
    """(T, W) rad"""


class SeenWorld:
    """A `VectorWorld` whose observations end with features in the place of a frame.

    It has no camera to those who use it. What was to be seen since `reset` is kept until `taken`.
    """

    frame_shape: FrameShape | None = None

    def __init__(self, worlds: VectorWorld, eye: nn.Module, num_features: int) -> None:
        self._worlds = worlds
        self._sight = Sight(eye=eye, frame_shape=worlds.frame_shape)
        self.num_worlds, self.action_size = worlds.num_worlds, worlds.action_size
        self.observation_size = measured_size(worlds) + num_features
        self.has_choices, self.episode_length = worlds.has_choices, worlds.episode_length
        self.control_period_s = worlds.control_period_s
        self._looked: list[Looked] = []

    def reset(self, tasks: Sequence[Task], seed: int) -> Float:
        """See `VectorWorld.reset`."""
        observation = self._worlds.reset(tasks, seed)
        self._looked = []
        self._keep(observation)
        return self._sight(observation)

    def step(self, action: Float) -> StepResult:
        """See `VectorWorld.step`. Where an episode ends, its last frame is looked at too."""
        result = self._worlds.step(action)
        self._keep(result.observation)
        observation = self._sight(result.observation)
        final, ended = observation.copy(), result.terminated | result.truncated
        if ended.any():
            final[ended] = self._sight(result.final_observation[ended])
        return result._replace(observation=observation, final_observation=final)

    def close(self) -> None:
        self._worlds.close()

    def taken(self) -> Looked:
        """What was to be seen since `reset`. Only in a world with a camera that tells its angle."""
        looked, self._looked = self._looked, []
        return Looked(*(np.stack(column) for column in zip(*looked, strict=True)))

    def _keep(self, observation: Float) -> None:
        worlds = self._worlds
        if worlds.frame_shape is not None and isinstance(worlds, TellsAngle):
            frame = parted(observation, worlds.frame_shape).frame
            self._looked.append(Looked(frame, worlds.seen_angle()))
