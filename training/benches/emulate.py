"""`taskbelief emulate`: a robot with a valve it has never turned, on the bench.

The emulated bus knows no tasks; this puts the dynamics of one, from a saved task set, into it.
"""

from __future__ import annotations

from pathlib import Path

import mujoco

from sim2real.contract.errors import BadInput
from sim2real.contract.require import require_seeds
from sim2real.contract.robot_spec import DCLAW, RobotSpec, load_robot_spec
from sim2real.contract.servo_facts import BAUD_RATES
from sim2real.emulator import emulate as bench
from sim2real.emulator.plant import TaskDynamics
from training.families.registry import claw_family
from training.families.saved_tasks import place_of_task, saved_tasks, task_at
from training.tasks.task import Task
from training.tasks.task_set import load_task_set
from training.worlds.dynamics import VARIATIONS, apply_dynamics


def emulate(
    robot: Path = DCLAW,
    task: str | None = None,
    faults: Path | None = None,
    baud: int | None = None,
    seed: int = 0,
    link: Path | None = None,
    camera: str = "",
) -> None:
    """Serve the servo bus of an emulated robot on a pseudo-terminal until SIGINT or SIGTERM.

    Told to stop it stays until torque is off, two seconds at most: a hand does not vanish under its
    driver. The first line printed is JSON: {"port": ..., "baud": ..., "ids": [...], and which files
    describe the robot: "robot": ..., "model": ...}; with --task also its dynamics by name, with
    --camera where its frames are left.

    Args:
        robot: the robot to emulate: its robot.yaml, the folder of it, or a robot's name.
        task: FILE:INDEX, a held-out task of a saved task set whose dynamics the robot has
            (FILE:train/INDEX for one of the training tasks).
        faults: a YAML plan of faults to inject.
        baud: bits per second; the robot's own rate by default.
        seed: of everything random in the emulation.
        link: a path that leads to the port while it is served; the next emulator may take it over.
        camera: a camera of the robot, of its cameras.yaml, that delivers frames beside the port.
    """
    require_seeds(seed=seed)
    if baud is not None and baud not in BAUD_RATES:
        expected = f"one of {', '.join(map(str, BAUD_RATES))}"
        raise BadInput("command line", "--baud", found=baud, expected=expected)
    spec = load_robot_spec(robot)
    dynamics = None if task is None else dynamics_of(task_named(task, spec))
    bench.emulate(
        spec,
        baud=baud,
        faults=faults,
        dynamics=dynamics,
        seed=seed,
        link=link,
        camera=camera,
    )


def dynamics_of(task: Task) -> TaskDynamics:
    """A task's dynamics in the form in which the emulated robot takes them."""

    def apply(model: mujoco.MjModel) -> None:
        apply_dynamics(model, task.parameters)
        mujoco.mj_setConst(model, mujoco.MjData(model))

    varied = {name: value for name, value in task.parameters.items() if name in VARIATIONS}
    return TaskDynamics(apply=apply, parameters=varied)


def task_named(reference: str, spec: RobotSpec | None = None) -> Task:
    """The task of this hand, by default the claw, that FILE:INDEX or FILE:train/INDEX names.

    Raises `BadInput` when it is not written like this, the set has no such task, or is no hand's.
    """
    path, split, index = place_of_task(reference)
    family = claw_family(load_task_set(path).family, str(path), spec)
    task_set = saved_tasks(path, family)
    return task_at(task_set, split, index, str(path))
