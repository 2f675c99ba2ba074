"""Tasks of a family as a bench needs them: where their episodes start, and the dynamics of each.

Episodes start where `MujocoWorld` starts them: world `row`, first episode after a reset with the
same seed. So a bundle meets on every robot what the learner met that it was exported from.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path

import mujoco
import numpy as np

from sim2real.contract.errors import BadInput
from sim2real.evaluation.session import BenchTask, EpisodePlan
from sim2real.skills.goal import GoalSignal
from training.benches.emulate import task_named
from training.families.claw import ClawFamily
from training.families.registry import FAMILIES
from training.tasks.task import Task
from training.tasks.task_set import load_task_set
from training.worlds.claw import VALVE, ClawScene
from training.worlds.scene import Array


def claw_family(name: str, where: str) -> ClawFamily:
    """The family of that name. Raises `BadInput` for one that is met on no robot."""
    family = FAMILIES.get(name)
    if not isinstance(family, ClawFamily):
        known = [key for key, value in FAMILIES.items() if isinstance(value, ClawFamily)]
        expected = f"a family of the claw: {', '.join(known)}"
        raise BadInput(where, "family", found=name, expected=expected)
    return family


def bench_task(scene: ClawScene, task: Task, row: int, reference: str = "") -> BenchTask:
    """One task, with the starting points of world `row`."""
    return BenchTask(
        name=task.name,
        parameters=task.parameters,
        plan=lambda seed: episode_plan(scene, task, row, seed),
        reference=reference,
        make_model=lambda: task_model(scene, task),
    )


def episode_plan(scene: ClawScene, task: Task, row: int, seed: int) -> EpisodePlan:
    """The first episode of world `row` after a reset with `seed`."""
    rng = np.random.default_rng([seed, row, 0])
    start = scene.start(rng, task)
    valve = int(scene.mj_model.joint(VALVE).qposadr[0])
    return EpisodePlan(
        seed=seed,
        goal=goal_signal(start.carried),
        joint_rad=np.array(start.carried["target"], np.float64),
        valve_rad=float(start.qpos[valve]),
        noise=rng,
    )


def goal_signal(carried: Mapping[str, Array]) -> GoalSignal:
    """What an episode asks for, from what its rule drew (`training.worlds.goals`)."""
    if "goal_fixed" in carried:
        return GoalSignal.fixed(carried["goal_fixed"])
    return GoalSignal(
        centre=carried["goal_centre"],
        amplitude=carried["goal_amplitude"],
        frequency_rad_s=carried["goal_frequency"],
    )


def task_model(scene: ClawScene, task: Task) -> mujoco.MjModel:
    """A compiled model with the task's dynamics in it."""
    mj_model = copy.copy(scene.mj_model)
    scene.apply(mj_model, task)
    mujoco.mj_setConst(mj_model, mujoco.MjData(mj_model))
    return mj_model


def held_out(
    family: ClawFamily, path: Path, num_tasks: int | None = None
) -> tuple[list[BenchTask], str]:
    """The first held-out tasks of a saved set, and the set's hash.

    Raises `BadInput` for a set of another family.
    """
    task_set = load_task_set(path)
    _require_family(family, task_set.family, str(path))
    tasks = task_set.test[:num_tasks]
    places = [f"{path}:{index}" for index in range(len(tasks))]
    return _bench_tasks(family, tasks, range(len(tasks)), places), task_set.sha256


def one_task(family: ClawFamily, reference: str) -> tuple[list[BenchTask], str]:
    """The task that FILE:INDEX names, as it starts among all of its set, and the set's hash."""
    task = task_named(reference)
    path, _, place = reference.rpartition(":")
    _require_family(family, task.family, path)
    row = int(place.rpartition("/")[2])
    return _bench_tasks(family, [task], [row], [reference]), load_task_set(Path(path)).sha256


def _bench_tasks(
    family: ClawFamily, tasks: Sequence[Task], rows: Sequence[int], places: Sequence[str]
) -> list[BenchTask]:
    return [
        bench_task(family.scene, task, row, place)
        for task, row, place in zip(tasks, rows, places, strict=True)
    ]


def _require_family(family: ClawFamily, found: str, where: str) -> None:
    if found != family.name:
        raise BadInput(where, "family", found=found, expected=f"{family.name}, as the bundle's")
