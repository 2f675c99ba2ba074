"""Settings that several algorithms have, each said once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch

from sim2real.contract.context import ContextLayout
from training.algorithms.learner import TrainingSetup
from training.parts.checked import (
    Count,
    Discount,
    NonNegative,
    Positive,
    Settings,
    Share,
    Sizes,
    Weight,
)
from training.parts.gradient_adaptation import Credit, ParameterAdaptation
from training.parts.inner_loop import MetaGradient
from training.parts.networks import Mlp
from training.parts.policies import (
    CategoricalPolicy,
    DiagonalGaussianPolicy,
    MakeNetwork,
    OneHotPolicy,
)
from training.parts.running_stats import RunningStats
from training.parts.sequence_latent_model import Sizes as ModelSizes
from training.parts.task_stages import TaskExplorer
from training.tasks.task import TaskFamily, dynamics_vary
from training.worlds.vector_world import VectorWorld, measured_size


@dataclass(frozen=True, kw_only=True)
class ObservationSettings(Settings):
    """What happens to observations before every network."""

    normalizes_observations: bool = False
    """divide out running mean and deviation before every network"""
    observation_clip: Positive = 10.0
    """normalised observations beyond this are cut"""

    def statistics(self, worlds: VectorWorld, device: torch.device) -> RunningStats:
        """The statistics that a learner begins with, of what is measured."""
        return RunningStats(
            measured_size(worlds),
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
class TrialReplaySettings:
    """A replay of whole trials, and how much is played and learnt between two evaluations."""

    num_trials: Count = 16
    """trials of an iteration, side by side, each on a train task drawn anew"""
    num_initial_collections: Count = 4
    """times as many before the first gradient step"""
    num_gradient_steps: Count = 50
    """in an iteration"""
    batch_size: Count = 32
    """whole trials in a gradient step"""
    replay_capacity: Count = 4000
    """trials remembered"""


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
class LatentModelSettings(SoftActorCriticSettings, ObservationSettings):
    """Soft actor-critic on a sequential latent model of what is seen."""

    num_channels: Count = 16
    """of both convolutions of the eye and of the decoder"""
    num_features: Count = 32
    """what the eye makes of a frame"""
    z1_size: Count = 32
    """the part of the latent that takes in what is seen, and paid where that is felt"""
    z2_size: Count = 64
    """the part that carries it on"""
    model_hidden_size: Count = 128
    """both hidden layers of every head of the model"""
    model_learning_rate: Positive = 3e-4
    """of Adam, for the model"""
    hidden_sizes: Sizes = (128, 128)
    """hidden layers of policy and critics"""

    def model_sizes(self, worlds: VectorWorld) -> ModelSizes:
        """Of a model of what these worlds show."""
        return ModelSizes(
            frame_shape=worlds.frame_shape,
            measured=measured_size(worlds),
            action=worlds.action_size,
            channels=self.num_channels,
            features=self.num_features,
            z1=self.z1_size,
            z2=self.z2_size,
            hidden=self.model_hidden_size,
        )


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
class ExplorationSettings(ObservationSettings):
    """What learners that adapt by gradients explore with, and what they make of it."""

    hidden_sizes: Sizes = (64, 64)
    """hidden layers of the policy; tanh, for second derivatives matter"""
    initial_log_std: float = 0.0
    """of the actions; learnt, the same in every state"""
    min_log_std: float = -4.0
    """as sure as actions may get: without noise nothing adapts"""
    tasks_per_iteration: Count = 20
    """train tasks of an iteration"""
    num_exploration_episodes: Count = 20
    """what an inner step sees: in training side by side, in a trial one after the other"""
    num_inner_steps: Count = 1
    """each on episodes that the one before led to"""
    discount: Share = 0.99
    """per step, within episodes"""
    gae_lambda: Weight = 1.0
    """of generalised advantage estimation; 1: the whole rest of the episode"""
    training_reward: Literal["dense", "sparse"] = "dense"
    """what is learnt from: by outer steps, and by the inner ones of training unless others say"""
    adaptation_reward: Literal["dense", "sparse"] = "dense"
    """what a trial adapts on once it is learnt; a robot pays what the evaluator pays"""
    inner_steps_on: Literal["training_reward", "adaptation_reward"] = "training_reward"
    """which of the two the inner steps of training learn from: the papers' choice, or that of the
    trials to come, for which step sizes are then learnt"""

    def explorer(self, setup: TrainingSetup, *, stream: int) -> TaskExplorer:
        """Worlds, random numbers and statistics; `stream` is the algorithm's own.

        Raises `ValueError` for trials that end before anything could come of adapting.
        """
        exploring = self.num_exploration_episodes * self.num_inner_steps
        if setup.num_trial_episodes <= exploring:
            raise ValueError(
                f"num_trial_episodes: found {setup.num_trial_episodes}, expected more than the "
                f"{exploring} that explore"
            )
        worlds = setup.make_worlds(self.tasks_per_iteration * self.num_exploration_episodes)
        return TaskExplorer(
            worlds=worlds,
            tasks=setup.tasks,
            state=setup.learner_state(self.statistics(worlds, setup.device), stream=stream),
            inner_credit=self._credit(getattr(self, self.inner_steps_on)),
            outer_credit=self._credit(self.training_reward),
            trial_credit=self._credit(self.adaptation_reward),
            num_tasks=self.tasks_per_iteration,
            num_episodes=self.num_exploration_episodes,
            num_inner_steps=self.num_inner_steps,
        )

    def _credit(self, reward: str) -> Credit:
        return Credit(
            discount=self.discount,
            gae_lambda=self.gae_lambda,
            uses_sparse_reward=reward == "sparse",
        )

    def policy(self, explorer: TaskExplorer, *, latent_size: int = 0) -> DiagonalGaussianPolicy:
        """As learning begins; the world clips its actions."""
        worlds, state = explorer.worlds, explorer.state
        return DiagonalGaussianPolicy(
            worlds.observation_size + latent_size,
            self.hidden_sizes,
            worlds.action_size,
            initial_log_std=self.initial_log_std,
            generator=state.initial,
            activation="tanh",
            bounds_mean=False,
            min_log_std=self.min_log_std,
        ).to(state.device)


@dataclass(frozen=True, kw_only=True)
class InnerStepSettings(ExplorationSettings):
    """An inner step of the policy's parameters."""

    inner_learning_rate: Positive = 0.1
    """of an inner step: plain gradient descent"""
    adapts_log_std: bool = True
    """whether an inner step moves the deviation of actions, too"""
    meta_gradient: Literal["second_order", "first_order"] = "second_order"
    """whether outer steps know that inner gradients depend on where they were taken"""

    def adaptation(
        self, policy: DiagonalGaussianPolicy, *, uses_ratio: bool = False
    ) -> ParameterAdaptation:
        return ParameterAdaptation(
            policy,
            step_size=self.inner_learning_rate,
            uses_ratio=uses_ratio,
            meta_gradient=MetaGradient(self.meta_gradient),
            frozen=() if self.adapts_log_std else ("log_std",),
        )


@dataclass(frozen=True, kw_only=True)
class TrustRegionSettings(Settings):
    """An outer step within a trust region."""

    max_kl: Positive = 0.01
    """mean divergence that a step may make, in nats"""
    num_cg_iterations: Count = 10
    """of conjugate gradients, for its direction"""
    damping: NonNegative = 1e-5
    """added to the divergence's curvature"""
    backtrack_ratio: Share = 0.8
    """what a step that is refused is shortened by"""
    max_backtracks: Count = 15
    """how often that is tried"""

    def trust_region(self) -> dict[str, Any]:
        """As `training.parts.trust_region` takes them."""
        return {
            "max_kl": self.max_kl,
            "num_cg_iterations": self.num_cg_iterations,
            "damping": self.damping,
            "backtrack_ratio": self.backtrack_ratio,
            "max_backtracks": self.max_backtracks,
        }


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
    training_reward: Literal["dense", "sparse"] = "dense"
    """what policy and value function learn from"""

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
