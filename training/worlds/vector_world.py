"""The protocol of every world: many simulations of one skill, stepped together.

A world owns physics, episode boundaries and the random numbers of a rollout; it knows nothing
of algorithms. All arrays are batched over the worlds (axis 0), float32 unless said.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from sim2real.contract.transition import Transition
from training.tasks.task import Task

Float = NDArray[np.float32]
Bool = NDArray[np.bool_]
FrameShape = tuple[int, int, int]
"""(H, W, C)"""


class StepResult(NamedTuple):
    """What one control step of W worlds returned. No array shares memory with an earlier one."""

    observation: Float
    """(W, O) what the policy sees next; where an episode ended, the next one's first. In a world
    with a camera its last elements are the frame's, see `frame_shape`."""
    final_observation: Float
    """(W, O) where this transition ended: equals `observation` except where an episode ended."""
    reward: Float
    """(W,) dense reward of the skill."""
    sparse_reward: Float
    """(W,) what an evaluator pays; equals `reward` where a family has only one."""
    success: Bool
    """(W,) whether the skill's condition holds after this step."""
    terminated: Bool
    """(W,) the task ended itself (a fall): no value lies beyond. Never set by a time limit."""
    truncated: Bool
    """(W,) the time limit was reached: value may be bootstrapped from `final_observation`."""
    applied_action: Float
    """(W, A) the action in [-1, 1] that the world executed after clipping; what context holds.
    Where actions are choices: 1 for the choice made, 0 for the others."""

    def transition(self, observation: Float) -> Transition:
        """From `observation` (W, O), on which the action was chosen, to where this step ended."""
        return Transition(
            observation=observation,
            action=self.applied_action,
            reward=self.reward,
            next_observation=self.final_observation,
            terminated=self.terminated,
            truncated=self.truncated,
        )


class VectorWorld(Protocol):
    """W simulations, each with its own task. Reset decides everything that follows.

    A world carries nothing over a `reset`: the same tasks and the same seed give the same
    rollout bit for bit, whatever came before and whatever the number of threads.
    """

    num_worlds: int
    observation_size: int
    frame_shape: FrameShape | None
    """(H, W, C) of the frame that an observation ends with, row by row, as whole numbers 0 to 255;
    None in a world without a camera"""
    action_size: int
    has_choices: bool
    """an action is one of `action_size` choices: that with the largest element is made"""
    episode_length: int
    """control steps until the time limit truncates an episode"""
    control_period_s: float | None
    """simulated time of one control step; None where motion has no time"""

    def reset(self, tasks: Sequence[Task], seed: int) -> Float:
        """Give world w the task `tasks[w]`, start an episode; return (W, O) first observations.

        Raises `ValueError` when the number of tasks is not `num_worlds`.
        """

    def step(self, action: Float) -> StepResult:
        """Advance all worlds by one control period under (W, A) actions in [-1, 1].

        Where actions are choices, an action says one by its largest element (the first of equals).

        Episodes that end are restarted at once, on the same task. Raises `ValueError` for
        actions of another shape or not finite.
        """

    def close(self) -> None:
        """Free threads and physics memory; a closed world refuses to step."""


def measured_size(world: VectorWorld) -> int:
    """How many elements of an observation are measured: all but those of its frame."""
    return world.observation_size - math.prod(world.frame_shape or (0,))


def clip_action(action: Float, shape: tuple[int, int]) -> Float:
    """Actions as a world executes them: (W, A) within [-1, 1], a new float32 array.

    Raises `ValueError` for another shape and for anything not finite: a policy that has broken
    down must stop the run, not the physics.
    """
    if action.shape != shape:
        raise ValueError(f"actions of shape {action.shape}, expected {shape}")
    if not np.isfinite(action).all():
        raise ValueError(f"non-finite action: {action[~np.isfinite(action).all(axis=1)][0]}")
    return np.clip(action, -1.0, 1.0).astype(np.float32)


def choice_made(action: Float, shape: tuple[int, int]) -> tuple[NDArray[np.int64], Float]:
    """(W,) choices that (W, A) actions say, and (W, A) the actions that say just that.

    Raises `ValueError` as `clip_action` does.
    """
    choice = clip_action(action, shape).argmax(-1)
    return choice, np.eye(shape[1], dtype=np.float32)[choice]
