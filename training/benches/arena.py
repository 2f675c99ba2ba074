"""A task's simulated robot with its episodes, for whoever steps a controller over it by hand."""

from __future__ import annotations

from typing import NamedTuple

from sim2real.contract.camera import Frame
from sim2real.contract.robot_spec import RobotSpec
from sim2real.hardware.simulated import SimulatedRobot
from sim2real.runtime.controller import Joints
from sim2real.skills.goal import GoalSignal
from training.benches.bench_tasks import episode_plan, task_model
from training.tasks.task import Task
from training.worlds.claw import ClawScene


class EpisodeStart(NamedTuple):
    """What a controller has to know when an episode begins."""

    goal: GoalSignal
    target_rad: Joints
    """(J,) the targets that the servos hold"""


class SimulatedArena:
    """One task of a claw family on a `SimulatedRobot`, which whoever uses it connects."""

    def __init__(self, scene: ClawScene, task: Task, row: int) -> None:
        self._scene, self._task, self._row = scene, task, row
        self.robot = SimulatedRobot(
            scene.spec,
            control_period_s=scene.control_period_s,
            mj_model=task_model(scene, task),
        )
        self._camera = None if scene.camera is None else self.robot.camera(scene.camera)

    @property
    def spec(self) -> RobotSpec:
        return self._scene.spec

    def frame(self) -> Frame | None:
        """What the policy sees now; None where it is blind."""
        return None if self._camera is None else self._camera.latest()

    def begin_episode(self, seed: int) -> EpisodeStart:
        """Put hand and object where the episode of that seed starts."""
        plan = episode_plan(self._scene, self._task, self._row, seed)
        self.robot.place(plan.joint_rad, plan.valve_rad, plan.noise)
        return EpisodeStart(goal=plan.goal, target_rad=self.robot.target_rad)
