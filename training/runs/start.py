"""From a recipe to a finished run, or from a run directory to where it stopped."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from sim2real.contract.errors import BadInput
from training.algorithms.learner import Learner
from training.algorithms.registry import ALGORITHMS
from training.evaluation.meta_test import MetaTestProtocol, MetaTestResult, meta_test
from training.families.registry import FAMILIES
from training.recipes.registry import Recipe
from training.runs.checkpoint import CheckpointStore
from training.runs.progress import Progress
from training.runs.provenance import provenance
from training.runs.run import Rhythm, Run, write_json
from training.tasks.task_set import TaskSet, draw_task_set, load_task_set

CONFIG_VERSION = 1


def start_run(
    recipe: Recipe,
    *,
    name: str,
    seed: int,
    directory: Path,
    device: str = "cpu",
    is_quiet: bool = False,
) -> Learner:
    """Train from nothing. Raises `BadInput` when the directory holds a run already."""
    if (directory / "config.json").exists():
        raise BadInput(
            str(directory), "run", found="a run", expected="no run", remedy="--resume goes on"
        )
    family = FAMILIES[recipe.family]
    task_set = draw_task_set(
        family,
        seed=recipe.task_seed,
        num_train=recipe.num_train_tasks,
        num_test=recipe.num_test_tasks,
    )
    directory.mkdir(parents=True, exist_ok=True)
    task_set.save(directory / "tasks.json")
    write_json(
        directory / "config.json",
        {
            "schema_version": CONFIG_VERSION,
            "name": name,
            "seed": seed,
            "recipe": dataclasses.asdict(recipe),
            "task_set_sha256": task_set.sha256,
            "provenance": provenance(),
        },
    )
    return _train(recipe, name, seed, task_set, directory, device, is_quiet, resumes=False)


def resume_run(directory: Path, *, device: str = "cpu", is_quiet: bool = False) -> Learner:
    """Go on from the latest checkpoint, or from the start where there is none yet.

    Raises `BadInput` when the directory holds no run or its tasks were changed.
    """
    recipe, name, seed, task_set = read_run(directory)
    return _train(recipe, name, seed, task_set, directory, device, is_quiet, resumes=True)


def read_run(directory: Path) -> tuple[Recipe, str, int, TaskSet]:
    """Recipe, its name, seed and task set of a run directory.

    Raises `BadInput` when something is missing or does not fit.
    """
    path = directory / "config.json"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        recipe = _read_recipe(document["recipe"])
        name, seed, stated = document["name"], document["seed"], document["task_set_sha256"]
    except FileNotFoundError:
        raise BadInput(str(directory), "config.json", found="nothing", expected="a run") from None
    except (json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise BadInput(str(path), "run", found=repr(error), expected="a run's config") from None
    task_set = load_task_set(directory / "tasks.json")
    if task_set.sha256 != stated:
        raise BadInput(
            str(directory), "tasks.json", found=task_set.sha256, expected=f"task set {stated}"
        )
    return recipe, name, seed, task_set


def _read_recipe(document: dict[str, Any]) -> Recipe:
    config_type = ALGORITHMS[document["algorithm"]].config_type
    settings = {
        field: tuple(value) if isinstance(value, list) else value
        for field, value in document["config"].items()
    }
    return Recipe(**{**document, "config": config_type(**settings)})


def _train(
    recipe: Recipe,
    name: str,
    seed: int,
    task_set: TaskSet,
    directory: Path,
    device: str,
    is_quiet: bool,
    *,
    resumes: bool,
) -> Learner:
    config, family = recipe.config, FAMILIES[recipe.family]
    protocol = MetaTestProtocol(
        num_episodes=config.num_trial_episodes,
        num_trials=recipe.num_evaluation_trials,
        num_world_threads=config.num_world_threads,
    )

    def evaluate(learner: Learner) -> MetaTestResult:
        return meta_test(learner.make_adapter, family, task_set.test, protocol)

    run = Run(
        directory,
        seed=seed,
        rhythm=Rhythm(
            evaluation_interval=config.evaluation_interval,
            checkpoint_interval=config.checkpoint_interval,
        ),
        evaluate=evaluate,
        progress=Progress(Console(), title=f"{name} seed {seed}", is_quiet=is_quiet),
        resumes=resumes,
    )
    algorithm = ALGORITHMS[recipe.algorithm]
    learner: Learner = algorithm.train(config, family, task_set, run, device=torch.device(device))
    return learner


def load_learner(directory: Path, *, device: str = "cpu") -> Learner:
    """The learner of a run as its latest checkpoint has it: for evaluation and export.

    Raises `BadInput` when there is no run or no checkpoint.
    """
    recipe, _, seed, task_set = read_run(directory)
    algorithm = ALGORITHMS[recipe.algorithm]
    learner: Learner = algorithm.learner_type(
        recipe.config, FAMILIES[recipe.family], task_set, seed=seed, device=torch.device(device)
    )
    CheckpointStore(directory / "checkpoints").load_latest(learner)
    return learner
