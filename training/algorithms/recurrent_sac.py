"""Recurrent off-policy actor-critic: soft actor-critic, or RDPG, on whole remembered trials.

Ni et al. 2022, https://arxiv.org/abs/2110.05038, on soft actor-critic, arXiv:1812.05905; Heess et
al. 2015 (RDPG), https://arxiv.org/abs/1512.04455, is its deterministic form and configured here.
Actor and critic have recurrent cells of their own, and neither learns through the other's. A cell
has seen the transitions before a step; the action in question enters the critic beside it.

Differs from the implementations that papers compared against:

* What follows the last step of an episode is the first observation of the next one, as the trial
  goes on there. Value is cut where the trial ends, and nowhere else.
* Trials are sampled whole, so that no hidden state is guessed in their middle.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal, Self

import torch
from torch import Tensor, nn

from sim2real.runtime.kinds.recurrent_belief import RecurrentBeliefSettings
from training.algorithms.learner import Deployed, TrainingSetup
from training.algorithms.settings import (
    ContextSettings,
    ObservationSettings,
    SoftActorCriticSettings,
    TrialReplaySettings,
)
from training.parts import ppo, sac
from training.parts.checked import Count, Positive, Sizes
from training.parts.distributions import DiagonalGaussian
from training.parts.encoders import RecurrentBelief
from training.parts.networks import frozen_copy, without_weight_gradients
from training.parts.policies import Policy, TanhGaussianPolicy
from training.parts.recurrent_actor import Evidence, RecurrentActor
from training.parts.trial_memory import Batch, TrialMemory
from training.tasks.task import Task


@dataclass(frozen=True, kw_only=True)
class RecurrentSacConfig(
    TrialReplaySettings, SoftActorCriticSettings, ContextSettings, ObservationSettings
):
    """Settings of recurrent soft actor-critic and of RDPG."""

    form: Literal["soft", "deterministic"] = "soft"
    """soft: two critics, a stochastic policy and its entropy; deterministic: one, and none"""
    exploration_noise: Positive = 0.3
    """deviation of what is added to actions that are learnt from, in the deterministic form"""
    hidden_size: Count = 64
    """of either recurrent cell"""
    hidden_sizes: Sizes = (128, 128)
    """hidden layers of policy and critics, which see observation and hidden state"""

    @classmethod
    def smallest(cls) -> Self:
        """Everything in it, in a second: to try a family out, and for tests."""
        return cls(
            hidden_size=8,
            hidden_sizes=(16,),
            num_trials=4,
            num_initial_collections=2,
            num_gradient_steps=3,
            batch_size=4,
            replay_capacity=16,
        )


@dataclass(frozen=True, kw_only=True)
class RdpgConfig(RecurrentSacConfig):
    """Settings of RDPG."""

    form: Literal["soft", "deterministic"] = "deterministic"
    """soft: two critics, a stochastic policy and its entropy; deterministic: one, and none"""


class Recurrent(nn.Module):
    """A head on what a cell of its own carries."""

    def __init__(self, cell: RecurrentBelief, head: nn.Module) -> None:
        super().__init__()
        self.cell, self.head = cell, head

    def seen(self, batch: Batch) -> Tensor:
        """(T, B, O + H) observations, and what the cell knew before each of them."""
        start = batch.observation.new_zeros(batch.observation.shape[1], self.cell.hidden_size)
        following = self.cell.sequence(batch.context[:-1], start)
        return torch.cat([batch.observation, torch.cat([start[None], following])], dim=-1)


class RecurrentSac:
    """The learner: recurrent actor and critics, one replay of trials, random numbers."""

    config_type: ClassVar[type[RecurrentSacConfig]] = RecurrentSacConfig
    adapts = True
    is_told_task = False
    why_not_deployable = ""

    def __init__(self, config: RecurrentSacConfig, setup: TrainingSetup) -> None:
        self.config, self.device, self.tasks = config, setup.device, setup.tasks
        self.worlds = setup.make_worlds(config.num_trials)
        if self.worlds.has_choices:
            raise ValueError(f"{setup.family.name}: its actions are choices, and have no gradient")
        self.layout = config.context_layout(setup.family, self.worlds, marks_episode_end=True)
        statistics = config.statistics(self.worlds, setup.device)
        self.state = setup.learner_state(statistics, stream=8)
        self.evidence = Evidence(statistics, self.layout, config.uses_sparse_context)
        self.trials = TrialMemory(
            self.worlds,
            self.tasks,
            self.evidence,
            self.state,
            num_episodes=setup.num_trial_episodes,
            capacity=config.replay_capacity,
        )
        self.replay = self.trials.replay
        self._build_networks(self.state.initial)

    def _build_networks(self, initial: torch.Generator) -> None:
        config, layout = self.config, self.layout
        size = layout.observation_size + config.hidden_size
        policy, critics, self.log_temperature = sac.networks(
            size, layout.action_size, config, generator=initial, device=self.device
        )
        self.actor = Recurrent(self._cell(initial), policy).to(self.device)
        self.critic = Recurrent(self._cell(initial), critics).to(self.device)
        self.policy = policy
        self.target_actor, self.target = frozen_copy(self.actor), frozen_copy(self.critic)
        actors: list[Tensor] = [*self.actor.parameters(), self.log_temperature]
        rate = config.learning_rate
        self.critic_optimizer = torch.optim.Adam(self.critic.parameters(), lr=rate, fused=True)
        self.actor_optimizer = torch.optim.Adam(actors, lr=rate, fused=True)
        self.state.keep(
            modules={
                "actor": self.actor,
                "critic": self.critic,
                "target_actor": self.target_actor,
                "target": self.target,
            },
            numbers={"log_temperature": self.log_temperature},
            optimizers={
                "critic_optimizer": self.critic_optimizer,
                "actor_optimizer": self.actor_optimizer,
            },
            replays={"trials": self.replay},
        )

    def _cell(self, initial: torch.Generator) -> RecurrentBelief:
        return RecurrentBelief(
            self.layout.size,
            self.config.hidden_size,
            generator=initial,
            row_scale=self.config.row_scale(self.layout),
        )

    def iterate(self, progress: float) -> dict[str, float]:
        config = self.config
        is_first = self.state.num_environment_steps == 0
        for _ in range(config.num_initial_collections if is_first else 1):
            train_return = self.collect()
        self.state.set_learning_rates(config.learning_rate, config.final_learning_rate, progress)
        losses = self.state.counted(
            (self.gradient_step(self.sample()) for _ in range(config.num_gradient_steps)),
            num_steps=config.num_gradient_steps,
            max_critic_value=config.max_critic_value,
        )
        return {"train_return": train_return, **losses}

    # ---- collecting ----------------------------------------------------------------------------

    def collect(self) -> float:
        """One trial in every world, remembered; the mean return of their last episodes."""
        return self.trials.collect(partial(self.make_actor, is_deterministic=False))

    def sample(self) -> Batch:
        """Whole trials, normalised by what is known by now."""
        return self.trials.sample(self.config.batch_size)

    # ---- improving -----------------------------------------------------------------------------

    def gradient_step(self, batch: Batch) -> dict[str, Tensor]:
        """One step of critics, actor, temperature and targets."""
        losses = self._critic_step(batch) | self._actor_step(batch)
        for target, source in ((self.target, self.critic), (self.target_actor, self.actor)):
            sac.move_towards(target, source, self.config.target_update_rate)
        return losses

    def values(self, critic: Recurrent, batch: Batch, action: Tensor) -> Tensor:
        """(2, T, B) or (1, T, B) values of `action` where the trial's own actions led."""
        both: Tensor = critic.head(torch.cat([critic.seen(batch), action], dim=-1))
        return both if self.config.form == "soft" else both[:1]

    def chosen(self, actor: Recurrent, batch: Batch) -> tuple[Tensor, Tensor]:
        """(T, B, A) what the actor does in every step, and (T, B) what its entropy costs."""
        policy: TanhGaussianPolicy = actor.head  # type: ignore[assignment]
        seen = actor.seen(batch)
        if self.config.form == "deterministic":
            return policy.mode(seen), torch.zeros_like(batch.reward)
        action, log_density = policy(seen).sample(self.state.generator)
        return action, log_density

    @torch.no_grad()
    def bellman_target(self, batch: Batch) -> Tensor:
        """(T, B) reward plus discounted value of what follows in the trial, whose end cuts."""
        config = self.config
        acts = self.actor if config.form == "soft" else self.target_actor
        action, log_density = self.chosen(acts, batch)
        value = self.values(self.target, batch, action).amin(0)
        if config.form == "soft":
            value = value - self.log_temperature.exp() * log_density
        scale, discount = config.reward_scale, config.discount
        return batch.bellman_target(value, reward_scale=scale, discount=discount)

    def _critic_step(self, batch: Batch) -> dict[str, Tensor]:
        target = self.bellman_target(batch)
        values = self.values(self.critic, batch, batch.action)
        errors = (values - target).square()
        loss = sum((ppo.masked_mean(error, batch.is_valid) for error in errors), torch.tensor(0.0))
        self.critic_optimizer.zero_grad()
        loss.backward()
        self.critic_optimizer.step()
        magnitude = ppo.masked_mean(values.detach().abs().mean(0), batch.is_valid)
        return {"critic_loss": loss, "critic_value": magnitude}

    def _actor_step(self, batch: Batch) -> dict[str, Tensor]:
        config, is_valid = self.config, batch.is_valid
        action, log_density = self.chosen(self.actor, batch)
        with without_weight_gradients(self.critic):
            value = self.values(self.critic, batch, action).amin(0)
        temperature = self.log_temperature.exp() if config.form == "soft" else torch.tensor(0.0)
        loss = ppo.masked_mean(temperature.detach() * log_density - value, is_valid)
        mean_density = ppo.masked_mean(log_density, is_valid)
        aim = config.target_entropy_per_action * self.layout.action_size
        of_temperature = sac.temperature_loss(self.log_temperature, mean_density, aim)
        self.actor_optimizer.zero_grad()
        (loss + of_temperature if config.form == "soft" else loss).backward()
        self.actor_optimizer.step()
        return {"actor_loss": loss, "temperature": temperature.detach(), "entropy": -mean_density}

    # ---- being used ----------------------------------------------------------------------------

    def make_actor(self, tasks: Sequence[Task], *, is_deterministic: bool) -> RecurrentActor:
        is_noisy = self.config.form == "deterministic" and not is_deterministic
        policy: Policy = self.policy
        return RecurrentActor(
            self.actor.cell,
            Noisy(self.policy, self.config.exploration_noise) if is_noisy else policy,
            self.evidence,
            num_worlds=len(tasks),
            generator=None if is_deterministic else self.state.generator,
        )

    def deployed(self) -> Deployed:
        return Deployed.of(
            RecurrentBeliefSettings(hidden_size=self.config.hidden_size),
            self.state.statistics,
            self.worlds,
            self.layout,
            policy=self.policy,
            recurrent=self.actor.cell,
        )


class Noisy:
    """A deterministic policy that explores: Gaussian noise on what it does; worlds clip."""

    def __init__(self, policy: TanhGaussianPolicy, deviation: float) -> None:
        self._policy, self._log_deviation = policy, math.log(deviation)

    def __call__(self, rows: Tensor) -> DiagonalGaussian:
        mode = self.mode(rows)
        return DiagonalGaussian(mode, torch.full_like(mode, self._log_deviation))

    def mode(self, rows: Tensor) -> Tensor:
        """(..., A) the action without noise."""
        return self._policy.mode(rows)


class Rdpg(RecurrentSac):
    """The deterministic form."""

    config_type = RdpgConfig
