"""Soft actor-critic over a distribution of tasks, without adaptation: the baselines.

Haarnoja et al. 2018, https://arxiv.org/abs/1801.01290 and https://arxiv.org/abs/1812.05905.

* `robust`: one policy for all tasks, which it cannot tell apart (domain randomisation). On a
  family with one task it is plain SAC.
* `oracle`: the true task parameters, scaled to [-1, 1], are part of the observation. No learner
  that has to find out about the task should do better.

Differs from the papers: many worlds run whole episodes side by side before each round of updates,
each on a train task drawn anew, and all transitions share one buffer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sim2real.contract.transition import Transition
from training.algorithms.learner import ExportParts, Snapshot
from training.parts import sac
from training.parts.deployed import DeployedPolicy
from training.parts.loss_log import LossLog
from training.parts.networks import TwinCritic, frozen_copy, without_weight_gradients
from training.parts.policies import TanhGaussianPolicy
from training.parts.replay import Batch, TaskReplay, TransitionLayout
from training.parts.rollout import Collected, Step, collect_episodes
from training.parts.running_stats import RunningStats
from training.parts.schedule import set_learning_rate
from training.runs.run import Run
from training.tasks.task import Task, TaskFamily, task_vector
from training.tasks.task_set import TaskSet
from training.worlds.vector_world import Bool, Float

_ALL = np.zeros(1, np.int64)  # one buffer for all tasks


@dataclass(frozen=True, kw_only=True)
class SacConfig:
    """Settings of soft actor-critic over tasks; the defaults suit small state spaces on a CPU."""

    view: Literal["robust", "oracle"] = "robust"
    """`robust`: tasks vary and cannot be told apart; `oracle`: the true task is observed"""
    hidden_sizes: tuple[int, ...] = (256, 256)
    """hidden layers of policy and critics"""
    uses_layer_norm: bool = False
    """layer norm in the critics: steadier values where rewards are large or contacts are rough"""

    num_iterations: int = 100
    """rounds of collecting and improving"""
    num_worlds: int = 16
    """episodes that run side by side, each on a train task drawn anew"""
    num_initial_steps: int = 5000
    """steps of all worlds together before the first update"""
    num_steps: int = 1000
    """steps of all worlds together per iteration; whole episodes, so it is a floor"""
    num_world_threads: int = 1
    """threads that step the worlds; results do not depend on it"""

    num_gradient_steps: int = 500
    """gradient steps per iteration"""
    batch_size: int = 256
    """transitions in a gradient step"""
    learning_rate: float = 3e-4
    """of Adam, for every network"""
    final_learning_rate: float | None = None
    """it falls to this linearly over the run; None: it stays"""
    discount: float = 0.99
    """per step"""
    target_update_rate: float = 0.005
    """share of the way that targets move to their networks at each step"""
    reward_scale: float = 1.0
    """multiplies rewards in Bellman targets"""
    initial_temperature: float = 1.0
    """where the entropy temperature starts"""
    target_entropy_per_action: float = -1.0
    """entropy that the temperature aims for, in nats per action element"""

    normalizes_observations: bool = False
    """divide out running mean and deviation before every network"""
    observation_clip: float = 10.0
    """normalised observations beyond this are cut"""
    replay_capacity: int = 1_000_000
    """transitions that are remembered; memory grows as they come"""
    max_critic_value: float = 1e6
    """mean magnitude of the critics at which the run counts as diverged and stops"""

    num_trial_episodes: int = 3
    """evaluation: episodes of a trial; none of them differs, for there is no adaptation"""
    evaluation_interval: int = 10
    """iterations between evaluations on held-out tasks"""
    checkpoint_interval: int = 10
    """iterations between checkpoints"""

    def __post_init__(self) -> None:
        if not 0.0 < self.discount < 1.0 or not 0.0 < self.target_update_rate <= 1.0:
            raise ValueError("discount must lie in (0, 1) and target_update_rate in (0, 1]")
        if min(self.num_initial_steps, self.num_steps) < 1:
            raise ValueError("numbers of steps must be at least 1")


class Sac:
    """The learner: networks, one buffer, random numbers."""

    def __init__(
        self,
        config: SacConfig,
        family: TaskFamily,
        task_set: TaskSet,
        *,
        seed: int,
        device: torch.device,
    ) -> None:
        self.config, self.family, self.device = config, family, device
        self.tasks = task_set.train
        self.worlds = family.make_world(config.num_worlds, num_threads=config.num_world_threads)
        self.task_vector_size = self.task_vectors(self.tasks[:1]).shape[1]
        self.layout = TransitionLayout(
            self.worlds.observation_size + self.task_vector_size, self.worlds.action_size
        )
        self.rng = np.random.default_rng([seed, 2])
        self.generator = torch.Generator(device).manual_seed(int(self.rng.integers(2**62)))
        self.statistics = RunningStats(
            self.worlds.observation_size,
            clip=config.observation_clip,
            is_enabled=config.normalizes_observations,
            device=device,
        )
        self.buffer = TaskReplay(1, self.layout.size, config.replay_capacity, device)
        self._build_networks(torch.Generator().manual_seed(int(self.rng.integers(2**62))))
        self.num_environment_steps = self.num_gradient_steps = 0

    def _build_networks(self, initial: torch.Generator) -> None:
        config, layout = self.config, self.layout
        self.policy = TanhGaussianPolicy(
            layout.observation_size, config.hidden_sizes, layout.action_size, generator=initial
        ).to(self.device)
        self.critic = TwinCritic(
            layout.observation_size + layout.action_size,
            config.hidden_sizes,
            generator=initial,
            uses_layer_norm=config.uses_layer_norm,
        ).to(self.device)
        self.target = frozen_copy(self.critic)
        self.log_temperature = torch.tensor(
            float(np.log(config.initial_temperature)), device=self.device, requires_grad=True
        )
        actors: list[Tensor] = [*self.policy.parameters(), self.log_temperature]
        rate = config.learning_rate
        self.critic_optimizer = torch.optim.Adam(self.critic.parameters(), lr=rate, fused=True)
        self.actor_optimizer = torch.optim.Adam(actors, lr=rate, fused=True)

    def task_vectors(self, tasks: Sequence[Task]) -> Float:
        """(W, P) what the view shows of the tasks: their parameters, or nothing (P = 0)."""
        if self.config.view == "robust":
            return np.zeros((len(tasks), 0), np.float32)
        return np.stack([task_vector(self.family, task) for task in tasks])

    # ---- collecting ----------------------------------------------------------------------------

    def collect(self, num_steps: int) -> Collected:
        """Whole episodes, every world on a train task drawn anew."""
        chosen = self.rng.integers(len(self.tasks), size=self.config.num_worlds)
        tasks = [self.tasks[index] for index in chosen]
        vectors = self.task_vectors(tasks)

        def store(step: Step) -> None:
            self.statistics.update(step.transition.observation)
            shown, transition = vectors[step.worlds], step.transition
            transition = transition._replace(
                observation=np.concatenate([transition.observation, shown], -1),
                next_observation=np.concatenate([transition.next_observation, shown], -1),
            )
            rows = self.layout.rows(transition)
            self.buffer.add(np.zeros(len(rows), np.int64), rows)

        collected = collect_episodes(
            self.worlds,
            tasks,
            _Actor(self, vectors, is_deterministic=False),
            num_steps=num_steps,
            seed=int(self.rng.integers(2**31)),
            store=store,
        )
        self.num_environment_steps += collected.num_steps
        return collected

    def normalize(self, state: Tensor) -> Tensor:
        """(..., O + P): the observation normalised, the task vector as it is."""
        size = self.worlds.observation_size
        parts = (self.statistics.normalize(state[..., :size]), state[..., size:])
        return torch.cat(parts, dim=-1) if self.statistics.is_enabled else state

    # ---- improving -----------------------------------------------------------------------------

    def improve(self, progress: float = 0.0) -> dict[str, float]:
        """One iteration's gradient steps; the means of their losses.

        `progress` in [0, 1] through the run sets the learning rate. Raises `TrainingFailed` where
        a loss is not finite or the critics diverge.
        """
        config = self.config
        for optimizer in (self.critic_optimizer, self.actor_optimizer):
            set_learning_rate(optimizer, config.learning_rate, config.final_learning_rate, progress)
        log = LossLog(
            config.num_gradient_steps, self.device, max_critic_value=config.max_critic_value
        )
        for _ in range(config.num_gradient_steps):
            rows = self.buffer.sample(_ALL, config.batch_size, self.generator)[0]
            log.record(self.gradient_step(self.layout.split(rows)))
        first_step = self.num_gradient_steps
        self.num_gradient_steps += config.num_gradient_steps
        return log.means(first_step)

    def gradient_step(self, batch: Batch) -> dict[str, Tensor]:
        """One step of critics, policy, temperature and targets on (B, ·) transitions."""
        batch = batch._replace(
            observation=self.normalize(batch.observation),
            next_observation=self.normalize(batch.next_observation),
        )
        losses = self._critic_step(batch) | self._actor_step(batch.observation)
        sac.move_towards(self.target, self.critic, self.config.target_update_rate)
        return losses

    def _critic_step(self, batch: Batch) -> dict[str, Tensor]:
        target = self._bellman_target(batch)
        values = self.critic(torch.cat([batch.observation, batch.action], dim=-1))
        loss = sac.critic_loss(values, target)
        self.critic_optimizer.zero_grad()
        loss.backward()
        self.critic_optimizer.step()
        return {"critic_loss": loss, "critic_value": values.detach().abs().mean()}

    @torch.no_grad()
    def _bellman_target(self, batch: Batch) -> Tensor:
        action, log_density = self.policy(batch.next_observation).sample(self.generator)
        next_value = self.target(torch.cat([batch.next_observation, action], dim=-1)).amin(0)
        return sac.bellman_target(
            self.config.reward_scale * batch.reward,
            batch.terminated,
            next_value - self.log_temperature.exp() * log_density,
            discount=self.config.discount,
        )

    def _actor_step(self, observation: Tensor) -> dict[str, Tensor]:
        action, log_density = self.policy(observation).sample(self.generator)
        with without_weight_gradients(self.critic):
            action_value = self.critic(torch.cat([observation, action], dim=-1)).amin(0)
        policy_loss = sac.actor_loss(action_value, log_density, self.log_temperature.detach().exp())
        temperature_loss = sac.temperature_loss(
            self.log_temperature,
            log_density,
            self.config.target_entropy_per_action * self.policy.action_size,
        )
        self.actor_optimizer.zero_grad()
        (policy_loss + temperature_loss).backward()
        self.actor_optimizer.step()
        return {
            "policy_loss": policy_loss,
            "entropy": -log_density.mean(),
            "temperature": self.log_temperature.exp(),
        }

    # ---- stopping, going on, being used --------------------------------------------------------

    def snapshot(self) -> Snapshot:
        return Snapshot(
            tensors={
                **{name: module.state_dict() for name, module in self._modules().items()},
                "log_temperature": self.log_temperature.detach(),
                "critic_optimizer": self.critic_optimizer.state_dict(),
                "actor_optimizer": self.actor_optimizer.state_dict(),
                "generator": self.generator.get_state(),
            },
            counters={
                "num_environment_steps": self.num_environment_steps,
                "num_gradient_steps": self.num_gradient_steps,
                "statistics": self.statistics.snapshot(),
                "rng": self.rng.bit_generator.state,
            },
            replays={"buffer": self.buffer},
        )

    def restore(self, tensors: Mapping[str, Any], counters: Mapping[str, Any]) -> None:
        for name, module in self._modules().items():
            module.load_state_dict(tensors[name])
        with torch.no_grad():
            self.log_temperature.copy_(tensors["log_temperature"])
        self.critic_optimizer.load_state_dict(tensors["critic_optimizer"])
        self.actor_optimizer.load_state_dict(tensors["actor_optimizer"])
        self.generator.set_state(tensors["generator"])
        self.num_environment_steps = counters["num_environment_steps"]
        self.num_gradient_steps = counters["num_gradient_steps"]
        self.statistics.restore(counters["statistics"])
        self.rng.bit_generator.state = counters["rng"]

    def _modules(self) -> dict[str, nn.Module]:
        return {"policy": self.policy, "critic": self.critic, "target": self.target}

    def make_adapter(self, tasks: Sequence[Task]) -> _Actor:
        return _Actor(self, self.task_vectors(tasks), is_deterministic=True)

    def export_parts(self) -> ExportParts:
        normalizer = self.statistics.frozen()
        return ExportParts(
            adaptation="none",
            modules={"policy": DeployedPolicy(normalizer, frozen_copy(self.policy).cpu())},
            normalizer=normalizer,
            observation_size=self.worlds.observation_size,
            action_size=self.layout.action_size,
            task_vector_size=self.task_vector_size,
        )


class _Actor:
    """Acts the same however often it met the task: while collecting, and as an `Adapter`."""

    def __init__(self, learner: Sac, vectors: Float, *, is_deterministic: bool) -> None:
        self._learner, self._is_deterministic = learner, is_deterministic
        self._shown = torch.from_numpy(vectors).to(learner.device)

    @torch.no_grad()
    def act(self, observation: Float) -> Float:
        learner = self._learner
        observed = torch.from_numpy(observation).to(learner.device)
        state = torch.cat([learner.statistics.normalize(observed), self._shown], dim=-1)
        if self._is_deterministic:
            chosen = learner.policy.mode(state)
        else:
            chosen, _ = learner.policy(state).sample(learner.generator)
        action: Float = chosen.cpu().numpy()
        return action

    def begin_trial(self, seed: int) -> None:
        """There is no belief to forget."""

    def begin_episode(self, starts: Bool | None = None) -> None:
        """Nothing is drawn for an episode."""

    def observe(self, transition: Transition, sparse_reward: Float, is_running: Bool) -> None:
        """Evidence changes nothing."""

    def exchange_beliefs(self, order: NDArray[np.int64]) -> None:
        """There is no belief to exchange; the oracle keeps its own task."""


def train(
    config: SacConfig, family: TaskFamily, task_set: TaskSet, run: Run, *, device: torch.device
) -> Sac:
    """Train, with everything noted, saved and evaluated by the run; return the learner."""
    learner = Sac(config, family, task_set, seed=run.seed, device=device)

    def iterate(iteration: int) -> dict[str, float]:
        num_steps = config.num_initial_steps if iteration == 0 else config.num_steps
        collected = learner.collect(num_steps)
        losses = learner.improve(progress=iteration / config.num_iterations)
        return {"train_return": collected.mean_return, **losses}

    run.repeat(iterate, learner, num_iterations=config.num_iterations)
    return learner
