"""The simulated claw against robot.yaml: order, limits, home, and what can meet what."""

import mujoco
import numpy as np
import pytest

from sim2real.contract.robot_spec import DCLAW, load_robot_spec

SPEC = load_robot_spec()
MODEL_PATH = DCLAW.with_name(SPEC.physics_model)
JOINTS = len(SPEC.joint_names)
LOWER, UPPER, HOME = (SPEC.joint_array(f"{field}_rad") for field in ("lower", "upper", "home"))
FINGERS = ("finger1", "finger2", "finger3")
LOBES = ("valve_lobe1", "valve_lobe2", "valve_lobe3")


@pytest.fixture
def mj_model() -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_path(str(MODEL_PATH))


def distances(mj_model, data, from_geoms, to_geoms) -> np.ndarray:
    """Signed distances between named geoms, (from, to), metres, cut off at 1 m."""
    return np.array(
        [
            [
                mujoco.mj_geomDistance(
                    mj_model, data, mj_model.geom(a).id, mj_model.geom(b).id, 1.0, None
                )
                for b in to_geoms
            ]
            for a in from_geoms
        ]
    )


def test_joints_and_actuators_follow_the_order_of_robot_yaml(mj_model):
    assert [mj_model.joint(i).name for i in range(mj_model.njnt)] == [*SPEC.joint_names, "valve"]
    assert [mj_model.actuator(i).name for i in range(mj_model.nu)] == list(SPEC.joint_names)
    assert mj_model.actuator_trnid[:, 0].tolist() == list(range(JOINTS))
    assert mj_model.nq == mj_model.nv == JOINTS + 1


def test_control_ranges_are_the_command_limits_and_joints_reach_beyond_them(mj_model):
    np.testing.assert_allclose(mj_model.actuator_ctrlrange, np.stack([LOWER, UPPER], axis=1))
    assert mj_model.actuator_ctrllimited.all()
    assert mj_model.jnt_limited[:JOINTS].all()
    assert (mj_model.jnt_range[:JOINTS, 0] < LOWER - 0.05).all()
    assert (mj_model.jnt_range[:JOINTS, 1] > UPPER + 0.05).all()


def test_home_keyframe_is_the_home_pose(mj_model):
    np.testing.assert_allclose(mj_model.key("home").qpos, [*HOME, 0.0])
    np.testing.assert_allclose(mj_model.key("home").ctrl, HOME)


def test_the_control_period_is_a_whole_number_of_physics_steps(mj_model):
    assert SPEC.control_period_s / mj_model.opt.timestep == pytest.approx(20)


def test_the_valve_turns_without_end(mj_model):
    assert not mj_model.jnt_limited[mj_model.joint("valve").id]


@pytest.mark.parametrize(
    ("kind", "count"),
    [
        ("body", "nbody"),
        ("joint", "njnt"),
        ("geom", "ngeom"),
        ("site", "nsite"),
        ("actuator", "nu"),
        ("camera", "ncam"),
        ("light", "nlight"),
        ("material", "nmat"),
    ],
)
def test_every_element_has_a_name(mj_model, kind, count):
    names = [getattr(mj_model, kind)(i).name for i in range(getattr(mj_model, count))]
    assert names
    assert all(names)


def test_compiling_twice_gives_the_same_arrays(mj_model):
    again = mujoco.MjModel.from_xml_path(str(MODEL_PATH))
    images = []
    for compiled in (mj_model, again):
        image = np.empty(mujoco.mj_sizeModel(compiled), np.uint8)
        mujoco.mj_saveModel(compiled, None, image)
        images.append(image)
    np.testing.assert_array_equal(*images)


def test_at_home_every_fingertip_hangs_free_between_two_lobes_within_two_centimetres(mj_model):
    data = mujoco.MjData(mj_model)
    mujoco.mj_resetDataKeyframe(mj_model, data, mj_model.key("home").id)
    mujoco.mj_forward(mj_model, data)
    to_lobes = distances(mj_model, data, [f"{finger}_tip" for finger in FINGERS], LOBES)
    nearest_two = np.sort(to_lobes, axis=1)[:, :2]
    assert (nearest_two > 0.01).all()
    assert (nearest_two < 0.02).all()
    assert data.ncon == 0


def can_touch(mj_model, first, second) -> bool:
    a, b = mj_model.geom(first), mj_model.geom(second)
    return bool((a.contype & b.conaffinity) | (b.contype & a.conaffinity))


def test_fingers_touch_the_valve_and_each_other(mj_model):
    for part in ("tip", "distal"):
        assert can_touch(mj_model, f"finger1_{part}", "valve_lobe2")
        assert can_touch(mj_model, f"finger1_{part}", "valve_hub")
        assert can_touch(mj_model, f"finger1_{part}", f"finger2_{part}")
        assert can_touch(mj_model, f"finger1_{part}", "finger2_middle_motor")
    assert can_touch(mj_model, "finger1_middle_motor", "finger2_middle_motor")


def test_what_has_no_contact_in_the_model_cannot_meet_within_the_command_limits(mj_model):
    data, rng = mujoco.MjData(mj_model), np.random.default_rng(0)
    moving, fixed = ("tip", "distal", "middle_motor"), ("valve_base", "table", "palm")
    unfelt = ("proximal_frame", "proximal_motor", "middle_frame")
    checked = 0
    while checked < 400:
        extreme = np.where(rng.random(JOINTS) < 0.5, LOWER, UPPER)
        data.qpos[:JOINTS] = np.where(rng.random(JOINTS) < 0.5, extreme, rng.uniform(LOWER, UPPER))
        mujoco.mj_fwdPosition(mj_model, data)
        if data.ncon:
            continue  # contact forbids this pose
        checked += 1
        for finger, following in (("finger1", "finger2"), ("finger2", "finger1")):
            felt = [f"{following}_{part}" for part in moving]
            own = [f"{finger}_{part}" for part in unfelt]
            assert distances(mj_model, data, own, [*felt, *LOBES, "valve_hub"]).min() > 0
            assert distances(mj_model, data, felt, fixed).min() > 0
            elbow = [f"{finger}_middle_motor"]
            assert distances(mj_model, data, elbow, [*LOBES, "valve_hub"]).min() > 0


def test_random_motion_from_home_turns_the_valve_within_a_second(mj_model):
    """The first trials of learning failed where contact was rare (joint steps up to 0.15 rad)."""
    rng, moved = np.random.default_rng(0), []
    for _ in range(20):
        data = mujoco.MjData(mj_model)
        mujoco.mj_resetDataKeyframe(mj_model, data, mj_model.key("home").id)
        for _ in range(20):
            data.ctrl[:] = np.clip(data.ctrl + rng.uniform(-0.15, 0.15, JOINTS), LOWER, UPPER)
            mujoco.mj_step(mj_model, data, nstep=20)
        moved.append(abs(data.joint("valve").qpos[0]))
    print(f"valve after 1 s of random motion: median {np.median(moved):.2f} rad")
    assert np.quantile(moved, 0.2) > 0.02


def test_a_touched_valve_does_not_spin_away(mj_model):
    data = mujoco.MjData(mj_model)
    mujoco.mj_resetDataKeyframe(mj_model, data, mj_model.key("home").id)
    data.joint("valve").qvel[0] = 5.0
    mujoco.mj_step(mj_model, data, nstep=200)
    assert abs(data.joint("valve").qvel[0]) < 0.01
    assert abs(data.joint("valve").qpos[0]) < 0.1
