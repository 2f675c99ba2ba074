"""The episodes of an evaluation as a file: for whoever runs them where tasks are not known.

Tasks, and where their episodes start, are drawn by training code. A robot's computer, or a node of
a graph, gets them drawn: `taskbelief plan` writes the file, `read_plan` gives tasks to evaluate.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sim2real.contract.errors import BadInput
from sim2real.contract.output_file import write_file
from sim2real.contract.strict import build
from sim2real.contract.text_file import read_json
from sim2real.evaluation.protocol import TrialProtocol
from sim2real.evaluation.session import BenchTask, EpisodePlan
from sim2real.skills.goal import GoalSignal

SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class PlannedEpisode:
    """An `EpisodePlan` in plain numbers."""

    seed: int
    goal_centre: tuple[float, ...]
    goal_amplitude: tuple[float, ...]
    goal_frequency_rad_s: tuple[float, ...]
    joint_rad: tuple[float, ...]
    valve_rad: float


@dataclass(frozen=True, kw_only=True)
class PlannedTask:
    """A `BenchTask` with all its episodes."""

    name: str
    parameters: Mapping[str, tuple[float, ...]]
    reference: str
    """FILE:INDEX, as `taskbelief emulate --task` takes it"""
    episodes: tuple[PlannedEpisode, ...]


@dataclass(frozen=True, kw_only=True)
class EvaluationPlan:
    """What the file holds."""

    schema_version: int
    task_set_sha256: str
    num_episodes: int
    num_trials: int
    seed: int
    tasks: tuple[PlannedTask, ...]

    @property
    def protocol(self) -> TrialProtocol:
        return TrialProtocol(
            num_episodes=self.num_episodes, num_trials=self.num_trials, seed=self.seed
        )

    def bench_tasks(self) -> list[BenchTask]:
        """Tasks that know the episodes of this plan and no others."""
        return [_bench_task(task) for task in self.tasks]


def make_plan(
    tasks: Sequence[BenchTask], protocol: TrialProtocol, task_set_sha256: str
) -> EvaluationPlan:
    """Every episode that the protocol asks for, drawn."""
    of_trials = [protocol.for_trial(trial) for trial in range(protocol.num_trials)]
    seeds = [seed for of_trial in of_trials for seed in of_trial.episode_seeds()]
    return EvaluationPlan(
        schema_version=SCHEMA_VERSION,
        task_set_sha256=task_set_sha256,
        num_episodes=protocol.num_episodes,
        num_trials=protocol.num_trials,
        seed=protocol.seed,
        tasks=tuple(
            PlannedTask(
                name=task.name,
                parameters=task.parameters,
                reference=task.reference,
                episodes=tuple(_planned(task.plan(seed)) for seed in seeds),
            )
            for task in tasks
        ),
    )


def write_plan(path: Path, plan: EvaluationPlan) -> None:
    """Written beside, then renamed; lossless."""
    write_file(path, json.dumps(dataclasses.asdict(plan), indent=1, allow_nan=False) + "\n")


def read_plan(path: Path) -> EvaluationPlan:
    """Raises `BadInput` for a file that is no plan."""
    where = str(path)
    plan = build(EvaluationPlan, read_json(path, "a plan"), where)
    if plan.schema_version != SCHEMA_VERSION:
        found = plan.schema_version
        raise BadInput(where, "schema_version", found=found, expected=str(SCHEMA_VERSION))
    return plan


def _planned(plan: EpisodePlan) -> PlannedEpisode:
    return PlannedEpisode(
        seed=plan.seed,
        goal_centre=tuple(plan.goal.centre.tolist()),
        goal_amplitude=tuple(plan.goal.amplitude.tolist()),
        goal_frequency_rad_s=tuple(plan.goal.frequency_rad_s.tolist()),
        joint_rad=tuple(plan.joint_rad.tolist()),
        valve_rad=plan.valve_rad,
    )


def _bench_task(task: PlannedTask) -> BenchTask:
    episodes = {episode.seed: episode for episode in task.episodes}

    def plan(seed: int) -> EpisodePlan:
        episode = episodes[seed]
        goal = GoalSignal(
            centre=np.array(episode.goal_centre),
            amplitude=np.array(episode.goal_amplitude),
            frequency_rad_s=np.array(episode.goal_frequency_rad_s),
        )
        return EpisodePlan(
            seed=seed,
            goal=goal,
            joint_rad=np.array(episode.joint_rad),
            valve_rad=episode.valve_rad,
            noise=np.random.default_rng(seed),
        )

    return BenchTask(
        name=task.name, parameters=task.parameters, plan=plan, reference=task.reference
    )
