"""DVRL: a belief of particles, learnt by what it explains and by the values that stand on it.

Igl et al. 2018, https://arxiv.org/abs/1806.02426, in an off-policy form: soft actor-critic on whole
remembered trials, where the published A2C needs tens of millions of steps. Particles are moved by a
learnt model (`training.parts.particles`); policy and critics see the observation and a weighted
mean of features of the particles. Critics and the evidence bound teach model and features; what
the policy learns does not reach them.

Differs from the published code:

* The bound's weight is not zero unless it is set so.
* Trials are filtered from their first step at every gradient step, by particles drawn anew: no
  state that older weights left behind.
* What follows an episode is the next one's first observation; value is cut where the trial ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Self

import torch
from torch import Tensor, nn

from sim2real.runtime.kinds.recurrent_belief import ReadOut, RecurrentBeliefSettings
from training.algorithms.learner import Deployed, TrainingSetup
from training.algorithms.settings import (
    ContextSettings,
    ObservationSettings,
    SoftActorCriticSettings,
    TrialReplaySettings,
)
from training.parts import ppo, sac
from training.parts.checked import Count, NonNegative, Positive, Sizes
from training.parts.deployed import DeployedCell, DeployedPolicy
from training.parts.networks import frozen_copy, without_weight_gradients
from training.parts.particles import (
    Filtered,
    LearntModel,
    ParticleFeatures,
    ParticleFilter,
    ParticleMoments,
)
from training.parts.policies import TanhGaussianPolicy
from training.parts.recurrent_actor import Evidence, RecurrentActor
from training.parts.trial_memory import Batch, TrialMemory
from training.tasks.task import Task


@dataclass(frozen=True, kw_only=True)
class DvrlConfig(
    TrialReplaySettings, SoftActorCriticSettings, ContextSettings, ObservationSettings
):
    """Settings of DVRL; the defaults suit small state spaces on a CPU."""

    num_particles: Count = 16
    """hypotheses about the task"""
    resamples: bool = True
    """particles descend from those with weight; otherwise weights accumulate"""
    hidden_size: Count = 32
    """of one particle's memory"""
    latent_size: Count = 8
    """of what one particle draws at a step"""
    feature_size: Count = 64
    """of what policy and critics see of all particles"""
    hidden_sizes: Sizes = (128, 128)
    """hidden layers of policy and critics"""
    bound_weight: NonNegative = 0.1
    """of the evidence bound per step, beside the critics' loss"""
    max_gradient_norm: Positive = 10.0
    """of critics and filter together: longer gradients are shortened to this"""
    num_gradient_steps: Count = 25
    """in an iteration"""

    @classmethod
    def smallest(cls) -> Self:
        """Everything in it, in a second: to try a family out, and for tests."""
        return cls(
            num_particles=3,
            hidden_size=4,
            latent_size=2,
            feature_size=6,
            hidden_sizes=(16,),
            num_trials=4,
            num_initial_collections=2,
            num_gradient_steps=3,
            batch_size=4,
            replay_capacity=16,
        )


class Dvrl:
    """The learner: particles, actor and critics on them, one replay of trials, random numbers."""

    config_type: ClassVar[type[DvrlConfig]] = DvrlConfig
    adapts = True
    is_told_task = False
    why_not_deployable = ""

    def __init__(self, config: DvrlConfig, setup: TrainingSetup) -> None:
        self.config, self.device, self.tasks = config, setup.device, setup.tasks
        self.worlds = setup.make_worlds(config.num_trials)
        if self.worlds.has_choices:
            raise ValueError(f"{setup.family.name}: its actions are choices, and have no gradient")
        self.layout = config.context_layout(setup.family, self.worlds, marks_episode_end=True)
        statistics = config.statistics(self.worlds, setup.device)
        self.state = setup.learner_state(statistics, stream=18)
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
        model = LearntModel(
            layout,
            config.hidden_size,
            config.latent_size,
            generator=initial,
            row_scale=config.row_scale(layout),
        )
        self.filter = ParticleFilter(model, config.num_particles, resamples=config.resamples)
        self.filter.to(self.device)
        self.features = ParticleFeatures(self.filter, config.feature_size, generator=initial)
        self.features.to(self.device)
        size = layout.observation_size + config.feature_size
        self.policy, self.critic, self.log_temperature = sac.networks(
            size, layout.action_size, config, generator=initial, device=self.device
        )
        self.target = frozen_copy(self.critic)
        self.taught_by_values: list[Tensor] = [
            *self.filter.parameters(),
            *self.features.parameters(),
            *self.critic.parameters(),
        ]
        actors: list[Tensor] = [*self.policy.parameters(), self.log_temperature]
        rate = config.learning_rate
        self.critic_optimizer = torch.optim.Adam(self.taught_by_values, lr=rate, fused=True)
        self.actor_optimizer = torch.optim.Adam(actors, lr=rate, fused=True)
        self.state.keep(
            modules={
                "filter": self.filter,
                "features": self.features,
                "policy": self.policy,
                "critic": self.critic,
                "target": self.target,
            },
            numbers={"log_temperature": self.log_temperature},
            optimizers={
                "critic_optimizer": self.critic_optimizer,
                "actor_optimizer": self.actor_optimizer,
            },
            replays={"trials": self.replay},
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
        """One step of particles and critics, of actor and temperature, and of the target."""
        shape = (*batch.reward.shape, self.filter.noise_size)
        noise = torch.randn(shape, generator=self.state.generator, device=self.device)
        filtered = self.filter.filtered(batch.context, noise)
        seen = self.seen(batch, filtered)
        losses = self._critic_step(batch, filtered, seen) | self._actor_step(batch, seen.detach())
        sac.move_towards(self.target, self.critic, self.config.target_update_rate)
        return losses

    def seen(self, batch: Batch, filtered: Filtered) -> Tensor:
        """(T, B, O + F) observations, and features of the particles before each of them."""
        start = torch.zeros_like(filtered.carried[:1])
        before = torch.cat([start, filtered.carried[:-1]])
        return torch.cat([batch.observation, self.features(before)], dim=-1)

    @torch.no_grad()
    def bellman_target(self, batch: Batch, seen: Tensor) -> Tensor:
        """(T, B) reward plus discounted value of what follows in the trial, whose end cuts."""
        action, log_density = self.policy(seen).sample(self.state.generator)
        value = self.target(torch.cat([seen, action], dim=-1)).amin(0)
        value = value - self.log_temperature.exp() * log_density
        scale, discount = self.config.reward_scale, self.config.discount
        return batch.bellman_target(value, reward_scale=scale, discount=discount)

    def _critic_step(self, batch: Batch, filtered: Filtered, seen: Tensor) -> dict[str, Tensor]:
        config, is_valid = self.config, batch.is_valid
        target = self.bellman_target(batch, seen)
        values = self.critic(torch.cat([seen, batch.action], dim=-1))
        first, second = (ppo.masked_mean((each - target).square(), is_valid) for each in values)
        bound = ppo.masked_mean(filtered.log_likelihood, is_valid)
        self.critic_optimizer.zero_grad()
        (first + second - config.bound_weight * bound).backward()
        nn.utils.clip_grad_norm_(self.taught_by_values, config.max_gradient_norm)
        self.critic_optimizer.step()
        magnitude = ppo.masked_mean(values.detach().abs().mean(0), is_valid)
        return {"critic_loss": first + second, "critic_value": magnitude, "bound": bound}

    def _actor_step(self, batch: Batch, seen: Tensor) -> dict[str, Tensor]:
        is_valid = batch.is_valid
        action, log_density = self.policy(seen).sample(self.state.generator)
        with without_weight_gradients(self.critic):
            value = self.critic(torch.cat([seen, action], dim=-1)).amin(0)
        temperature = self.log_temperature.exp()
        loss = ppo.masked_mean(temperature.detach() * log_density - value, is_valid)
        mean_density = ppo.masked_mean(log_density, is_valid)
        aim = self.config.target_entropy_per_action * self.layout.action_size
        self.actor_optimizer.zero_grad()
        (loss + sac.temperature_loss(self.log_temperature, mean_density, aim)).backward()
        self.actor_optimizer.step()
        return {"actor_loss": loss, "temperature": temperature.detach(), "entropy": -mean_density}

    # ---- being used ----------------------------------------------------------------------------

    def make_actor(self, tasks: Sequence[Task], *, is_deterministic: bool) -> RecurrentActor:
        return RecurrentActor(
            self.filter,
            self.policy,
            self.evidence,
            read_out=self.features,
            num_worlds=len(tasks),
            generator=None if is_deterministic else self.state.generator,
            cell_noise_size=self.filter.noise_size,
        )

    def deployed(self) -> Deployed:
        """Particles are the hidden state; the latents' moments are read out for people."""
        normalizer, size = self.state.statistics.frozen(), self.config.latent_size
        cell = frozen_copy(self.filter).cpu()
        policy = OnParticles(frozen_copy(self.features).cpu(), frozen_copy(self.policy).cpu())
        return Deployed(
            settings=RecurrentBeliefSettings(
                hidden_size=cell.hidden_size,
                cell_noise_size=cell.noise_size,
                # Nothing has been drawn before the first transition: the standard normal.
                read_out=ReadOut(
                    initial_mean=(0.0,) * size,
                    initial_log_variance=(0.0,) * size,
                    conditions_policy=False,
                ),
            ),
            modules={
                "policy": DeployedPolicy(normalizer, policy),
                "recurrent": DeployedCell(normalizer, self.layout, cell, ParticleMoments(cell)),
            },
            normalizer=normalizer,
            observation_size=self.layout.observation_size,
            action_size=self.layout.action_size,
            context_layout=self.layout,
        )


class OnParticles(nn.Module):
    """A policy that is handed particles, over one that sees features of them."""

    def __init__(self, features: ParticleFeatures, policy: TanhGaussianPolicy) -> None:
        super().__init__()
        self.features, self.policy = features, policy

    def mode(self, rows: Tensor) -> Tensor:
        """(..., A) the likeliest action at observation and carried side by side."""
        return self.policy.mode(self._featured(rows))

    def perturbed(self, rows: Tensor, noise: Tensor) -> Tensor:
        """(..., A) the action that standard normal noise (..., A) makes of it."""
        return self.policy.perturbed(self._featured(rows), noise)

    def _featured(self, rows: Tensor) -> Tensor:
        size = rows.shape[-1] - self.features.carried_size
        observation, carried = rows[..., :size], rows[..., size:]
        return torch.cat([observation, self.features(carried)], dim=-1)
