"""The context layout: how a transition becomes a row of the context encoder's input."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from sim2real.contract.transition import Float, Transition


@dataclass(frozen=True, kw_only=True)
class ContextLayout:
    """Observation, applied action, reward and, where dynamics vary, next observation.

    No flag tells how an episode ended (PEARL, Rakelly et al. 2019, and its code); a recurrent
    belief may be told *that* it ended. The reward is unscaled: what the skill pays on the robot is
    what the encoder was trained on. Defined here and nowhere else.
    """

    observation_size: int
    action_size: int
    uses_next_observation: bool
    """true whenever dynamics vary: a row without its outcome says nothing about them"""
    marks_episode_end: bool = False
    """true for recurrent beliefs (RL²): whether the next transition starts an episode, as 0 or 1"""

    @property
    def size(self) -> int:
        """Elements of a row, C."""
        outcome = self.observation_size if self.uses_next_observation else 0
        return self.observation_size + self.action_size + 1 + outcome + self.marks_episode_end

    @property
    def digest(self) -> str:
        """Short hash of sizes and order."""
        text = f"{self.observation_size}:{self.action_size}:{self.uses_next_observation}"
        text += ":marked" if self.marks_episode_end else ""
        return hashlib.sha256(f"context:{text}".encode()).hexdigest()[:16]

    def row(self, transition: Transition) -> Float:
        """(..., C) float32 rows of a transition or a batch of them.

        Raises `ValueError` when observation or action have another size than the layout's.
        """
        observation, action = transition.observation, transition.action
        if observation.shape[-1] != self.observation_size or action.shape[-1] != self.action_size:
            raise ValueError(
                f"observation {observation.shape}, action {action.shape}: "
                f"expected (..., {self.observation_size}) and (..., {self.action_size})"
            )
        parts = [observation, action, np.asarray(transition.reward)[..., None]]
        if self.uses_next_observation:
            parts.append(transition.next_observation)
        if self.marks_episode_end:
            ended = np.asarray(transition.terminated | transition.truncated, np.float32)
            parts.append(ended[..., None])
        rows: Float = np.concatenate(parts, axis=-1, dtype=np.float32)
        return rows
