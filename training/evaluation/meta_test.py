"""Meta-testing: what adaptation is worth on held-out tasks. One protocol for every algorithm.

A trial starts from the prior on one task and runs several episodes with deterministic actions;
the last one is the *adapted* one. Beside it, on the same tasks and starting points:

* `frozen_prior`: no evidence ever arrives, and every episode starts from the prior;
* `wrong_task`: just before the last episode each world is handed the belief of another task's
  world. A latent that is held for an episode stays wrong; a recurrent belief may find out.

If adaptation matters, both are worse than `adapted`.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sim2real.contract.transition import Transition
from sim2real.evaluation.metrics import bootstrap_interval
from training.evaluation.adapter import Adapter
from training.tasks.task import Task, TaskFamily
from training.worlds.vector_world import VectorWorld

Condition = Literal["adapted", "frozen_prior", "wrong_task"]
CONDITIONS: tuple[Condition, ...] = ("adapted", "frozen_prior", "wrong_task")
METRICS = ("return", "dense_return", "success", "success_fraction")
CSV_COLUMNS = ("condition", "task", "trial", "episode", "metric", "value")


@dataclass(frozen=True, kw_only=True)
class MetaTestProtocol:
    """What an evaluation consists of; equal protocols and task sets make results comparable."""

    num_episodes: int = 3
    """episodes of a trial"""
    num_trials: int = 4
    """trials per task, which differ in starting points and latents"""
    conditions: tuple[Condition, ...] = CONDITIONS
    """what is compared"""
    seed: int = 0
    """of starting points and latents; the same for all conditions"""
    num_world_threads: int = 1
    """threads that step the worlds; results do not depend on it"""

    def __post_init__(self) -> None:
        if self.num_episodes < 1 or self.num_trials < 1 or not self.conditions:
            raise ValueError("a protocol needs an episode, a trial and a condition")


@dataclass(frozen=True, kw_only=True)
class MetaTestResult:
    """Every metric of every episode."""

    task_names: tuple[str, ...]
    episodes: dict[Condition, dict[str, NDArray[np.float64]]]
    """by condition and metric: (task, trial, episode).

    `return` is what an evaluator pays (the sparse reward where a family has one), `dense_return`
    the shaped one, `success` whether the skill's condition held at the last step, and
    `success_fraction` at which share of the steps.
    """

    def last(self, condition: Condition, metric: str) -> NDArray[np.float64]:
        """(task,) the last episode's value, averaged over trials."""
        values: NDArray[np.float64] = self.episodes[condition][metric][:, :, -1].mean(1)
        return values

    def summary(self) -> dict[str, Any]:
        """Means and intervals over tasks: by condition (last episode), and by episode."""
        adapted = next(iter(self.episodes.values()))
        num_episodes = adapted["return"].shape[2]
        conditions = {
            name: {metric: _interval(values[:, :, -1]) for metric, values in metrics.items()}
            for name, metrics in self.episodes.items()
        }
        by_episode = [
            {metric: _interval(values[:, :, episode]) for metric, values in adapted.items()}
            for episode in range(num_episodes)
        ]
        return {
            "tasks": len(self.task_names),
            "trials": adapted["return"].shape[1],
            "conditions": {**conditions, "episode_0": by_episode[0]},
            "adapted_by_episode": by_episode,
        }

    def write_csv(self, path: Path) -> None:
        """Long form: one value a line."""
        write_table(path, CSV_COLUMNS, self.lines())

    def lines(self) -> Iterator[tuple[Any, ...]]:
        """Every value with its place, in the order of `CSV_COLUMNS`."""
        for condition, metrics in self.episodes.items():
            for metric, values in metrics.items():
                for (task, trial, episode), value in np.ndenumerate(values):
                    name = self.task_names[task]
                    yield condition, name, trial, episode, metric, repr(float(value))


def write_table(path: Path, columns: Sequence[str], lines: Iterable[Sequence[Any]]) -> None:
    """A CSV file with a header. Written beside, then renamed."""
    beside = path.with_name(path.name + ".part")
    with beside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(lines)
    beside.replace(path)


def _interval(values: NDArray[np.float64]) -> dict[str, float]:
    return bootstrap_interval(values.mean(1))._asdict()


def meta_test(
    make_adapter: Callable[[Sequence[Task]], Adapter],
    family: TaskFamily,
    tasks: Sequence[Task],
    protocol: MetaTestProtocol,
) -> MetaTestResult:
    """Run the protocol: every task × trial in a world of its own, all stepped together.

    Raises `ValueError` for the condition `wrong_task` with fewer than two tasks.
    """
    if "wrong_task" in protocol.conditions and len(tasks) < 2:
        raise ValueError("wrong_task needs two tasks or more")
    world_tasks = [task for task in tasks for _ in range(protocol.num_trials)]
    world = family.make_world(len(world_tasks), num_threads=protocol.num_world_threads)
    adapter = make_adapter(world_tasks)
    try:
        episodes = {
            condition: _run_condition(condition, adapter, world, world_tasks, protocol)
            for condition in protocol.conditions
        }
    finally:
        world.close()
    return MetaTestResult(task_names=tuple(task.name for task in tasks), episodes=episodes)


def _run_condition(
    condition: Condition,
    adapter: Adapter,
    world: VectorWorld,
    tasks: Sequence[Task],
    protocol: MetaTestProtocol,
) -> dict[str, NDArray[np.float64]]:
    """All trials under one condition: by metric, (task, trial, episode)."""
    seeds = np.random.SeedSequence(protocol.seed).generate_state(protocol.num_episodes + 1)
    adapter.begin_trial(int(seeds[-1]))
    per_episode = []
    for episode in range(protocol.num_episodes):
        is_last = episode == protocol.num_episodes - 1
        if condition == "frozen_prior" and episode > 0:
            adapter.begin_trial(int(seeds[episode - 1]))
        if condition == "wrong_task" and is_last:
            adapter.exchange_beliefs(np.roll(np.arange(len(tasks)), protocol.num_trials))
        has_evidence = condition != "frozen_prior"
        per_episode.append(
            _run_episode(adapter, world, tasks, int(seeds[episode]), has_evidence=has_evidence)
        )
    return {
        metric: np.stack([values[metric] for values in per_episode], -1).reshape(
            -1, protocol.num_trials, protocol.num_episodes
        )
        for metric in METRICS
    }


def _run_episode(
    adapter: Adapter,
    world: VectorWorld,
    tasks: Sequence[Task],
    seed: int,
    *,
    has_evidence: bool,
) -> dict[str, NDArray[np.float64]]:
    """One episode in every world, in step; worlds that end early wait for the others: (W,)."""
    num_worlds = len(tasks)
    totals = {metric: np.zeros(num_worlds) for metric in METRICS}
    length = np.zeros(num_worlds)
    is_running = np.ones(num_worlds, bool)
    observation = world.reset(tasks, seed)
    adapter.begin_episode()
    while is_running.any():
        result = world.step(adapter.act(observation))
        transition = Transition(
            observation=observation,
            action=result.applied_action,
            reward=result.reward,
            next_observation=result.final_observation,
            terminated=result.terminated,
            truncated=result.truncated,
        )
        if has_evidence:
            adapter.observe(transition, result.sparse_reward, is_running)
        totals["return"] += is_running * result.sparse_reward
        totals["dense_return"] += is_running * result.reward
        totals["success_fraction"] += is_running * result.success
        totals["success"] = np.where(is_running, result.success, totals["success"])
        length += is_running
        is_running &= ~(result.terminated | result.truncated)
        observation = result.observation
    totals["success_fraction"] /= length
    return totals
