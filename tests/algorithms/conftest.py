"""Tiny worlds and settings in which an algorithm's properties show within seconds."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch

from training.algorithms.pearl import Pearl, PearlConfig
from training.families.registry import FAMILIES
from training.tasks.task import Parameter, Task, TaskFamily
from training.tasks.task_set import draw_task_set
from training.worlds.vector_world import StepResult

TINY_PEARL = PearlConfig(
    latent_size=2,
    hidden_sizes=(16, 16),
    encoder_hidden_sizes=(16,),
    num_iterations=3,
    num_initial_steps=20,
    tasks_per_iteration=2,
    num_prior_steps=40,
    num_posterior_steps=20,
    num_extra_steps=20,
    num_gradient_steps=5,
    meta_batch_size=4,
    batch_size=8,
    context_batch_size=8,
    num_trial_episodes=2,
    evaluation_interval=2,
    checkpoint_interval=1,
)


class CountingWorld:
    """The observation counts the steps of the episode; everything can be told apart afterwards.

    Episodes end by time after 4 steps, except in tasks with `falls` 1, which end by themselves
    after 3. The dense reward is the task's level + 1000, the sparse one the level.
    """

    observation_size, action_size, episode_length = 2, 1, 4

    def __init__(self, num_worlds: int) -> None:
        self.num_worlds = num_worlds
        self.seeds: list[int] = []

    def reset(self, tasks: Sequence[Task], seed: int) -> np.ndarray:
        self.seeds.append(seed)
        self.level = np.array([task.parameters["level"][0] for task in tasks], np.float32)
        self.falls = np.array([task.parameters["falls"][0] for task in tasks]) > 0.5
        self.count = np.zeros(self.num_worlds, np.float32)
        return self._observed()

    def step(self, action: np.ndarray) -> StepResult:
        self.count += 1
        terminated = self.falls & (self.count == 3)
        truncated = ~terminated & (self.count == 4)
        final = self._observed()
        self.count[terminated | truncated] = 0
        return StepResult(
            observation=self._observed(),
            final_observation=final,
            reward=self.level + np.float32(1000),
            sparse_reward=self.level.copy(),
            success=np.ones(self.num_worlds, bool),
            terminated=terminated,
            truncated=truncated,
            applied_action=np.clip(action, -1, 1),
        )

    def close(self) -> None:
        pass

    def _observed(self) -> np.ndarray:
        return np.stack([self.level, self.count], -1)


class CountingFamily:
    """Levels 0, 1, 2, …; odd ones fall."""

    name = "counting"
    num_distinct_tasks = None
    parameters = (
        Parameter(name="level", unit="1", low=(0.0,), high=(100.0,), changes_dynamics=False),
        Parameter(name="falls", unit="1", low=(0.0,), high=(1.0,), changes_dynamics=True),
    )

    def sample(self, rng: np.random.Generator, num_tasks: int) -> list[dict[str, Any]]:
        return [
            {"level": (float(index),), "falls": (float(index % 2),)} for index in range(num_tasks)
        ]

    def make_world(self, num_worlds: int, *, num_threads: int = 1) -> CountingWorld:
        return CountingWorld(num_worlds)


class NoisyLevelWorld(CountingWorld):
    """The reward is the task's level plus noise, whatever is done; nothing else tells it."""

    def reset(self, tasks: Sequence[Task], seed: int) -> np.ndarray:
        self.rng = np.random.default_rng(seed)
        return super().reset(tasks, seed)

    def step(self, action: np.ndarray) -> StepResult:
        noise = self.rng.normal(0, 0.3, self.num_worlds).astype(np.float32)
        result = super().step(action)
        return result._replace(reward=self.level + noise)

    def _observed(self) -> np.ndarray:
        return np.zeros((self.num_worlds, 2), np.float32)


class NoisyLevelFamily(CountingFamily):
    name = "noisy_level"
    parameters = (
        Parameter(name="level", unit="1", low=(-1.0,), high=(1.0,), changes_dynamics=False),
    )

    def sample(self, rng: np.random.Generator, num_tasks: int) -> list[dict[str, Any]]:
        return [
            {"level": (float(level),), "falls": (0.0,)} for level in rng.uniform(-1, 1, num_tasks)
        ]

    def make_world(self, num_worlds: int, *, num_threads: int = 1) -> NoisyLevelWorld:
        return NoisyLevelWorld(num_worlds)


def build_pearl(
    family: TaskFamily,
    *,
    seed: int = 0,
    num_train: int = 6,
    device: str = "cpu",
    **changes: Any,
) -> Pearl:
    task_set = draw_task_set(family, seed=0, num_train=num_train, num_test=4)
    config = dataclasses.replace(TINY_PEARL, **changes)
    return Pearl(config, family, task_set, seed=seed, device=torch.device(device))


@pytest.fixture
def counting() -> CountingFamily:
    return CountingFamily()


@pytest.fixture
def noisy_level() -> NoisyLevelFamily:
    return NoisyLevelFamily()


@pytest.fixture
def point_robot() -> TaskFamily:
    return FAMILIES["point_robot"]


@pytest.fixture
def make_pearl() -> Callable[..., Pearl]:
    return build_pearl
