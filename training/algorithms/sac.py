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

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from sim2real.runtime.kinds.none import NoAdaptationSettings
from training.algorithms.learner import Deployed, TrainingSetup
from training.algorithms.settings import ObservationSettings, SoftActorCriticSettings
from training.parts import sac
from training.parts.actor import Drawn, Memoryless
from training.parts.checked import Count, Sizes
from training.parts.policies import choose
from training.parts.replay import Batch, TaskReplay, TransitionLayout
from training.parts.rollout import Collected, Step, collect_episodes
from training.parts.soft_actor_critic import SoftActorCritic
from training.tasks.task import Task, task_vector
from training.worlds.vector_world import Float

_ALL = np.zeros(1, np.int64)  # one buffer for all tasks


@dataclass(frozen=True, kw_only=True)
class SacConfig(SoftActorCriticSettings, ObservationSettings):
    """Settings of soft actor-critic over tasks; the defaults suit small state spaces on a CPU."""

    view: Literal["robust", "oracle"] = "robust"
    """`robust`: tasks vary and cannot be told apart; `oracle`: the true task is observed"""
    hidden_sizes: Sizes = (256, 256)
    """hidden layers of policy and critics"""
    num_worlds: Count = 16
    """episodes that run side by side, each on a train task drawn anew"""
    num_initial_steps: Count = 5000
    """steps of all worlds together before the first update"""
    num_steps: Count = 1000
    """steps of all worlds together per iteration; whole episodes, so it is a floor"""
    num_gradient_steps: Count = 500
    """gradient steps per iteration"""

    @classmethod
    def smallest(cls) -> SacConfig:
        """Everything in it, in a second: to try a family out, and for tests."""
        return cls(
            hidden_sizes=(16, 16),
            num_worlds=4,
            num_initial_steps=40,
            num_steps=20,
            num_gradient_steps=5,
            batch_size=16,
        )


class Sac:
    """The learner: networks, one buffer, random numbers."""

    config_type = SacConfig
    adapts = False

    def __init__(self, config: SacConfig, setup: TrainingSetup) -> None:
        self.config, self.family, self.device = config, setup.family, setup.device
        self.tasks = setup.tasks
        self.is_told_task = config.view == "oracle"
        self.worlds = setup.make_worlds(config.num_worlds)
        self.task_vector_size = self.task_vectors(self.tasks[:1]).shape[1]
        self.layout = TransitionLayout(
            self.worlds.observation_size + self.task_vector_size, self.worlds.action_size
        )
        self.state = setup.learner_state(config.statistics(self.worlds, setup.device), stream=2)
        self.buffer = TaskReplay(1, self.layout.size, config.replay_capacity, setup.device)
        self.state.keep(replays={"buffer": self.buffer})
        self._build_networks(self.state.initial)

    @property
    def why_not_deployable(self) -> str:
        return "it must be told the true task, which no robot knows" if self.is_told_task else ""

    def _build_networks(self, initial: torch.Generator) -> None:
        config, layout = self.config, self.layout
        networks = sac.networks(
            layout.observation_size,
            layout.action_size,
            config,
            generator=initial,
            device=self.device,
        )
        self.heads = SoftActorCritic(networks, config, self.state)
        self.policy = self.heads.policy

    def task_vectors(self, tasks: Sequence[Task]) -> Float:
        """(W, P) what the view shows of the tasks: their parameters, or nothing (P = 0)."""
        if self.config.view == "robust":
            return np.zeros((len(tasks), 0), np.float32)
        return np.stack([task_vector(self.family, task) for task in tasks])

    def iterate(self, progress: float) -> dict[str, float]:
        config, is_first = self.config, self.state.num_environment_steps == 0
        collected = self.collect(config.num_initial_steps if is_first else config.num_steps)
        return {"train_return": collected.mean_return, **self.improve(progress)}

    # ---- collecting ----------------------------------------------------------------------------

    def collect(self, num_steps: int) -> Collected:
        """Whole episodes, every world on a train task drawn anew."""
        chosen = self.state.rng.integers(len(self.tasks), size=self.config.num_worlds)
        tasks = [self.tasks[index] for index in chosen]
        vectors = self.task_vectors(tasks)

        def store(step: Step) -> None:
            self.state.statistics.update(step.transition.observation)
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
            seed=int(self.state.rng.integers(2**31)),
            store=store,
        )
        self.state.num_environment_steps += collected.num_steps
        return collected

    def normalize(self, state: Tensor) -> Tensor:
        """(..., O + P): the observation normalised, the task vector as it is."""
        size = self.worlds.observation_size
        parts = (self.state.statistics.normalize(state[..., :size]), state[..., size:])
        return torch.cat(parts, dim=-1) if self.state.statistics.is_enabled else state

    # ---- improving -----------------------------------------------------------------------------

    def improve(self, progress: float = 0.0) -> dict[str, float]:
        """One iteration's gradient steps; the means of their losses.

        `progress` in [0, 1] through the run sets the learning rate. Raises `TrainingFailed` where
        a loss is not finite or the critics diverge.
        """
        config = self.config
        self.state.set_learning_rates(config.learning_rate, config.final_learning_rate, progress)
        return self.state.counted(
            (self.gradient_step(self.sample()) for _ in range(config.num_gradient_steps)),
            num_steps=config.num_gradient_steps,
            max_critic_value=config.max_critic_value,
        )

    def sample(self) -> Batch:
        """(B, ·) transitions of all tasks, as stored."""
        rows = self.buffer.sample(_ALL, self.config.batch_size, self.state.generator)
        return self.layout.split(rows[0])

    def gradient_step(self, batch: Batch) -> dict[str, Tensor]:
        """One step of critics, policy, temperature and targets on (B, ·) transitions."""
        batch = batch._replace(
            observation=self.normalize(batch.observation),
            next_observation=self.normalize(batch.next_observation),
        )
        state, following, heads = batch.observation, batch.next_observation, self.heads
        target = heads.bellman_target(batch.reward, batch.terminated, following, following)
        losses = heads.critic_step(state, batch.action, target) | heads.actor_step(state, state)
        heads.move_target()
        return losses | {"temperature": heads.temperature}

    # ---- being used ----------------------------------------------------------------------------

    def make_actor(self, tasks: Sequence[Task], *, is_deterministic: bool) -> _Actor:
        return _Actor(self, self.task_vectors(tasks), is_deterministic=is_deterministic)

    def deployed(self) -> Deployed:
        statistics = self.state.statistics
        return Deployed.of(NoAdaptationSettings(), statistics, self.worlds, policy=self.policy)


class _Actor(Memoryless):
    """Acts the same however often it met the task; an oracle is shown which one it is."""

    def __init__(self, learner: Sac, vectors: Float, *, is_deterministic: bool) -> None:
        self._learner = learner
        self._generator = None if is_deterministic else learner.state.generator
        self._shown = torch.from_numpy(vectors).to(learner.device)

    def act(self, observation: Float) -> Drawn:
        learner = self._learner
        observed = learner.state.statistics.normalize_raw(observation)
        state = torch.cat([observed, self._shown], dim=-1)
        return choose(learner.policy, state, self._generator)
