"""What a MuJoCo world is asked to simulate: one frozen object per robot and skill.

A scene holds no mutable memory. Whatever must survive from one control step to the next (the
goal, the previous joint target, the delay of this task) is in `Moment.carried`, which the world
owns, one row per world, and forgets when an episode ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import mujoco
import numpy as np
from numpy.typing import NDArray

from sim2real.contract.camera import CameraSpec
from training.tasks.task import Task

Array = NDArray[np.floating]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Moment:
    """n worlds at one instant. Axis 0 of every array is the world; all are private copies."""

    qpos: Array
    """(n, nq) generalised positions"""
    qvel: Array
    """(n, nv) generalised velocities"""
    fields: Mapping[str, Array]
    """the further MjData fields that the scene asked for, (n, ...); derived ones are what `mj_step`
    leaves behind, computed within the last physics step and not after it"""
    carried: Mapping[str, Array]
    """what the episodes carry, by name, (n, ...)"""
    generators: Sequence[np.random.Generator]
    """n generators, one per episode: noise of one world never depends on another"""


class EpisodeStart(NamedTuple):
    """Where one world begins an episode."""

    qpos: Array
    """(nq,)"""
    qvel: Array
    """(nv,)"""
    carried: Mapping[str, Array]
    """first value of everything carried, without the world axis; names and shapes never vary"""


class Command(NamedTuple):
    """What one control step does to W worlds."""

    control: Array
    """(W, physics_steps, nu) actuator inputs, one row per physics step"""
    applied_action: Array
    """(W, A) the action in [-1, 1] that these inputs realise"""
    carried: Mapping[str, Array]
    """what is carried from here on, (W, ...)"""


class Outcome(NamedTuple):
    """What one control step led to in W worlds; see `vector_world.StepResult` for the terms."""

    observation: Array
    """(W, O)"""
    reward: Array
    """(W,)"""
    sparse_reward: Array
    """(W,)"""
    success: Flags
    """(W,)"""
    terminated: Flags
    """(W,) never because of a time limit"""


class Scene(Protocol):
    """A robot, its skill, and what a task changes about either."""

    @property
    def mj_model(self) -> mujoco.MjModel:
        """The nominal model. Never written to."""

    @property
    def physics_steps(self) -> int:
        """Physics steps per control step."""

    @property
    def episode_length(self) -> int:
        """Control steps until the time limit."""

    @property
    def observation_size(self) -> int:
        """O of what is measured; a camera's frame comes on top of it."""

    @property
    def camera(self) -> CameraSpec | None:
        """What the world is seen with; None where it is not."""

    def seen_angle(self, qpos: Array) -> Array:
        """(n,) rad, of what has to be seen, from positions (n, nq); zeros where nothing has to."""

    @property
    def action_size(self) -> int: ...

    @property
    def fields(self) -> tuple[str, ...]:
        """MjData fields that it reads beyond qpos and qvel (`mujoco.batch.DATA_FIELDS`)."""

    @property
    def changes_model(self) -> bool:
        """False where tasks differ in what is rewarded only: the worlds then share one model."""

    def apply(self, mj_model: mujoco.MjModel, task: Task) -> None:
        """Write the task's dynamics into a private copy of `mj_model`.

        The world calls `mj_setConst` afterwards: derived constants need no care here.
        """

    def start(self, rng: np.random.Generator, task: Task) -> EpisodeStart:
        """Draw the beginning of one episode; all its randomness comes from `rng`."""

    def command(self, action: Array, now: Moment) -> Command:
        """Turn (W, A) actions, already within [-1, 1], into actuator inputs."""

    def observe(self, now: Moment) -> Array:
        """First observations (n, O) of the n episodes that begin now."""

    def outcome(self, before: Moment, command: Command, after: Moment) -> Outcome:
        """Judge one control step of all worlds; `after.carried` is `command.carried`."""
