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

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sim2real.contract.context import ContextLayout
from sim2real.contract.transition import Transition
from training.algorithms.learner import ExportParts, Snapshot
from training.parts import ppo
from training.parts.advantage import trial_advantages
from training.parts.deployed import DeployedCell, DeployedPolicy
from training.parts.encoders import RecurrentBelief
from training.parts.loss_log import LossLog
from training.parts.networks import Mlp, frozen_copy
from training.parts.policies import DiagonalGaussianPolicy
from training.parts.running_stats import RunningStats
from training.parts.schedule import set_learning_rate
from training.runs.run import Run
from training.tasks.task import Task, TaskFamily, dynamics_vary
from training.tasks.task_set import TaskSet
from training.worlds.vector_world import Bool, Float


@dataclass(frozen=True, kw_only=True)
class Rl2Config:
    """Settings of RL²; the defaults suit small state spaces on a CPU."""

    hidden_size: int = 64
    """of the recurrent cell: the belief"""
    hidden_sizes: tuple[int, ...] = (64, 64)
    """hidden layers of policy and value function, which see observation and belief"""
    initial_log_std: float = -0.5
    """of the actions; learnt, the same in every state"""

    num_iterations: int = 300
    """rounds of collecting and improving"""
    num_trials: int = 256
    """trials of an iteration, side by side, each on a train task drawn anew"""
    num_trial_episodes: int = 3
    """episodes of a trial, in training and evaluation; the last one is the adapted one"""
    num_world_threads: int = 1
    """threads that step the worlds; results do not depend on it"""

    num_epochs: int = 4
    """passes over an iteration's trials"""
    num_minibatches: int = 4
    """parts that a pass is split into, by trials"""
    learning_rate: float = 1e-3
    """of Adam"""
    final_learning_rate: float = 1e-4
    """it falls to this linearly over the run"""
    discount: float = 0.99
    """per step, across the episodes of a trial"""
    gae_lambda: float = 0.95
    """of generalised advantage estimation, across the episodes of a trial"""
    clip_range: float = 0.2
    """how far a probability ratio may move before its gradient stops"""
    entropy_weight: float = 0.001
    """bonus per nat of the policy's entropy"""
    value_weight: float = 0.5
    """of the value function's loss"""
    max_gradient_norm: float = 0.5
    """longer gradients are shortened to this"""
    reward_scale: float = 1.0
    """multiplies the rewards that are learnt from"""
    context_reward_scale: float = 1.0
    """multiplies rewards as the cell's first operation: brings large rewards near one"""

    uses_sparse_context: bool = False
    """the cell gets the sparse reward; what is learnt from stays dense"""
    uses_next_observation: bool | None = None
    """whether context rows hold the outcome; None: exactly where the family's dynamics vary"""
    normalizes_observations: bool = False
    """divide out running mean and deviation before every network"""
    observation_clip: float = 10.0
    """normalised observations beyond this are cut"""

    evaluation_interval: int = 10
    """iterations between evaluations on held-out tasks"""
    checkpoint_interval: int = 10
    """iterations between checkpoints"""

    def __post_init__(self) -> None:
        if not 0.0 < self.discount <= 1.0 or not 0.0 <= self.gae_lambda <= 1.0:
            raise ValueError("discount must lie in (0, 1] and gae_lambda in [0, 1]")
        if self.num_trials % self.num_minibatches:
            raise ValueError("num_minibatches must divide num_trials")


class Trials(NamedTuple):
    """B trials of up to T steps; T runs through all episodes. Padding has `is_valid` 0."""

    observation: Tensor
    """(T, B, O) normalised"""
    context: Tensor
    """(T, B, C) normalised rows; row t is known from step t + 1 on"""
    action: Tensor
    """(T, B, A) as drawn, before the world clipped it"""
    reward: Tensor
    """(T, B) scaled"""
    is_valid: Tensor
    """(T, B) 1 for a step of the trial, 0 behind its end"""


class Rl2:
    """The learner: recurrent belief, policy, value function, random numbers."""

    def __init__(
        self,
        config: Rl2Config,
        family: TaskFamily,
        task_set: TaskSet,
        *,
        seed: int,
        device: torch.device,
    ) -> None:
        self.config, self.device, self.tasks = config, device, task_set.train
        self.worlds = family.make_world(config.num_trials, num_threads=config.num_world_threads)
        uses_outcome = config.uses_next_observation
        self.context_layout = ContextLayout(
            observation_size=self.worlds.observation_size,
            action_size=self.worlds.action_size,
            uses_next_observation=dynamics_vary(family) if uses_outcome is None else uses_outcome,
            marks_episode_end=True,
        )
        self.rng = np.random.default_rng([seed, 3])
        self.generator = torch.Generator(device).manual_seed(int(self.rng.integers(2**62)))
        self.statistics = RunningStats(
            self.worlds.observation_size,
            clip=config.observation_clip,
            is_enabled=config.normalizes_observations,
            device=device,
        )
        self._build_networks(torch.Generator().manual_seed(int(self.rng.integers(2**62))))
        self.num_environment_steps = self.num_gradient_steps = 0

    def _build_networks(self, initial: torch.Generator) -> None:
        config, layout = self.config, self.context_layout
        row_scale = torch.ones(layout.size)
        row_scale[layout.observation_size + layout.action_size] = config.context_reward_scale
        self.cell = RecurrentBelief(
            layout.size, config.hidden_size, generator=initial, row_scale=row_scale
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
        self._parameters = [p for module in self._modules().values() for p in module.parameters()]
        self.optimizer = torch.optim.Adam(self._parameters, lr=config.learning_rate, fused=True)

    # ---- collecting ----------------------------------------------------------------------------

    @torch.no_grad()
    def collect(self) -> tuple[Trials, Float]:
        """One trial in every world; and the dense returns per trial and episode, (B, E)."""
        config = self.config
        chosen = self.rng.integers(len(self.tasks), size=config.num_trials)
        tasks = [self.tasks[index] for index in chosen]
        actor = _RecurrentActor(self, config.num_trials)
        steps: list[tuple[Any, ...]] = []
        returns = np.zeros((config.num_trials, config.num_trial_episodes), np.float32)
        episode = np.zeros(config.num_trials, np.int64)
        observation = self.worlds.reset(tasks, int(self.rng.integers(2**31)))
        while (running := episode < config.num_trial_episodes).any():
            drawn = actor.draw(observation)
            result = self.worlds.step(drawn)
            transition = Transition(
                observation,
                result.applied_action,
                result.reward,
                result.final_observation,
                result.terminated,
                result.truncated,
            )
            row = actor.take_in(transition, result.sparse_reward, running)
            steps.append((observation, row, drawn, result.reward, running))
            worlds = np.flatnonzero(running)
            returns[worlds, episode[worlds]] += result.reward[worlds]
            episode += running & (result.terminated | result.truncated)
            observation = result.observation
        trials = self._trials(steps)
        for seen, *_, was_running in steps:  # from the next iteration on: ratios need one measure
            self.statistics.update(seen[was_running])
        self.num_environment_steps += int(trials.is_valid.sum())
        return trials, returns

    def _trials(self, steps: Sequence[tuple[Any, ...]]) -> Trials:
        observation, context, action, reward, is_valid = (
            torch.from_numpy(np.stack(column).astype(np.float32)).to(self.device)
            for column in zip(*steps, strict=True)
        )
        return Trials(
            observation=self.statistics.normalize(observation),
            context=self.statistics.normalize_context(context, self.context_layout),
            action=action,
            reward=self.config.reward_scale * reward,
            is_valid=is_valid,
        )

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
        set_learning_rate(
            self.optimizer, config.learning_rate, config.final_learning_rate, progress
        )
        old_log_density, advantage, target = self.judge(trials)
        num_steps = config.num_epochs * config.num_minibatches
        log = LossLog(num_steps, self.device, max_critic_value=float("inf"))
        for _ in range(config.num_epochs):
            order = torch.from_numpy(self.rng.permutation(config.num_trials)).to(self.device)
            for part in order.chunk(config.num_minibatches):
                minibatch = Trials(*(values[:, part] for values in trials))
                log.record(
                    self.gradient_step(
                        minibatch, old_log_density[:, part], advantage[:, part], target[:, part]
                    )
                )
        first_step = self.num_gradient_steps
        self.num_gradient_steps += num_steps
        return log.means(first_step)

    @torch.no_grad()
    def judge(self, trials: Trials) -> tuple[Tensor, Tensor, Tensor]:
        """Log-densities, standardised advantages and value targets, (T, B) each."""
        state = torch.cat([trials.observation, self.beliefs(trials)], dim=-1)
        value = self.value(state).squeeze(-1)
        advantage = trial_advantages(
            trials.reward,
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

    # ---- stopping, going on, being used --------------------------------------------------------

    def snapshot(self) -> Snapshot:
        return Snapshot(
            tensors={
                **{name: module.state_dict() for name, module in self._modules().items()},
                "optimizer": self.optimizer.state_dict(),
                "generator": self.generator.get_state(),
            },
            counters={
                "num_environment_steps": self.num_environment_steps,
                "num_gradient_steps": self.num_gradient_steps,
                "statistics": self.statistics.snapshot(),
                "rng": self.rng.bit_generator.state,
            },
        )

    def restore(self, tensors: Mapping[str, Any], counters: Mapping[str, Any]) -> None:
        for name, module in self._modules().items():
            module.load_state_dict(tensors[name])
        self.optimizer.load_state_dict(tensors["optimizer"])
        self.generator.set_state(tensors["generator"])
        self.num_environment_steps = counters["num_environment_steps"]
        self.num_gradient_steps = counters["num_gradient_steps"]
        self.statistics.restore(counters["statistics"])
        self.rng.bit_generator.state = counters["rng"]

    def _modules(self) -> dict[str, nn.Module]:
        return {"cell": self.cell, "policy": self.policy, "value": self.value}

    def make_adapter(self, tasks: Sequence[Task]) -> _RecurrentActor:
        return _RecurrentActor(self, len(tasks))

    def export_parts(self) -> ExportParts:
        normalizer = self.statistics.frozen()
        return ExportParts(
            adaptation="recurrent_belief",
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
            hidden_size=self.config.hidden_size,
        )


class _RecurrentActor:
    """Carries the hidden states of W worlds: while collecting, and as an `Adapter`."""

    def __init__(self, learner: Rl2, num_worlds: int) -> None:
        self._learner, self._num_worlds = learner, num_worlds
        self.begin_trial(0)

    def begin_trial(self, seed: int) -> None:
        size = self._learner.config.hidden_size
        self.hidden = torch.zeros(self._num_worlds, size, device=self._learner.device)

    def begin_episode(self) -> None:
        """The hidden state stays: it has seen that the last episode ended."""

    @torch.no_grad()
    def act(self, observation: Float) -> Float:
        action: Float = self._learner.policy.mode(self._state(observation)).cpu().numpy()
        return action

    @torch.no_grad()
    def draw(self, observation: Float) -> Float:
        """(W, A) actions as they are drawn; the world clips them."""
        distribution = self._learner.policy(self._state(observation))
        action: Float = distribution.sample(self._learner.generator).cpu().numpy()
        return action

    def _state(self, observation: Float) -> Tensor:
        learner = self._learner
        observed = learner.statistics.normalize(torch.from_numpy(observation).to(learner.device))
        return torch.cat([observed, self.hidden], dim=-1)

    def observe(self, transition: Transition, sparse_reward: Float, is_running: Bool) -> None:
        self.take_in(transition, sparse_reward, is_running)

    @torch.no_grad()
    def take_in(self, transition: Transition, sparse_reward: Float, is_running: Bool) -> Float:
        """Move the hidden states where the episode ran; return the (W, C) rows."""
        learner = self._learner
        if learner.config.uses_sparse_context:
            transition = transition._replace(reward=sparse_reward)
        row = learner.context_layout.row(transition)
        context = torch.from_numpy(row).to(learner.device)
        following = learner.cell.step(
            learner.statistics.normalize_context(context, learner.context_layout), self.hidden
        )
        runs = torch.from_numpy(is_running).to(learner.device)[:, None]
        self.hidden = torch.where(runs, following, self.hidden)
        return row

    def exchange_beliefs(self, order: NDArray[np.int64]) -> None:
        self.hidden = self.hidden[torch.from_numpy(order).to(self.hidden.device)]


def train(
    config: Rl2Config, family: TaskFamily, task_set: TaskSet, run: Run, *, device: torch.device
) -> Rl2:
    """Meta-train, with everything noted, saved and evaluated by the run; return the learner."""
    learner = Rl2(config, family, task_set, seed=run.seed, device=device)

    def iterate(iteration: int) -> dict[str, float]:
        trials, returns = learner.collect()
        losses = learner.improve(trials, progress=iteration / config.num_iterations)
        return {"train_return": float(returns[:, -1].mean()), **losses}

    run.repeat(iterate, learner, num_iterations=config.num_iterations)
    return learner
