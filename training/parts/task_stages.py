"""Collecting for gradient-based meta-learning: before and after each inner step, on many tasks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from training.parts.actor import Drawn, Memoryless
from training.parts.gradient_adaptation import Credit, Stage, TaskAdaptation, stage_of
from training.parts.inner_loop import Parameters
from training.parts.learner_state import LearnerState
from training.parts.trials import collect_trials
from training.tasks.task import Task
from training.worlds.vector_world import Bool, Float, VectorWorld


class TaskActor(Memoryless):
    """Explores K tasks in K·M worlds, a task's side by side, each with the task's own state."""

    def __init__(
        self, adaptation: TaskAdaptation, own: Parameters, num_tasks: int, state: LearnerState
    ) -> None:
        self._adaptation, self._own, self._num_tasks = adaptation, own, num_tasks
        self._state = state
        self.held = torch.empty(0)

    def begin_episode(self, starts: Bool) -> None:
        """Draws what is held through the episode: (K, M, L)."""
        generator, size = self._state.generator, self._adaptation.held_size
        drawn = torch.randn(len(starts), size, generator=generator, device=generator.device)
        self.held = drawn.unflatten(0, (self._num_tasks, -1))

    @torch.no_grad()
    def act(self, observation: Float) -> Drawn:
        rows = self._state.statistics.normalize_raw(observation)
        rows = rows.unflatten(0, (self._num_tasks, -1))
        distribution = self._adaptation.distributions(self._own, rows, self.held)
        action, log_density = distribution.draw(self._state.generator)
        return Drawn(action.flatten(0, 1).cpu().numpy(), log_density.flatten().cpu().numpy())


@torch.no_grad()
def collect_stages(
    worlds: VectorWorld,
    tasks: Sequence[Task],
    adaptation: TaskAdaptation,
    start: Parameters,
    state: LearnerState,
    credit: Credit,
    *,
    num_inner_steps: int,
) -> list[Stage]:
    """An episode in each of the K·M worlds before every inner step, and one after the last.

    Stage n was collected with the state after n inner steps. Observation statistics take in the
    episodes in the end: within an iteration there is one measure, or ratios would be off.
    """
    own, stages, collected = start, [], []
    for index in range(num_inner_steps + 1):
        actor = TaskActor(adaptation, own, len(tasks), state)
        episodes = collect_trials(
            worlds,
            _side_by_side(tasks, worlds.num_worlds),
            actor,
            num_episodes=1,
            seed=int(state.rng.integers(2**31)),
            device=state.device,
        )
        collected.append(episodes)
        stages.append(stage_of(episodes, actor.held, credit, state.statistics, len(tasks)))
        if index < num_inner_steps:
            own = adaptation.adapted(own, stages[-1])
    for episodes in collected:
        episodes.update(state.statistics)
        state.num_environment_steps += int(episodes.is_valid.sum())
    return stages


def _side_by_side(tasks: Sequence[Task], num_worlds: int) -> list[Task]:
    """(K·M) every task M times, in a row."""
    return [task for task in tasks for _ in range(num_worlds // len(tasks))]


def figures_of(stages: Sequence[Stage]) -> dict[str, float]:
    """Mean returns of an episode: after the last inner step, and before the first."""
    return {
        "train_return": stages[-1].mean_return(),
        "train_return_before": stages[0].mean_return(),
    }


def draw_tasks(state: LearnerState, num_train: int, num_tasks: int) -> Tensor:
    """(K,) indices of train tasks: each at most once, unless more are wanted than there are."""
    chosen = state.rng.choice(num_train, num_tasks, replace=num_tasks > num_train)
    return torch.from_numpy(chosen)
