"""Settings that several algorithms have, each said once."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from sim2real.contract.context import ContextLayout
from training.parts.checked import Count, Discount, Positive, Settings, Share, Weight
from training.parts.running_stats import RunningStats
from training.tasks.task import TaskFamily, dynamics_vary
from training.worlds.vector_world import VectorWorld


@dataclass(frozen=True, kw_only=True)
class ObservationSettings(Settings):
    """What happens to observations before every network."""

    normalizes_observations: bool = False
    """divide out running mean and deviation before every network"""
    observation_clip: Positive = 10.0
    """normalised observations beyond this are cut"""

    def statistics(self, worlds: VectorWorld, device: torch.device) -> RunningStats:
        """The statistics that a learner begins with."""
        return RunningStats(
            worlds.observation_size,
            clip=self.observation_clip,
            is_enabled=self.normalizes_observations,
            device=device,
        )


@dataclass(frozen=True, kw_only=True)
class ContextSettings(Settings):
    """What an encoder or a recurrent cell is told of a transition."""

    context_reward_scale: Positive = 1.0
    """multiplies rewards as the network's first operation: brings large rewards near one"""
    uses_sparse_context: bool = False
    """context gets the sparse reward; what is learnt from stays dense"""
    uses_next_observation: bool | None = None
    """whether context rows hold the outcome; none: exactly where the family's dynamics vary"""

    def context_layout(
        self, family: TaskFamily, worlds: VectorWorld, *, marks_episode_end: bool = False
    ) -> ContextLayout:
        """How a transition becomes a context row."""
        chosen = self.uses_next_observation
        return ContextLayout(
            observation_size=worlds.observation_size,
            action_size=worlds.action_size,
            uses_next_observation=dynamics_vary(family) if chosen is None else chosen,
            marks_episode_end=marks_episode_end,
        )

    def row_scale(self, layout: ContextLayout) -> torch.Tensor:
        """(C,) what a row's elements are multiplied by first."""
        scale = torch.ones(layout.size)
        scale[layout.observation_size + layout.action_size] = self.context_reward_scale
        return scale


@dataclass(frozen=True, kw_only=True)
class SoftActorCriticSettings(Settings):
    """Soft actor-critic with a replay."""

    uses_layer_norm: bool = False
    """layer norm in the critics: steadier values where rewards are large or contacts are rough"""
    batch_size: Count = 256
    """transitions in a gradient step, per task where tasks are kept apart"""
    learning_rate: Positive = 3e-4
    """of Adam, for every network"""
    final_learning_rate: Positive | None = None
    """it falls to this linearly over the run; none: it stays"""
    discount: Discount = 0.99
    """per step"""
    target_update_rate: Share = 0.005
    """share of the way that targets move to their networks at each step"""
    reward_scale: Positive = 1.0
    """multiplies rewards in Bellman targets"""
    initial_temperature: Positive = 1.0
    """where the entropy temperature starts"""
    target_entropy_per_action: float = -1.0
    """entropy that the temperature aims for, in nats per action element"""
    replay_capacity: Count = 1_000_000
    """transitions remembered, per task where tasks are kept apart; memory grows as they come"""
    max_critic_value: Positive = 1e6
    """mean magnitude of the critics at which the run counts as diverged and stops"""


@dataclass(frozen=True, kw_only=True)
class PpoSettings(Settings):
    """Proximal policy optimisation on whole trials."""

    num_epochs: Count = 4
    """passes over an iteration's trials"""
    num_minibatches: Count = 4
    """parts that a pass is split into, by trials"""
    learning_rate: Positive = 1e-3
    """of Adam"""
    final_learning_rate: Positive = 1e-4
    """it falls to this linearly over the run"""
    discount: Share = 0.99
    """per step, across the episodes of a trial"""
    gae_lambda: Weight = 0.95
    """of generalised advantage estimation, across the episodes of a trial"""
    clip_range: Positive = 0.2
    """how far a probability ratio may move before its gradient stops"""
    entropy_weight: float = 0.001
    """bonus per nat of the policy's entropy"""
    value_weight: Positive = 0.5
    """of the value function's loss"""
    max_gradient_norm: Positive = 0.5
    """longer gradients are shortened to this"""
    reward_scale: Positive = 1.0
    """multiplies the rewards that are learnt from"""
