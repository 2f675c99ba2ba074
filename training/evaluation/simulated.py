"""Held-out tasks as arenas: each task's simulated robot, met through the robot protocol."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import mujoco
import numpy as np

from sim2real.evaluation.evaluate import OpenArena
from sim2real.evaluation.trial import EpisodeStart
from sim2real.hardware.simulated import SimulatedRobot
from training.families.task import Task
from training.worlds.claw import VALVE, ClawScene
from training.worlds.scene import Array


class SimulatedArena:
    """One task of a claw family on a `SimulatedRobot`.

    Episodes start where `MujocoWorld` starts them: world `row`, first episode after a reset with
    the same seed. So a bundle can be compared with the learner that it was exported from.
    """

    def __init__(self, scene: ClawScene, task: Task, row: int) -> None:
        self._scene, self._task, self._row = scene, task, row
        mj_model = copy.copy(scene.mj_model)
        scene.apply(mj_model, task)
        mujoco.mj_setConst(mj_model, mujoco.MjData(mj_model))
        self.robot = SimulatedRobot(
            scene.spec, control_period_s=scene.control_period_s, mj_model=mj_model
        )

    @property
    def name(self) -> str:
        return self._task.name

    def begin_episode(self, seed: int) -> EpisodeStart:
        scene = self._scene
        rng = np.random.default_rng([seed, self._row, 0])
        start = scene.start(rng, self._task)
        valve = int(scene.mj_model.joint(VALVE).qposadr[0])
        self.robot.place(
            np.array(start.carried["target"], np.float64), float(start.qpos[valve]), rng
        )
        rows = {name: np.asarray(value)[None] for name, value in start.carried.items()}

        def goal(elapsed_s: float) -> Array:
            return np.asarray(scene.goal.at(rows, np.array([elapsed_s]))[0])

        return EpisodeStart(goal=goal, target_rad=self.robot.target_rad)


def simulated_arenas(scene: ClawScene, tasks: Sequence[Task]) -> list[OpenArena]:
    """One arena per task, made when it is needed."""

    def opener(row: int, task: Task) -> OpenArena:
        @contextmanager
        def open_arena() -> Iterator[SimulatedArena]:
            arena = SimulatedArena(scene, task, row)
            with arena.robot as robot:
                robot.activate()
                yield arena

        return open_arena

    return [opener(row, task) for row, task in enumerate(tasks)]
