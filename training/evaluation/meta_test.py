"""Meta-testing: what adaptation is worth on held-out tasks. One protocol for every algorithm.

A trial starts from the prior on one task and runs several episodes with deterministic actions;
the last one is the *adapted* one. Beside it, on the same tasks and starting points:

* `frozen_prior`: no evidence ever arrives, and every episode starts from the prior;
* `wrong_task`: just before the last episode each world is handed the belief of another task's
  world, and keeps it: what happens in that episode is no evidence.

If adaptation matters, both are worse than `adapted`. Conditions and protocol are those of the
robot's evaluation (`sim2real.evaluation`), so that a word names one number on both sides.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim2real.contract.output_file import write_file
from sim2real.evaluation.metrics import interval_of
from sim2real.evaluation.protocol import FROZEN, Condition, TrialProtocol
from training.parts.actor import Actor
from training.tasks.task import Task, TaskFamily
from training.worlds.vector_world import VectorWorld

CONDITIONS = (Condition.ADAPTED, Condition.FROZEN_PRIOR, Condition.WRONG_TASK)
"""of a learner that adapts; the others have `adapted` alone"""
METRICS = ("return", "dense_return", "success", "success_fraction")
MakeActor = Callable[[Sequence[Task]], Actor]
"""what is tested: its behaviour in one world per task"""
CSV_COLUMNS = ("condition", "task", "trial", "episode", "metric", "value")


def conditions_with(num_tasks: int) -> tuple[Condition, ...]:
    """All of them, as far as there are other tasks to take a wrong belief from."""
    return CONDITIONS if num_tasks > 1 else (Condition.ADAPTED, Condition.FROZEN_PRIOR)


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

    @property
    def num_episodes(self) -> int:
        """Of a trial."""
        count: int = next(iter(self.episodes.values()))["return"].shape[2]
        return count

    def last(self, condition: Condition, metric: str) -> NDArray[np.float64]:
        """(task,) the last episode's value, averaged over trials."""
        values: NDArray[np.float64] = self.episodes[condition][metric][:, :, -1].mean(1)
        return values

    def summary(self) -> dict[str, Any]:
        """Means and intervals over tasks: by condition (last episode), and by episode."""
        adapted = next(iter(self.episodes.values()))
        conditions = {name: _intervals(metrics, -1) for name, metrics in self.episodes.items()}
        by_episode = [_intervals(adapted, episode) for episode in range(self.num_episodes)]
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
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows(lines)
    write_file(path, text.getvalue())


def _intervals(
    metrics: Mapping[str, NDArray[np.float64]], episode: int
) -> dict[str, dict[str, float]]:
    return {
        metric: interval_of(metric, values[:, :, episode])._asdict()
        for metric, values in metrics.items()
    }


def meta_test(
    make_actor: MakeActor,
    family: TaskFamily,
    tasks: Sequence[Task],
    protocol: TrialProtocol,
    *,
    conditions: Sequence[Condition] = CONDITIONS,
    num_world_threads: int = 1,
) -> MetaTestResult:
    """Run the protocol: every task × trial in a world of its own, all stepped together.

    Results do not depend on the threads that step the worlds. Raises `ValueError` for the condition
    `wrong_task` with fewer than two tasks.
    """
    if Condition.WRONG_TASK in conditions and len(tasks) < 2:
        raise ValueError("wrong_task needs two tasks or more")
    world_tasks = [task for task in tasks for _ in range(protocol.num_trials)]
    world = family.make_world(len(world_tasks), num_threads=num_world_threads)
    actor = make_actor(world_tasks)
    try:
        episodes = {
            condition: _run_condition(condition, actor, world, world_tasks, protocol)
            for condition in conditions
        }
    finally:
        world.close()
    return MetaTestResult(task_names=tuple(task.name for task in tasks), episodes=episodes)


def _run_condition(
    condition: Condition,
    actor: Actor,
    world: VectorWorld,
    tasks: Sequence[Task],
    protocol: TrialProtocol,
) -> dict[str, NDArray[np.float64]]:
    """All trials under one condition: by metric, (task, trial, episode)."""
    seeds, latent_seed = protocol.episode_seeds(), protocol.common_latent_seed()
    actor.begin_trial(latent_seed)
    per_episode = []
    for episode, seed in enumerate(seeds):
        is_last = episode == protocol.num_episodes - 1
        if condition == Condition.FROZEN_PRIOR and episode > 0:
            actor.begin_trial(seeds[episode - 1])
        if condition == Condition.WRONG_TASK and is_last:
            actor.exchange_beliefs(np.roll(np.arange(len(tasks)), protocol.num_trials))
        # Of the conditions that end without evidence, one had some on the way there.
        is_frozen = condition in FROZEN and (is_last or condition == Condition.FROZEN_PRIOR)
        per_episode.append(_run_episode(actor, world, tasks, seed, has_evidence=not is_frozen))
    return {
        metric: np.stack([values[metric] for values in per_episode], -1).reshape(
            -1, protocol.num_trials, protocol.num_episodes
        )
        for metric in METRICS
    }


def _run_episode(
    actor: Actor,
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
    actor.begin_episode(is_running)
    while is_running.any():
        result = world.step(actor.act(observation).action)
        transition = result.transition(observation)
        if has_evidence:
            actor.observe(transition, result.sparse_reward, is_running)
        totals["return"] += is_running * result.sparse_reward
        totals["dense_return"] += is_running * result.reward
        totals["success_fraction"] += is_running * result.success
        totals["success"] = np.where(is_running, result.success, totals["success"])
        length += is_running
        is_running &= ~(result.terminated | result.truncated)
        observation = result.observation
    totals["success_fraction"] /= length
    return totals
