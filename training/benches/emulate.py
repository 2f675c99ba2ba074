"""`taskbelief emulate`: a robot with a valve it has never turned, on the bench.

The emulated bus knows no tasks; this puts the dynamics of one, from a saved task set, into it.
"""

from __future__ import annotations

from pathlib import Path

import mujoco

from sim2real.contract.errors import BadInput
from sim2real.contract.robot_spec import DCLAW, load_robot_spec
from sim2real.emulator import emulate as bench
from sim2real.emulator.plant import TaskDynamics
from training.tasks.task import Task
from training.tasks.task_set import load_task_set
from training.worlds.dynamics import CUSTOM_NUMERICS, apply_dynamics


def emulate(
    robot: Path = DCLAW,
    task: str | None = None,
    faults: Path | None = None,
    baud: int | None = None,
    seed: int = 0,
    link: Path | None = None,
) -> None:
    """Serve the servo bus of an emulated robot on a pseudo-terminal until SIGINT or SIGTERM.

    Told to stop it stays until torque is off, two seconds at most: a hand does not vanish under its
    driver. The first line printed is JSON: {"port": ..., "baud": ..., "ids": [...]}.

    Args:
        robot: the robot.yaml of the robot to emulate.
        task: FILE:INDEX, a held-out task of a saved task set whose dynamics the robot has
            (FILE:train/INDEX for one of the training tasks).
        faults: a YAML plan of faults to inject.
        baud: bits per second; the robot's own rate by default.
        seed: of everything random in the emulation.
        link: a path that leads to the port while it is served; the next emulator may take it over.
    """
    dynamics = None if task is None else dynamics_of(task_named(task))
    bench.emulate(
        load_robot_spec(robot),
        baud=baud,
        faults=faults,
        dynamics=dynamics,
        seed=seed,
        link=link,
    )


def dynamics_of(task: Task) -> TaskDynamics:
    """A task's dynamics in the form in which the emulated robot takes them."""

    def apply(model: mujoco.MjModel) -> None:
        apply_dynamics(model, task.parameters)
        mujoco.mj_setConst(model, mujoco.MjData(model))

    return TaskDynamics(apply=apply, custom_numerics=CUSTOM_NUMERICS)


def task_named(reference: str) -> Task:
    """The task that FILE:INDEX or FILE:train/INDEX names.

    Raises `BadInput` when it is not written like this or the set has no such task.
    """
    path, _, place = reference.rpartition(":")
    split, _, index = place.rpartition("/")
    if not path or split not in ("", "train", "test") or not index.isdecimal():
        raise BadInput(
            "command line", "task", found=reference, expected="FILE:INDEX, as in tasks.json:3"
        )
    task_set = load_task_set(Path(path))
    tasks = task_set.train if split == "train" else task_set.test
    if int(index) >= len(tasks):
        raise BadInput(path, place, found=int(index), expected=f"an index below {len(tasks)}")
    return tasks[int(index)]
