"""Settings that several algorithms have, each said once."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from sim2real.contract.context import ContextLayout
from training.parts.checked import Count, Discount, Positive, Settings, Share, Sizes, Weight
from training.parts.networks import Mlp
from training.parts.policies import (
    CategoricalPolicy,
    DiagonalGaussianPolicy,
    MakeNetwork,
    OneHotPolicy,
)
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


@dataclass(frozen=True, kw_only=True)
class TrialPpoSettings(PpoSettings, ContextSettings, ObservationSettings):
    """A recurrent cell over transitions, and a policy that acts on what it carries."""

    hidden_size: Count = 64
    """of the recurrent cell"""
    hidden_sizes: Sizes = (64, 64)
    """hidden layers of policy and value function, which see observation and belief"""
    initial_log_std: float = -0.5
    """of the actions; learnt, the same in every state; of no use where actions are choices"""
    num_trials: Count = 256
    """trials of an iteration, side by side, each on a train task drawn anew"""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.num_trials % self.num_minibatches:
            raise ValueError(
                f"num_minibatches: found {self.num_minibatches}, expected a divisor of num_trials "
                f"({self.num_trials})"
            )

    def policy(
        self,
        input_size: int,
        worlds: VectorWorld,
        generator: torch.Generator,
        make_network: MakeNetwork = Mlp,
    ) -> DiagonalGaussianPolicy | OneHotPolicy:
        """A policy for the kind of actions that `worlds` take."""
        sizes = input_size, self.hidden_sizes, worlds.action_size
        if worlds.has_choices:
            return OneHotPolicy(
                CategoricalPolicy(*sizes, generator=generator, make_network=make_network)
            )
        return DiagonalGaussianPolicy(
            *sizes,
            initial_log_std=self.initial_log_std,
            generator=generator,
            make_network=make_network,
        )


def why_choices_not_deployable(worlds: VectorWorld) -> str:
    """What keeps a policy from a robot where actions are choices; empty where they are not."""
    return "its actions are choices, and a robot takes numbers" if worlds.has_choices else ""
