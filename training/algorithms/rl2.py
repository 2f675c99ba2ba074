"""RL²: a recurrent policy whose hidden state is the belief about the task.

Duan et al. 2016, https://arxiv.org/abs/1611.02779; Wang et al. 2016,
https://arxiv.org/abs/1611.05763; learnt with PPO, https://arxiv.org/abs/1707.06347. What is
maximised is the return of a whole trial, several episodes on one task, so that exploring in an
early episode is paid for by a later one.

Differs from the implementations that papers compared against:

* Hidden state, advantage and the last transition's reward cross the ends of episodes; only the
  end of the trial cuts them. (Several published baselines lose one or all of the three.)
* The recurrent cell sees transitions (observation, applied action, reward, whether an episode
  ended, and the outcome where dynamics vary); the policy sees the observation and the hidden
  state. That is the same information as (s, a, r, d) delayed by a step, and it is what a robot
  carries: only evidence moves the belief.
* Updates run over whole trials from a hidden state of zero; none is stale.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sim2real.runtime.kinds.recurrent_belief import RecurrentBeliefSettings
from training.algorithms.learner import Deployed, TrainingSetup
from training.algorithms.settings import ContextSettings, ObservationSettings, PpoSettings
from training.parts import ppo
from training.parts.advantage import trial_advantages
from training.parts.checked import Count, Sizes
from training.parts.deployed import DeployedCell, DeployedPolicy
from training.parts.encoders import RecurrentBelief
from training.parts.networks import Mlp, frozen_copy
from training.parts.policies import DiagonalGaussianPolicy
from training.parts.recurrent_actor import Evidence, RecurrentActor
from training.parts.trials import Trials, collect_trials
from training.tasks.task import Task


@dataclass(frozen=True, kw_only=True)
class Rl2Config(PpoSettings, ContextSettings, ObservationSettings):
    """Settings of RL²; the defaults suit small state spaces on a CPU."""

    hidden_size: Count = 64
    """of the recurrent cell: the belief"""
    hidden_sizes: Sizes = (64, 64)
    """hidden layers of policy and value function, which see observation and belief"""
    initial_log_std: float = -0.5
    """of the actions; learnt, the same in every state"""
    num_trials: Count = 256
    """trials of an iteration, side by side, each on a train task drawn anew"""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.num_trials % self.num_minibatches:
            raise ValueError(
                f"num_minibatches: found {self.num_minibatches}, expected a divisor of num_trials "
                f"({self.num_trials})"
            )

    @classmethod
    def smallest(cls) -> Rl2Config:
        """Everything in it, in a second: to try a family out, and for tests."""
        return cls(hidden_size=8, hidden_sizes=(16,), num_trials=6, num_minibatches=2, num_epochs=2)


class Rl2:
    """The learner: recurrent belief, policy, value function, random numbers."""

    config_type = Rl2Config
    adapts = True
    is_told_task = False
    why_not_deployable = ""

    def __init__(self, config: Rl2Config, setup: TrainingSetup) -> None:
        self.config, self.device, self.tasks = config, setup.device, setup.tasks
        self.num_trial_episodes = setup.num_trial_episodes
        self.worlds = setup.make_worlds(config.num_trials)
        self.context_layout = config.context_layout(
            setup.family, self.worlds, marks_episode_end=True
        )
        self.state = setup.learner_state(config.statistics(self.worlds, setup.device), stream=3)
        self._build_networks(self.state.initial)

    def _build_networks(self, initial: torch.Generator) -> None:
        config, layout = self.config, self.context_layout
        self.cell = RecurrentBelief(
            layout.size,
            config.hidden_size,
            generator=initial,
            row_scale=config.row_scale(layout),
        ).to(self.device)
        state_size = layout.observation_size + config.hidden_size
        self.policy = DiagonalGaussianPolicy(
            state_size,
            config.hidden_sizes,
            layout.action_size,
            initial_log_std=config.initial_log_std,
            generator=initial,
        ).to(self.device)
        self.value = Mlp(state_size, config.hidden_sizes, 1, generator=initial).to(self.device)
        modules = {"cell": self.cell, "policy": self.policy, "value": self.value}
        self._parameters = [p for module in modules.values() for p in module.parameters()]
        self.optimizer = torch.optim.Adam(self._parameters, lr=config.learning_rate, fused=True)
        self.state.keep(modules=modules, optimizers={"optimizer": self.optimizer})

    def iterate(self, progress: float) -> dict[str, float]:
        trials = self.collect()
        returns = trials.episode_sums(trials.reward, self.num_trial_episodes)
        return {"train_return": float(returns[:, -1].mean()), **self.improve(trials, progress)}

    # ---- collecting ----------------------------------------------------------------------------

    def collect(self) -> Trials:
        """One trial in every world, as networks take it; rewards are the world's."""
        chosen = self.state.rng.integers(len(self.tasks), size=self.config.num_trials)
        tasks = [self.tasks[index] for index in chosen]
        trials = collect_trials(
            self.worlds,
            tasks,
            self.make_actor(tasks, is_deterministic=False),
            num_episodes=self.num_trial_episodes,
            seed=int(self.state.rng.integers(2**31)),
            device=self.device,
            context_layout=self.context_layout,
            uses_sparse_context=self.config.uses_sparse_context,
        )
        normalized = trials.normalized(self.state.statistics, self.context_layout)
        trials.update(self.state.statistics)  # from the next iteration on: ratios need one measure
        self.state.num_environment_steps += int(trials.is_valid.sum())
        return normalized

    # ---- improving -----------------------------------------------------------------------------

    def beliefs(self, trials: Trials) -> Tensor:
        """(T, B, H) hidden states before each step: zero at the start, never reset within."""
        start = trials.observation.new_zeros(trials.observation.shape[1], self.cell.hidden_size)
        following = self.cell.sequence(trials.context[:-1], start)
        return torch.cat([start[None], following])

    def improve(self, trials: Trials, progress: float) -> dict[str, float]:
        """PPO on whole trials; `progress` in [0, 1] through the run sets the learning rate.

        Raises `TrainingFailed` where a loss is not finite.
        """
        config = self.config
        self.state.set_learning_rates(config.learning_rate, config.final_learning_rate, progress)
        judged = self.judge(trials)
        parts = (part for _ in range(config.num_epochs) for part in self._minibatches())
        return self.state.counted(
            (self.gradient_step(trials.of(p), *(each[:, p] for each in judged)) for p in parts),
            num_steps=config.num_epochs * config.num_minibatches,
            max_critic_value=float("inf"),
        )

    def _minibatches(self) -> Sequence[Tensor]:
        """A pass over the trials in an order of its own: indices."""
        order = torch.from_numpy(self.state.rng.permutation(self.config.num_trials))
        return order.to(self.device).chunk(self.config.num_minibatches)

    @torch.no_grad()
    def judge(self, trials: Trials) -> tuple[Tensor, Tensor, Tensor]:
        """Log-densities, standardised advantages and value targets, (T, B) each."""
        state = torch.cat([trials.observation, self.beliefs(trials)], dim=-1)
        value = self.value(state).squeeze(-1)
        advantage = trial_advantages(
            self.config.reward_scale * trials.reward,
            value,
            trials.is_valid,
            discount=self.config.discount,
            gae_lambda=self.config.gae_lambda,
        )
        log_density = self.policy(state).log_density(trials.action)
        return log_density, ppo.standardise(advantage, trials.is_valid), advantage + value

    def gradient_step(
        self, trials: Trials, old_log_density: Tensor, advantage: Tensor, target: Tensor
    ) -> dict[str, Tensor]:
        """One step of cell, policy and value function together."""
        config, is_valid = self.config, trials.is_valid
        state = torch.cat([trials.observation, self.beliefs(trials)], dim=-1)
        distribution = self.policy(state)
        policy_loss = ppo.clipped_surrogate_loss(
            distribution.log_density(trials.action),
            old_log_density,
            advantage,
            is_valid,
            config.clip_range,
        )
        value_loss = ppo.value_regression_loss(self.value(state).squeeze(-1), target, is_valid)
        entropy = distribution.entropy()
        self.optimizer.zero_grad()
        (
            policy_loss + config.value_weight * value_loss - config.entropy_weight * entropy
        ).backward()
        norm = nn.utils.clip_grad_norm_(self._parameters, config.max_gradient_norm)
        self.optimizer.step()
        return {
            "policy_loss": policy_loss,
            "value_loss": value_loss,
            "entropy": entropy,
            "gradient_norm": norm,
        }

    # ---- being used ----------------------------------------------------------------------------

    def make_actor(self, tasks: Sequence[Task], *, is_deterministic: bool) -> RecurrentActor:
        return RecurrentActor(
            self.cell,
            self.policy,
            Evidence(self.state.statistics, self.context_layout, self.config.uses_sparse_context),
            num_worlds=len(tasks),
            generator=None if is_deterministic else self.state.generator,
        )

    def deployed(self) -> Deployed:
        normalizer = self.state.statistics.frozen()
        return Deployed(
            settings=RecurrentBeliefSettings(hidden_size=self.config.hidden_size),
            modules={
                "policy": DeployedPolicy(normalizer, frozen_copy(self.policy).cpu()),
                "recurrent": DeployedCell(
                    normalizer, self.context_layout, frozen_copy(self.cell).cpu()
                ),
            },
            normalizer=normalizer,
            observation_size=self.context_layout.observation_size,
            action_size=self.context_layout.action_size,
            context_layout=self.context_layout,
        )
