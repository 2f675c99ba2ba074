"""Open-loop replay: the goals that a robot was given, played in simulation from its first reading.

Nothing corrects the simulation on its way, so whatever it gets wrong shows and grows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import mujoco
import numpy as np
from mujoco.batch import Batch

from sim2real.contract.robot_spec import RobotSpec
from sim2real.gap.motion import Float, Motion, interpolated
from sim2real.hardware.task_numerics import TaskNumerics


@dataclass(frozen=True, kw_only=True, eq=False)
class Replayed:
    """What the simulation did with a motion's goals, at the times of its T readings."""

    position_rad: Float
    """(T, J)"""
    object_position_rad: Float
    """(T,)"""
    is_stable: bool
    """false where MuJoCo could not integrate it to the end; positions then stay where it stopped"""


class Replayer:
    """S simulations of a robot, side by side, that motions are played in.

    The models differ in parameters only. Motions may differ in length.
    """

    def __init__(self, spec: RobotSpec, num_simulations: int, mj_model: mujoco.MjModel) -> None:
        self._batch = Batch(mj_model, num_simulations)
        for name in ("qpos", "qvel"):
            self._batch.bind(name)
        self._dt = float(mj_model.opt.timestep)
        names = [*spec.joint_names, spec.turned_object]
        self._qpos = np.array([mj_model.joint(name).qposadr[0] for name in names])
        self._qvel = np.array([mj_model.joint(name).dofadr[0] for name in names])
        self._actuators = np.array([mj_model.actuator(name).id for name in spec.joint_names])
        self._num_actuators = mj_model.nu

    def play(
        self, motions: Sequence[Motion], models: Sequence[mujoco.MjModel], delay_s: Float
    ) -> list[Replayed]:
        """One motion, model and delay from goal to effect for each of the S simulations."""
        batch = self._batch
        batch.set_models(list(models))
        batch.reset(stage=mujoco.mjtStage.mjSTAGE_NONE.value)
        qpos, qvel = batch.bind("qpos"), batch.bind("qvel")
        for row, motion in enumerate(motions):
            qpos[row, self._qpos] = [*motion.position_rad[0], motion.object_position_rad[0]]
            qvel[row, self._qvel] = [*motion.velocity_rad_s[0], motion.object_velocity_rad_s[0]]
        num_steps = max(self._steps(motion) for motion in motions)
        control = np.zeros((len(motions), num_steps, self._num_actuators))
        for row, motion in enumerate(motions):
            # A goal that arrives within a step counts for the rest of the step, so that a replay
            # changes smoothly with the delay.
            goals = motion.mean_goals(num_steps, self._dt, float(delay_s[row]))
            control[row][:, self._actuators] = goals
        start = qpos[:, self._qpos].copy()
        record = batch.rollout(num_steps, control, record=("qpos",))["qpos"]
        path = np.concatenate([start[:, None], record[:, :, self._qpos]], axis=1)
        time_s = np.arange(num_steps + 1) * self._dt
        is_unstable = batch.warning[:, :, 1].any(axis=1)
        replayed = []
        for row, motion in enumerate(motions):
            read = interpolated(time_s, path[row], motion.time_s)
            replayed.append(
                Replayed(
                    position_rad=read[:, :-1],
                    object_position_rad=read[:, -1],
                    is_stable=not is_unstable[row],
                )
            )
        return replayed

    def _steps(self, motion: Motion) -> int:
        return int(np.ceil(motion.duration_s / self._dt - 1e-9))


def replay(
    motions: Sequence[Motion], models: Sequence[mujoco.MjModel], spec: RobotSpec
) -> list[Replayed]:
    """Every motion in its model, with the delay that the model states."""
    if not motions:
        return []
    delay_s = np.array([model_delay_s(model) for model in models])
    return Replayer(spec, len(motions), models[0]).play(motions, models, delay_s)


def model_delay_s(model: mujoco.MjModel) -> float:
    """The delay from a goal to its effect that a task's dynamics state in a compiled model."""
    return TaskNumerics.of(model).delay_steps * float(model.opt.timestep)
