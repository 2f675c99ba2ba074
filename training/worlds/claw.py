"""The simulated claw as a scene: the same contract and skill as on the robot, over MuJoCo."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import mujoco
import numpy as np

from sim2real.contract.action import ActionMap
from sim2real.contract.camera import CameraSpec
from sim2real.contract.joint_io import Reading
from sim2real.contract.robot_spec import RobotSpec
from sim2real.hardware.physics_model import load_physics_model
from sim2real.hardware.task_numerics import encoder_noise, in_units_of, measured
from sim2real.skills import skill as skills
from training.tasks.task import Task
from training.worlds.dynamics import VARIATIONS, apply_dynamics
from training.worlds.goals import GoalRule
from training.worlds.scene import Array, Command, EpisodeStart, Moment, Outcome

VALVE_START = "valve_start"
"""the parameter of a task, rad, about which its episodes start"""


@dataclass(frozen=True, kw_only=True, eq=False)
class ClawScene:
    """A hand over its valve, performing one skill."""

    spec: RobotSpec
    skill: skills.Skill
    action_map: ActionMap
    goal: GoalRule
    control_period_s: float
    episode_length: int
    """control steps"""
    start_joint_spread_rad: float
    """joints start at home, each off by up to this"""
    start_valve_spread_rad: float
    """the valve starts at zero, or where the task says, off by up to this"""
    camera: CameraSpec | None = None
    """what a policy sees the hand with; None: it is blind"""

    def on(self, spec: RobotSpec) -> ClawScene:
        """The same on another robot, whose joints it moves as fast as these where they can."""
        is_step = self.action_map.kind == "increment"
        return replace(
            self,
            spec=spec,
            skill=replace(self.skill, num_joints=len(spec.joints)),  # type: ignore[type-var]
            action_map=ActionMap.for_robot(
                spec,
                kind=self.action_map.kind,
                control_period_s=self.control_period_s,
                max_step_rad=max(self.action_map.max_step_rad) if is_step else None,
            ),
        )

    @cached_property
    def mj_model(self) -> mujoco.MjModel:
        return load_physics_model(self.spec, is_seen=self.camera is not None)

    @cached_property
    def physics_steps(self) -> int:
        """Raises `ValueError` when the control period is no multiple of the physics step."""
        steps = self.control_period_s / float(self.mj_model.opt.timestep)
        if abs(steps - round(steps)) > 1e-9 or round(steps) < 1:
            raise ValueError(
                f"control period {self.control_period_s} s is not a whole number of physics "
                f"steps of {self.mj_model.opt.timestep} s"
            )
        return round(steps)

    @cached_property
    def observation_size(self) -> int:
        return self.skill.layout.size

    @property
    def action_size(self) -> int:
        return self.action_map.size

    fields = ("actuator_force",)
    changes_model = True

    @property
    def halfway(self) -> int:
        """control steps from the beginning to the middle of an episode"""
        return self.episode_length // 2

    @cached_property
    def _lower_rad(self) -> Array:
        return self.spec.joint_array("lower_rad")

    @cached_property
    def _upper_rad(self) -> Array:
        return self.spec.joint_array("upper_rad")

    @cached_property
    def _joint_qpos(self) -> Array:
        return np.array([self.mj_model.joint(n).qposadr[0] for n in self.spec.joint_names])

    @cached_property
    def _joint_qvel(self) -> Array:
        return np.array([self.mj_model.joint(n).dofadr[0] for n in self.spec.joint_names])

    @cached_property
    def _actuators(self) -> Array:
        return np.array([self.mj_model.actuator(n).id for n in self.spec.joint_names])

    @cached_property
    def _valve(self) -> tuple[int, int]:
        joint = self.mj_model.joint(self.spec.turned_object)
        return int(joint.qposadr[0]), int(joint.dofadr[0])

    def apply(self, mj_model: mujoco.MjModel, task: Task) -> None:
        apply_dynamics(mj_model, task.parameters)

    def start(self, rng: np.random.Generator, task: Task) -> EpisodeStart:
        home = self.spec.joint_array("home_rad")
        spread = self.start_joint_spread_rad * rng.uniform(-1.0, 1.0, home.size)
        joints = np.clip(
            home + spread, self.spec.joint_array("lower_rad"), self.spec.joint_array("upper_rad")
        )
        qpos = self.mj_model.qpos0.copy()
        qpos[self._joint_qpos] = joints
        [valve_start] = task.parameters.get(VALVE_START, (0.0,))
        qpos[self._valve[0]] = valve_start + self.start_valve_spread_rad * rng.uniform(-1.0, 1.0)

        def dynamics(name: str) -> Array:
            return np.array(task.parameters.get(name, VARIATIONS[name].nominal))

        carried = {
            "target": joints,
            "elapsed_s": np.zeros(()),
            # As a robot measures it: it knows no other start than its first reading's.
            "valve_start": in_units_of(self.spec.servo.position_unit_rad, qpos[self._valve[0]]),
            "halfway_s": np.asarray(np.inf),
            "valve_halfway": np.zeros(()),
            "delay": dynamics("action_delay")[0],
            "noise": dynamics("observation_noise"),
            **self.goal.draw(rng, task),
        }
        return EpisodeStart(qpos=qpos, qvel=np.zeros(self.mj_model.nv), carried=carried)

    def command(self, action: Array, now: Moment) -> Command:
        previous = now.carried["target"]
        target = self.action_map.target(action, previous)
        # Until a delayed command arrives, the servos still track the previous one.
        arrived = np.arange(self.physics_steps) >= now.carried["delay"][:, None]
        joints = np.where(arrived[:, :, None], target[:, None, :], previous[:, None, :])
        control = np.zeros((len(target), self.physics_steps, self.mj_model.nu))
        control[:, :, self._actuators] = joints
        elapsed_s = now.carried["elapsed_s"] + self.control_period_s
        is_halfway = np.round(now.carried["elapsed_s"] / self.control_period_s) == self.halfway
        valve = in_units_of(self.spec.servo.position_unit_rad, now.qpos[:, self._valve[0]])
        halfway = {
            "halfway_s": np.where(is_halfway, now.carried["elapsed_s"], now.carried["halfway_s"]),
            "valve_halfway": np.where(is_halfway, valve, now.carried["valve_halfway"]),
        }
        return Command(
            control=control,
            applied_action=self.action_map.action_of(target, previous),
            carried={**now.carried, **halfway, "target": target, "elapsed_s": elapsed_s},
        )

    def seen_angle(self, qpos: Array) -> Array:
        return qpos[:, self._valve[0]]

    def observe(self, now: Moment) -> Array:
        return skills.observation(self.skill, self._measured_values(now))

    def outcome(self, before: Moment, command: Command, after: Moment) -> Outcome:
        values = self._measured_values(after)
        reward = skills.reward(self.skill, values)
        success = self.skill.is_success(values)
        return Outcome(
            observation=skills.observation(self.skill, values),
            reward=reward,
            sparse_reward=reward,
            success=success,
            terminated=np.zeros(len(success), bool),
        )

    def _measured_values(self, now: Moment) -> dict[str, Array]:
        """What the skill makes of a reading: noise and all, as on the robot."""
        carried, elapsed_s = now.carried, now.carried["elapsed_s"]
        moment = skills.Moment(
            reading=self._reading(now),
            target_position_rad=carried["target"],
            elapsed_s=elapsed_s,
            goal=self.goal.at(carried, elapsed_s),
            object_start_rad=carried["valve_start"],
            halfway_s=carried["halfway_s"],
            object_halfway_rad=carried["valve_halfway"],
            lower_rad=self._lower_rad,
            upper_rad=self._upper_rad,
        )
        return self.skill.values(moment)

    def _reading(self, now: Moment) -> Reading:
        """Positions, velocities and currents in the steps in which the servos report them."""
        valve_qpos, valve_qvel = self._valve
        positions = np.column_stack([now.qpos[:, self._joint_qpos], now.qpos[:, valve_qpos]])
        velocities = np.column_stack([now.qvel[:, self._joint_qvel], now.qvel[:, valve_qvel]])
        for row in np.flatnonzero(now.carried["noise"].any(axis=1)).tolist():
            joint, valve = now.carried["noise"][row].tolist()
            positions[row] += encoder_noise((joint, valve), self.action_size, now.generators[row])
        return measured(
            self.spec.servo,
            position_rad=positions,
            velocity_rad_s=velocities,
            torque_nm=now.fields["actuator_force"][:, self._actuators],
        )
