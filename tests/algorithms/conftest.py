"""Tiny worlds and settings in which an algorithm's properties show within seconds."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from training.algorithms.learner import TrainingSetup
from training.algorithms.pearl import Pearl
from training.algorithms.rl2 import Rl2
from training.algorithms.sac import Sac
from training.families.registry import FAMILIES
from training.tasks.task import Parameter, Task, TaskFamily
from training.tasks.task_set import draw_task_set
from training.worlds.vector_world import StepResult


class CountingWorld:
    """The observation counts the steps of the episode; everything can be told apart afterwards.

    Episodes end by time after 4 steps, except in tasks with `falls` 1, which end by themselves
    after 3. The dense reward is the task's level + 1000, the sparse one the level.
    """

    observation_size, action_size, episode_length = 2, 1, 4
    has_choices = False
    frame_shape: tuple[int, int, int] | None = None
    control_period_s: float | None = None

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
    further_parameters = ()
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


def build(
    learner_type: type[Any],
    family: TaskFamily,
    *,
    seed: int = 0,
    num_train: int = 6,
    num_trial_episodes: int = 2,
    device: str = "cpu",
    **changes: Any,
) -> Any:
    """A learner at its smallest, with `changes` to its settings."""
    setup = TrainingSetup(
        family=family,
        task_set=draw_task_set(family, seed=0, num_train=num_train, num_test=4),
        seed=seed,
        device=torch.device(device),
        num_trial_episodes=num_trial_episodes,
    )
    config = dataclasses.replace(learner_type.config_type.smallest(), **changes)
    return learner_type(config, setup)


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
    return partial(build, Pearl)


@pytest.fixture
def make_rl2() -> Callable[..., Rl2]:
    return partial(build, Rl2)


@pytest.fixture
def make_sac() -> Callable[..., Sac]:
    return partial(build, Sac)
