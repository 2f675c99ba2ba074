"""Gymnasium's walking robots as scenes: the parts that half cheetah, ant and the others share.

The models are gymnasium's own XML files; actions in [-1, 1] span each actuator's control range
and an episode lasts 200 control steps, as in the papers (PEARL, Rakelly et al. 2019).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import mujoco
import numpy as np

from sim2real.contract.camera import CameraSpec
from training.tasks.task import Task
from training.worlds.scene import Array, Command, EpisodeStart, Flags, Moment, Outcome

EPISODE_LENGTH = 200
MIN_SPEED_M_S = 0.5
"""a step succeeds at a direction when the robot moves along it at least this fast; the papers
report returns only, and half a metre per second is walking, not drifting"""

CONTACT_FORCES = "cfrc_ext"
"""MjData field: external wrench on every body, (n, nbody, 6)"""


def load_model(file_name: str) -> mujoco.MjModel:
    """Compile one of gymnasium's MuJoCo models, with contact forces computed at every step.

    Raises `ModuleNotFoundError` where gymnasium, which brings the files, is not installed.
    """
    package = find_spec("gymnasium")  # found, not imported: only its files are wanted
    if package is None or package.origin is None:
        raise ModuleNotFoundError("the walking robots need gymnasium's MuJoCo models")
    models = Path(package.origin).parent / "envs" / "mujoco" / "assets"
    spec = mujoco.MjSpec.from_file(str(models / file_name))
    # The half cheetah's compiler attribute is deprecated and warns; the function is not.
    total_mass = spec.compiler.settotalmass
    spec.compiler.settotalmass = -1.0
    # MuJoCo fills cfrc_ext only where a sensor of accelerations or forces asks for it.
    spec.add_sensor(
        name="contact_forces",
        type=mujoco.mjtSensor.mjSENS_FRAMELINACC,
        objtype=mujoco.mjtObj.mjOBJ_XBODY,
        objname="torso",
    )
    mj_model = spec.compile()
    if total_mass > 0.0:
        mujoco.mj_setTotalmass(mj_model, total_mass)
        mujoco.mj_setConst(mj_model, mujoco.MjData(mj_model))
    return mj_model


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What a locomotion skill says of one control step of n robots; all arrays (n,)."""

    reward: Array
    success: Flags
    terminated: Flags


@dataclass(frozen=True, kw_only=True)
class Stride:
    """One control step of n robots, as a skill sees it."""

    before: Moment
    after: Moment
    control: Array
    """(n, nu) actuator inputs, in the model's units"""
    duration_s: float

    @property
    def goal(self) -> Array:
        """(n, G) what the tasks ask for."""
        return self.after.carried["goal"]

    @property
    def velocity_x(self) -> Array:
        """(n,) mean forward velocity of the root over the step, in m/s."""
        return (self.after.qpos[:, 0] - self.before.qpos[:, 0]) / self.duration_s

    @property
    def velocity_xy(self) -> Array:
        """(n, 2) mean velocity of the root in the plane over the step, in m/s."""
        return (self.after.qpos[:, :2] - self.before.qpos[:, :2]) / self.duration_s

    @property
    def control_effort(self) -> Array:
        """(n,) sum of squared actuator inputs."""
        return np.asarray(np.sum(np.square(self.control), axis=1))


@dataclass(frozen=True, kw_only=True)
class LocomotionScene:
    """A walking robot and its skill; a `Scene`."""

    mj_model: mujoco.MjModel
    physics_steps: int
    """gymnasium's frame skip"""
    start_position_noise: float
    """first positions differ from the model's by a uniform draw of at most this"""
    draw_start_velocity: Callable[[np.random.Generator, int], Array]
    """draws the first velocities, (nv,), from a generator and a size"""
    features: Callable[[Moment], Array]
    """the observation (n, O)"""
    judge: Callable[[Stride], Judgement]
    """reward, success and falls"""
    observation_size: int
    goal: str | None = None
    """the task parameter that the skill needs; None where tasks differ in dynamics only"""
    fields: tuple[str, ...] = ()
    """MjData fields that `features` and `judge` read"""
    vary: Callable[[mujoco.MjModel, Task], None] | None = None
    """writes a task's dynamics into a model; None where tasks differ in their goal only"""
    episode_length: int = EPISODE_LENGTH
    camera: CameraSpec | None = None

    @property
    def action_size(self) -> int:
        return int(self.mj_model.nu)

    @property
    def changes_model(self) -> bool:
        return self.vary is not None

    @property
    def control_period_s(self) -> float:
        return self.physics_steps * float(self.mj_model.opt.timestep)

    def apply(self, mj_model: mujoco.MjModel, task: Task) -> None:
        if self.vary is not None:
            self.vary(mj_model, task)

    def start(self, rng: np.random.Generator, task: Task) -> EpisodeStart:
        """The model's own posture with noise, as gymnasium resets it."""
        noise = self.start_position_noise
        qpos = self.mj_model.qpos0 + rng.uniform(-noise, noise, self.mj_model.nq)
        mujoco.mj_normalizeQuat(self.mj_model, qpos)
        qvel = self.draw_start_velocity(rng, self.mj_model.nv)
        carried = {} if self.goal is None else {"goal": np.array(task.parameters[self.goal])}
        return EpisodeStart(qpos, qvel, carried)

    def command(self, action: Array, now: Moment) -> Command:
        """Hold the action, scaled to the control ranges, for the whole control step."""
        low, high = self.mj_model.actuator_ctrlrange.T
        control = (low + high) / 2.0 + action * (high - low) / 2.0
        held = np.repeat(control[:, None], self.physics_steps, axis=1)
        return Command(held, action, now.carried)

    def seen_angle(self, qpos: Array) -> Array:
        return np.zeros(len(qpos))

    def observe(self, now: Moment) -> Array:
        return self.features(now)

    def outcome(self, before: Moment, command: Command, after: Moment) -> Outcome:
        stride = Stride(
            before=before,
            after=after,
            control=command.control[:, -1],
            duration_s=self.control_period_s,
        )
        judged = self.judge(stride)
        return Outcome(
            observation=self.features(after),
            reward=judged.reward,
            sparse_reward=judged.reward,
            success=judged.success,
            terminated=judged.terminated,
        )
