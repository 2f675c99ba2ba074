"""MuJoCo Warp, on its processor device, held against MuJoCo: the same motion, and no contact lost.

Its kernels are compiled once, in about a minute; afterwards they come from ~/.cache/warp.
"""

from __future__ import annotations

import copy
import dataclasses
import fcntl
import gc
import tempfile
from pathlib import Path

import numpy as np
import pytest

from training.benchmarks.agreement import agreement
from training.benchmarks.sim import as_simulated_by, at_control_period, bench_sim
from training.families.backend import simulated_by
from training.families.registry import FAMILIES
from training.tasks.task import Task
from training.worlds.dynamics import VARIATIONS
from training.worlds.mujoco_world import MujocoWorld
from training.worlds.physics import NoRoomError, PhysicsOf

pytest.importorskip("mujoco_warp", reason="MuJoCo Warp is not installed: pip install .[warp]")
pytestmark = pytest.mark.slow

TURN = FAMILIES["valve_turn"]
STILL = dataclasses.replace(TURN.scene, start_joint_spread_rad=0.0, start_valve_spread_rad=0.0)
"""every world starts alike"""
BRIEF = dataclasses.replace(TURN.scene, control_period_s=0.0125)
"""of five physics steps, for what needs no long motion"""
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
"""what a task may change of how a hand moves and measures; all else is how it looks"""
OF_LOOKS = ("light_", "object_", "hand_", "surroundings_", "camera_")
AGREES_RAD, SHOWS_RAD = 1e-4, 1e-2
"""engines differ by less (measured: 4e-6); every change moves a joint by more (measured: 0.05)"""


def task(**parameters: tuple[float, ...]) -> Task:
    parameters = {"target_angle": (0.5,)} | parameters
    return Task(family="valve_turn", name="test/0", parameters=parameters)


def warp_physics(num_worlds=1, **room):
    from training.worlds.warp_physics import Room, WarpPhysics

    of = PhysicsOf(TURN.scene.mj_model, num_worlds, ("actuator_force",), 1)
    return WarpPhysics(of, room=Room(**room))


def on_warp(scene, num_worlds):
    engine = simulated_by(TURN, "warp").engine
    return MujocoWorld(scene, num_worlds, engine=engine)


@pytest.fixture(scope="module", autouse=True)
def _compiled():
    """One process compiles; others wait, and find it done."""
    with (Path(tempfile.gettempdir()) / "taskbelief_warp_kernels.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        world = on_warp(BRIEF, 1)
        world.reset([task()], 0)
        world.step(np.zeros((1, 9), np.float32))


def gripping(num_steps: int, num_worlds: int) -> np.ndarray:
    """(T, W, A) the fingers close on the valve, then sweep to one side; alike in all worlds."""
    finger = [[0.6, 1.0, 0.3]] * (num_steps // 2) + [[-1.0, 0.2, 0.4]] * num_steps
    whole = np.tile(np.array(finger[:num_steps], np.float32), 3)
    return np.repeat(whole[:, None], num_worlds, axis=1)


def positions(world, tasks, actions) -> np.ndarray:
    """(T, W, nq) after every control step, as the engine has them: not as encoders say."""
    world.reset(tasks, 0)
    found = []
    for action in actions:
        world.step(action)
        found.append(world._physics.read("qpos", np.arange(len(tasks))))
    return np.stack(found)


def test_every_parameter_changes_the_motion_as_it_does_in_mujoco():
    """The first world's is the step response of the plain claw."""
    left = [name for name in VARIATIONS if name not in CHANGES]
    assert all(name.startswith(OF_LOOKS) for name in left), "a parameter that is not tested"
    tasks = [task(), *(task(**{name: value}) for name, value in CHANGES.items())]
    actions = gripping(8, len(tasks))

    theirs = positions(MujocoWorld(STILL, len(tasks)), tasks, actions)
    ours = positions(on_warp(STILL, len(tasks)), tasks, actions)

    assert np.abs(ours - theirs).max() < AGREES_RAD
    effect = np.abs(ours - ours[:, :1]).max((0, 2))[1:]
    moves = effect > SHOWS_RAD
    assert [n for n, m in zip(CHANGES, moves, strict=True) if not m] == ["observation_noise"]


def test_noise_and_delay_are_those_of_mujoco():
    tasks = [task(observation_noise=(0.02, 0.05), action_delay=(3.0,))] * 2
    worlds = [MujocoWorld(BRIEF, 2), on_warp(BRIEF, 2)]

    theirs, ours = (world.reset(tasks, 4) for world in worlds)

    np.testing.assert_array_equal(ours, theirs)
    theirs, ours = (world.step(gripping(1, 2)[0]).observation for world in worlds)
    np.testing.assert_allclose(ours, theirs, atol=0.05)  # a step of an encoder's velocity
    places = TURN.scene.skill.layout.slice_of("valve_angle")
    np.testing.assert_allclose(ours[:, places], theirs[:, places], atol=2e-3)


def test_matched_episodes_pay_the_same():
    record = agreement(TURN, 64, "warp", num_steps=6)

    assert record["low"] <= 0.0 <= record["high"]
    assert record["largest_difference"] < 0.05 * record["mujoco_return_deviation"]


def test_a_reset_carries_nothing_over_and_worlds_are_apart():
    tasks = [task(valve_damping=(0.05 * (w + 1),)) for w in range(3)]
    world, alone = on_warp(BRIEF, 3), on_warp(BRIEF, 1)

    first = positions(world, tasks, gripping(4, 3))
    positions(world, tasks[::-1], -gripping(4, 3))

    np.testing.assert_array_equal(positions(world, tasks, gripping(4, 3)), first)
    np.testing.assert_array_equal(positions(alone, tasks[:1], gripping(4, 1)), first[:, :1])


def test_a_world_that_starts_again_leaves_the_others_alone():
    rest, control = TURN.scene.mj_model.key_qpos[0], np.full((3, 4, 9), 0.2)
    undisturbed, restarted = warp_physics(3), warp_physics(3)
    everywhere, one = np.arange(3), np.array([1])
    rows = rest + np.array([[0.0], [0.01], [0.02]])
    for physics in (undisturbed, restarted):
        assert not physics.start(everywhere, rows, np.zeros((3, 10))).any()
        physics.rollout(control)
    before, force = (restarted.read(name, everywhere) for name in ("qpos", "actuator_force"))

    restarted.start(one, rows[one], np.zeros((1, 10)))

    now, forces = (restarted.read(name, everywhere) for name in ("qpos", "actuator_force"))
    np.testing.assert_array_equal(now[[0, 2]], before[[0, 2]])
    np.testing.assert_array_equal(forces[[0, 2]], force[[0, 2]])
    np.testing.assert_allclose(restarted.read("qpos", one), rows[one], atol=1e-6)
    undisturbed.rollout(control)
    restarted.rollout(control)
    again = restarted.read("qpos", everywhere)
    np.testing.assert_array_equal(again[[0, 2]], undisturbed.read("qpos", everywhere)[[0, 2]])
    np.testing.assert_array_equal(again[1], before[1])


def test_an_unstable_world_is_told_and_can_start_again():
    rest, fast = np.tile(TURN.scene.mj_model.key_qpos[0], (2, 1)), np.zeros((2, 10))
    fast[1] = 1e12
    physics = warp_physics(2)

    assert physics.start(np.arange(2), rest, fast).tolist() == [False, True]
    assert physics.rollout(np.zeros((2, 4, 9))).tolist() == [False, True]
    assert not physics.start(np.array([1]), rest[1:], np.zeros((1, 10))).any()
    assert not physics.rollout(np.zeros((2, 4, 9))).any()


@pytest.mark.parametrize(
    ("room", "words"),
    [
        ({"rows": 12}, r"a world has \d\d constraint rows, room for 12"),
        ({"contacts": 1}, r"1 worlds have \d+ contacts and \d+ pairs that are near, room for 1"),
    ],
    ids=["rows", "contacts"],
)
def test_what_has_no_room_ends_the_rollout_with_its_number(room, words):
    closed = np.tile([0.0, 0.2, 1.6], 3)
    physics = warp_physics(1, **room)
    physics.start(np.array([0]), TURN.scene.mj_model.key_qpos[:1], np.zeros((1, 10)))

    with pytest.raises(NoRoomError, match=words):
        physics.rollout(np.tile(closed, (1, 120, 1)))


def test_a_difference_that_it_cannot_have_is_refused_by_name():
    from training.worlds.warp_models import WorldModels

    nominal = TURN.scene.mj_model
    models = WorldModels(nominal)
    for change, name in (
        (lambda model: model.geom_contype.__setitem__(1, 7), "geom_contype"),
        (lambda model: model.opt.gravity.__setitem__(2, -1.6), r"opt\.gravity"),
        (lambda model: model.dof_M0.fill(0.0), None),
    ):
        other = copy.copy(nominal)
        change(other)
        if name is None:
            assert models.rows([nominal, other]) == {}
            continue
        with pytest.raises(ValueError, match=name):
            models.rows([nominal, other])


def test_what_never_moves_stands_where_the_task_has_it():
    """MuJoCo Warp places it once, of the nominal model."""
    moved = copy.copy(TURN.scene.mj_model)
    palm = moved.body("palm").id
    moved.body_pos[palm] += (0.01, 0.02, 0.03)
    physics = warp_physics(2)

    physics.set_models([TURN.scene.mj_model, moved])

    places = physics._data.xpos.numpy()[:, palm]
    np.testing.assert_allclose(places[1] - places[0], (0.01, 0.02, 0.03), atol=1e-6)


def test_its_speed_is_measured_under_its_own_name():
    family = as_simulated_by(at_control_period(TURN, 0.0025), "warp", "cpu")

    record, *_ = bench_sim([family], threads=(1,), worlds=2, seconds=0.1)

    assert record["case"] == "valve_turn@400hz/warp/cpu/threads=1"
    assert record["value"] > 0.0


def test_what_is_known_of_a_model_goes_with_it():
    from training.worlds.warp_models import WorldModels

    models = WorldModels(STILL.mj_model)
    heavy = copy.copy(STILL.mj_model)
    STILL.apply(heavy, task(valve_damping=(0.5,)))
    assert set(models.rows([heavy])) == {"dof_damping"}
    assert len(models._known) == 2
    del heavy
    gc.collect()
    assert len(models._known) == 1
