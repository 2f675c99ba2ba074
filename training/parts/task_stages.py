"""Collecting for gradient-based meta-learning: before and after each inner step, on many tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from training.parts.actor import Drawn, Memoryless
from training.parts.gradient_actor import GradientActor
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


@dataclass(frozen=True, kw_only=True)
class TaskExplorer:
    """Collects as a learner's inner steps need it, in training and in trials alike."""

    worlds: VectorWorld
    """K·M of them"""
    tasks: Sequence[Task]
    """that are learnt from"""
    state: LearnerState
    inner_credit: Credit
    """what inner steps of training learn from"""
    outer_credit: Credit
    """what outer steps learn from: the episodes after the last inner step"""
    trial_credit: Credit
    num_tasks: int
    """K: tasks of an iteration"""
    num_episodes: int
    """M: what an inner step sees of a task"""
    num_inner_steps: int

    def draw(self) -> Tensor:
        """(K,) train tasks, by index: each at most once, unless more are wanted than there are."""
        number = len(self.tasks)
        chosen = self.state.rng.choice(number, self.num_tasks, replace=self.num_tasks > number)
        return torch.from_numpy(chosen)

    @torch.no_grad()
    def collect(
        self, chosen: Tensor, adaptation: TaskAdaptation, start: Parameters, *, adapts: bool = True
    ) -> list[Stage]:
        """M episodes on each of `chosen` tasks (K,) before every inner step, M after the last.

        Stage n was collected with the state after n inner steps; there is but one where nothing
        `adapts`. Observation statistics take in the episodes in the end: within an iteration
        there is one measure, or ratios would be off.
        """
        state, own, stages, collected = self.state, start, [], []
        tasks = [self.tasks[index] for index in chosen for _ in range(self.num_episodes)]
        num_steps = self.num_inner_steps if adapts else 0
        for index in range(num_steps + 1):
            actor = TaskActor(adaptation, own, len(chosen), state)
            episodes = collect_trials(
                self.worlds,
                tasks,
                actor,
                num_episodes=1,
                seed=int(state.rng.integers(2**31)),
                device=state.device,
            )
            collected.append(episodes)
            stages.append(
                stage_of(
                    episodes,
                    actor.held,
                    adaptation.latents(own, actor.held),
                    self.inner_credit if index < num_steps else self.outer_credit,
                    state.statistics,
                    len(chosen),
                )
            )
            if index < num_steps:
                own = adaptation.adapted(own, stages[-1])
        for episodes in collected:
            episodes.update(state.statistics)
            state.num_environment_steps += int(episodes.is_valid.sum())
        return stages

    def actor(
        self, adaptation: TaskAdaptation, start: Parameters, *, is_deterministic: bool
    ) -> GradientActor:
        """What trials run, from `start` (W, ...) on."""
        return GradientActor(
            adaptation,
            start,
            self.state.statistics,
            self.trial_credit,
            num_exploration_episodes=self.num_episodes,
            num_inner_steps=self.num_inner_steps,
            generator=None if is_deterministic else self.state.generator,
        )


def figures_of(stages: Sequence[Stage]) -> dict[str, float]:
    """Mean returns of an episode: after the last inner step, and before the first."""
    return {
        "train_return": stages[-1].mean_return(),
        "train_return_before": stages[0].mean_return(),
    }
