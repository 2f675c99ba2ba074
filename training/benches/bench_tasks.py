"""Tasks of a family as a bench needs them: where their episodes start, and the dynamics of each.

Episodes start where `MujocoWorld` starts them: world `row`, first episode after a reset with the
same seed. So a bundle meets on every robot what the learner met that it was exported from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import mujoco
import numpy as np

from sim2real.evaluation.session import BenchTask, EpisodePlan
from sim2real.hardware.physics_model import load_physics_model
from sim2real.skills.goal import GoalSignal
from training.families.claw import ClawFamily
from training.families.saved_tasks import place_of_task, saved_tasks, task_at
from training.tasks.task import Task
from training.worlds.claw import ClawScene
from training.worlds.scene import Array


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
    valve = int(scene.mj_model.joint(scene.spec.turned_object).qposadr[0])
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
    """A compiled model with the task's dynamics in it, and whole: it may be filmed."""
    mj_model = load_physics_model(scene.spec)
    scene.apply(mj_model, task)
    mujoco.mj_setConst(mj_model, mujoco.MjData(mj_model))
    return mj_model


def held_out(
    family: ClawFamily, path: Path, num_tasks: int | None = None
) -> tuple[list[BenchTask], str]:
    """The first held-out tasks of a saved set, and the set's hash.

    Raises `BadInput` for a set of another family.
    """
    task_set = saved_tasks(path, family)
    tasks = task_set.test[:num_tasks]
    places = [f"{path}:{index}" for index in range(len(tasks))]
    return _bench_tasks(family, tasks, range(len(tasks)), places), task_set.sha256


def one_task(family: ClawFamily, reference: str) -> tuple[list[BenchTask], str]:
    """The task that FILE:INDEX names, as it starts among all of its set, and the set's hash."""
    path, split, row = place_of_task(reference)
    task_set = saved_tasks(path, family)
    task = task_at(task_set, split, row, str(path))
    return _bench_tasks(family, [task], [row], [reference]), task_set.sha256


def _bench_tasks(
    family: ClawFamily, tasks: Sequence[Task], rows: Sequence[int], places: Sequence[str]
) -> list[BenchTask]:
    return [
        bench_task(family.scene, task, row, place)
        for task, row, place in zip(tasks, rows, places, strict=True)
    ]
