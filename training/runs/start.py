"""From a recipe to a finished run, or from a run directory to where it stopped."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from sim2real.contract import strict
from sim2real.contract.errors import BadInput
from sim2real.contract.output_file import unless_refused, write_json
from sim2real.contract.text_file import read_json
from sim2real.evaluation.protocol import TrialProtocol
from training.algorithms.belief_policy import BeliefPolicySettings
from training.algorithms.learner import Learner, TrainingSetup, deployed_actor
from training.algorithms.registry import ALGORITHMS
from training.algorithms.settings import ExplorationSettings, TrialPpoSettings
from training.algorithms.task_inference import TaskInferenceConfig
from training.evaluation.meta_test import MetaTestResult, conditions_with, meta_test
from training.families.backend import simulated_by
from training.families.claw import ClawFamily
from training.families.registry import FAMILIES, family_on
from training.families.saved_tasks import saved_tasks
from training.parts.checked import Settings
from training.parts.curriculum import Curriculum
from training.recipes.recipe import Recipe
from training.recipes.registry import run_settings
from training.runs.checkpoint import CheckpointStore
from training.runs.progress import Progress
from training.runs.provenance import RunProvenance, provenance
from training.runs.run import Run
from training.tasks.task import TaskFamily
from training.tasks.task_set import TaskSet, draw_task_set

CONFIG_VERSION = 8
"""1 had the settings of the run among those of the algorithm; 2 knew drawn tasks only; 3 did not
say for which robot; 4 knew the claw alone; 5 had no budget of environment steps; 6 knew no backend
but MuJoCo, learnt recurrent policies from the dense reward, beliefs from noisy trials, and none
about a logarithm; 7 knew no easier forms of tasks, and no belief whose learning rate falls"""

_BEFORE: tuple[tuple[int, str, Any], ...] = (
    (3, "tasks_sha256", ""),
    (5, "robot", ""),
    (6, "max_environment_steps", 0),
    (7, "backend", "mujoco"),
    (8, "eased_until", 0.0),
)
"""what recipes said, without saying so, before the version that has a field for it"""
_SETTINGS_BEFORE: tuple[tuple[int, type[Settings], str, Any], ...] = (
    (5, ExplorationSettings, "inner_steps_on", "training_reward"),
    (7, TrialPpoSettings, "training_reward", "dense"),
    (7, BeliefPolicySettings, "num_deployed_trials", 0),
    (8, BeliefPolicySettings, "final_belief_learning_rate", None),
)
"""likewise settings of the algorithms that have them"""


@dataclass(frozen=True, kw_only=True)
class Config:
    """`config.json`, its recipe apart."""

    schema_version: int
    name: str
    """of the recipe"""
    seed: int
    """of networks, exploration and sampling"""
    recipe: Mapping[str, Any]
    """a `Recipe`, whose algorithm says which settings its config holds"""
    task_set_sha256: str
    """of tasks.json"""
    robot_fingerprint: str
    """of the robot that performs the tasks, as a bundle names it; empty where none does"""
    provenance: RunProvenance
    """where the run comes from"""


def start_run(
    recipe: Recipe,
    *,
    name: str,
    seed: int,
    directory: Path,
    device: str = "cpu",
    is_quiet: bool = False,
    given: TaskSet | None = None,
) -> Learner:
    """Train from nothing, on tasks that are `given` or drawn as the recipe says.

    Raises `BadInput` when the directory holds a run already.
    """
    if (directory / "config.json").exists():
        raise BadInput(
            str(directory), "run", found="a run", expected="no run", remedy="--resume goes on"
        )
    recipe = recipe if given is None else on_tasks(recipe, given)
    task_set = given or draw_task_set(
        family_of(recipe),
        seed=recipe.task_seed,
        num_train=recipe.num_train_tasks,
        num_test=recipe.num_test_tasks,
    )
    learner = make_learner(recipe, task_set, seed=seed, device=device)
    files = tuple(directory / file for file in ("tasks.json", "config.json", "metrics.csv"))
    with unless_refused(directory, *files):
        task_set.save(directory / "tasks.json")
        write_json(
            directory / "config.json",
            {
                "schema_version": CONFIG_VERSION,
                "name": name,
                "seed": seed,
                "recipe": dataclasses.asdict(recipe),
                "task_set_sha256": task_set.sha256,
                "robot_fingerprint": _robot_of(recipe),
                "provenance": dataclasses.asdict(provenance()),
            },
        )
        title = f"{name} seed {seed}"
        return _train(learner, recipe, title, task_set, directory, is_quiet, device, resumes=False)


def family_of(recipe: Recipe) -> TaskFamily:
    """The family of a recipe, on its robot."""
    return family_on(recipe.family, recipe.robot)


def worlds_of(recipe: Recipe, device: str) -> TaskFamily:
    """The same with the engine that the run is trained on. Raises `BadInput` where it is not."""
    return simulated_by(family_of(recipe), recipe.backend, device)


def on_tasks(recipe: Recipe, task_set: TaskSet) -> Recipe:
    """The recipe on tasks that were given instead of drawn."""
    return dataclasses.replace(
        recipe,
        num_train_tasks=len(task_set.train),
        num_test_tasks=len(task_set.test),
        task_seed=task_set.seed,
        tasks_sha256=task_set.sha256,
    )


def resume_run(directory: Path, *, device: str = "cpu", is_quiet: bool = False) -> Learner:
    """Go on from the latest checkpoint, or from the start where there is none yet.

    Raises `BadInput` when the directory holds no run or its tasks were changed.
    """
    recipe, name, seed, task_set = read_run(directory)
    learner = make_learner(recipe, task_set, seed=seed, device=device, where=str(directory))
    title = f"{name} seed {seed}"
    return _train(learner, recipe, title, task_set, directory, is_quiet, device, resumes=True)


def read_run(directory: Path) -> tuple[Recipe, str, int, TaskSet]:
    """Recipe, its name, seed and task set of a run directory.

    Raises `BadInput` when something is missing or does not fit.
    """
    path = directory / "config.json"
    if not path.exists():
        raise BadInput(str(directory), "config.json", found="nothing", expected="a run")
    document = read_json(path, "a run's config")
    if document.get("schema_version") in (1, 2, 3):
        document.setdefault("robot_fingerprint", "")
    config = strict.build(Config, document, str(path))
    if not 1 <= config.schema_version <= CONFIG_VERSION:
        expected = f"1 to {CONFIG_VERSION}"
        raise BadInput(str(path), "schema_version", found=config.schema_version, expected=expected)
    if config.seed < 0:
        raise BadInput(str(path), "seed", found=config.seed, expected="at least 0")
    recipe = _read_recipe(config, str(path))
    _require_robot(config, recipe, str(path))
    _require_same_belief(config, recipe, str(path))
    task_set = saved_tasks(directory / "tasks.json", family_of(recipe))
    if task_set.sha256 != config.task_set_sha256:
        expected = f"task set {config.task_set_sha256}"
        raise BadInput(str(directory), "tasks.json", found=task_set.sha256, expected=expected)
    return recipe, config.name, config.seed, task_set


def _read_recipe(config: Config, where: str) -> Recipe:
    """The recipe of a run's config. Raises `BadInput` naming the field that does not fit."""
    stored = dict(config.recipe)
    if config.schema_version == 1:
        stored = _with_run_settings(stored)
    for since, name, value in _BEFORE:
        if config.schema_version < since:
            stored.setdefault(name, value)
    config_type = _algorithm(stored.get("algorithm", "nothing"), where).config_type
    if isinstance(stored.get("config"), dict):  # or it is refused for that
        stored["config"] = dict(stored["config"])
        for since, kind, name, value in _SETTINGS_BEFORE:
            if config.schema_version < since and issubclass(config_type, kind):
                stored["config"].setdefault(name, value)
    recipe = strict.build(Recipe, stored, where, "recipe", types={"config": config_type})
    if recipe.family not in FAMILIES:
        known = f"one of {', '.join(FAMILIES)}"
        raise BadInput(where, "recipe.family", found=recipe.family, expected=known)
    return recipe


def _require_same_belief(config: Config, recipe: Recipe, where: str) -> None:
    """Raise `BadInput` for a belief about what is since believed by its logarithm."""
    about = family_of(recipe).parameters
    if (
        config.schema_version < 7
        and isinstance(recipe.config, TaskInferenceConfig)
        and any(parameter.spans_orders for parameter in about)
    ):
        raise BadInput(
            where,
            "schema_version",
            found=config.schema_version,
            expected="at least 7: logarithms of what spans orders of magnitude are believed now",
            remedy="train again",
        )


def _robot_of(recipe: Recipe) -> str:
    """The fingerprint of the robot in the worlds of a recipe; empty where there is none."""
    family = family_of(recipe)
    return family.scene.spec.fingerprint if isinstance(family, ClawFamily) else ""


def _require_robot(config: Config, recipe: Recipe, where: str) -> None:
    """Raise `BadInput` for a run that was trained for another robot than there is now."""
    expected = _robot_of(recipe)
    if config.robot_fingerprint != expected:
        raise BadInput(
            where,
            "robot_fingerprint",
            found=config.robot_fingerprint or "nothing",
            expected=expected or "nothing, as no robot performs these tasks",
            remedy="the run was trained for another robot.yaml: train again for this one",
        )


def _with_run_settings(stored: dict[str, Any]) -> dict[str, Any]:
    """A recipe as version 1 wrote it, with the settings of the run where they belong now."""
    if not isinstance(stored.get("config"), dict):
        return stored  # refused for that
    config = dict(stored["config"])
    moved = {name: config.pop(name) for name in run_settings() if name in config}
    return {**stored, **moved, "config": config}


def _algorithm(name: Any, where: str) -> Any:
    if not isinstance(name, str) or name not in ALGORITHMS:
        known = f"one of {', '.join(ALGORITHMS)}"
        raise BadInput(where, "recipe.algorithm", found=name, expected=known)
    return ALGORITHMS[name]


def make_learner(
    recipe: Recipe, task_set: TaskSet, *, seed: int, device: str = "cpu", where: str = "recipe"
) -> Learner:
    """What the recipe trains, as it begins. Raises `BadInput` for settings that do not go together.

    `where` names what the recipe was read from.
    """
    setup = TrainingSetup(
        family=worlds_of(recipe, device),
        task_set=task_set,
        seed=seed,
        device=torch.device(device),
        num_trial_episodes=recipe.num_trial_episodes,
        num_world_threads=recipe.num_world_threads,
        curriculum=Curriculum(recipe.eased_until),
    )
    try:
        learner: Learner = _algorithm(recipe.algorithm, where)(recipe.config, setup)
    except (ValueError, OverflowError) as error:  # the learner's own checks
        raise BadInput(
            where, "settings", found=str(error), expected="settings that go together"
        ) from None
    except (MemoryError, RuntimeError) as error:  # of numpy, and of torch
        if "alloc" not in str(error):
            raise
        found = str(error).splitlines()[0]
        raise BadInput(where, "settings", found=found, expected="sizes that fit memory") from None
    return learner


def _train(
    learner: Learner,
    recipe: Recipe,
    title: str,
    task_set: TaskSet,
    directory: Path,
    is_quiet: bool,
    device: str,
    *,
    resumes: bool,
) -> Learner:
    protocol = TrialProtocol(
        num_episodes=recipe.num_trial_episodes, num_trials=recipe.num_evaluation_trials
    )

    family = worlds_of(recipe, device)

    def evaluate(learner: Learner) -> MetaTestResult:
        return meta_test(
            deployed_actor(learner),
            family,
            task_set.test,
            protocol,
            conditions=conditions_with(len(task_set.test)),
            num_world_threads=recipe.num_world_threads,
        )

    run = Run(
        directory,
        recipe=recipe,
        evaluate=evaluate,
        progress=Progress(Console(), title=title, is_quiet=is_quiet),
        resumes=resumes,
    )
    run.repeat(learner)
    return learner


def load_learner(
    directory: Path, *, device: str = "cpu", change: Callable[[Recipe], Recipe] | None = None
) -> Learner:
    """The learner of a run as its latest checkpoint has it: for evaluation and export.

    A `change` of its recipe may touch what the weights do not depend on: how its trials go. Raises
    `BadInput` when there is no run or no checkpoint.
    """
    recipe, _, seed, task_set = read_run(directory)
    recipe = recipe if change is None else change(recipe)
    # What a run is judged by is MuJoCo, and its engine need not be installed where it is used.
    recipe = dataclasses.replace(recipe, backend="mujoco")
    learner = make_learner(recipe, task_set, seed=seed, device=device, where=str(directory))
    CheckpointStore(directory / "checkpoints").load_latest(learner)
    return learner
