"""A world of one step, in which a gradient learner's properties show at once, and helpers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from training.parts.gradient_adaptation import Stage
from training.tasks.task import Parameter, Task
from training.worlds.vector_world import StepResult


class BanditWorld:
    """One step an episode: minus the squared distance of the action to the task's own."""

    observation_size, action_size, episode_length = 1, 1, 1
    control_period_s: float | None = None
    frame_shape = None

    def __init__(self, num_worlds: int) -> None:
        self.num_worlds = num_worlds

    def reset(self, tasks: Sequence[Task], seed: int) -> np.ndarray:
        self.goal = np.array([task.parameters["goal"][0] for task in tasks], np.float32)
        return np.zeros((self.num_worlds, 1), np.float32)

    def step(self, action: np.ndarray) -> StepResult:
        reward = -((action[:, 0] - self.goal) ** 2).astype(np.float32)
        observation, ends = np.zeros((self.num_worlds, 1), np.float32), np.ones(self.num_worlds)
        return StepResult(
            observation=observation,
            final_observation=observation,
            reward=reward,
            sparse_reward=(reward > -0.04).astype(np.float32),
            success=reward > -0.04,
            terminated=np.zeros(self.num_worlds, bool),
            truncated=ends.astype(bool),
            applied_action=np.clip(action, -1, 1).astype(np.float32),
        )

    def close(self) -> None:
        pass


class BanditFamily:
    """Goals about -0.5 and 0.5 in turn."""

    name = "bandit"
    num_distinct_tasks = None
    parameters = (
        Parameter(name="goal", unit="1", low=(-1.0,), high=(1.0,), changes_dynamics=False),
    )

    def sample(self, rng: np.random.Generator, num_tasks: int) -> list[dict[str, Any]]:
        return [{"goal": (0.5 - index % 2 + 1e-4 * index,)} for index in range(num_tasks)]

    def make_world(self, num_worlds: int, *, num_threads: int = 1) -> BanditWorld:
        return BanditWorld(num_worlds)


def doubled(stages: Sequence[Stage]) -> list[Stage]:
    """The same in float64: for finite differences."""
    return [Stage(*(values.double() for values in stage)) for stage in stages]


def flat(values: Any) -> Tensor:
    tensors = values.values() if isinstance(values, dict) else values
    return torch.cat([value.detach().reshape(-1) for value in tensors])


def gradient(loss: Tensor, parameters: Sequence[Tensor]) -> Tensor:
    return flat(torch.autograd.grad(loss, list(parameters), materialize_grads=True))


@torch.no_grad()
def numerical(
    loss: Callable[[], Tensor], parameters: Sequence[Tensor], width: float = 1e-5
) -> Tensor:
    """Central finite differences, element by element."""
    slopes = []
    for parameter in parameters:
        for element in parameter.view(-1).split(1):
            kept = element.clone()
            element.copy_(kept + width)
            above = loss()
            element.copy_(kept - width)
            slopes.append((above - loss()) / (2 * width))
            element.copy_(kept)
    return torch.stack(slopes)


def grown(policy: Any) -> None:
    """The last layer starts small: make every derivative show."""
    with torch.no_grad():
        policy.network.layers[-1].weight.mul_(50.0)
