"""Hands that are not the claw, by configuration alone: one drawn by somebody else, one of ours.

The template package's `pincer/model.xml` is foreign in every way that public models are: degrees,
names and an order of its own, position actuators, a key frame, a sensor, a fingertip without name.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys

import mujoco
import numpy as np
import pytest

from sim2real.cli import main
from sim2real.contract.action import ActionMap
from sim2real.contract.errors import BadInput
from sim2real.contract.joint_io import Command
from sim2real.contract.robot_spec import RobotSpec, load_robot_spec
from sim2real.evaluation.hands import lock_step_hand
from sim2real.hardware.calibration import load_calibration
from sim2real.hardware.doctor import format_checks, is_healthy
from sim2real.hardware.hand_in_model import HandInModel
from sim2real.hardware.physics_model import default_mjcf, load_physics_model
from sim2real.hardware.urdf import robot_description
from sim2real.placing import load_reset_config
from sim2real.runtime.verify import load_bundle
from tests.own_hand.hands import DCLAW4, PINCER, examined
from training.families.effects import parameters_without_effect
from training.families.registry import claw_family
from training.tasks.task_set import load_task_set

EVERY_HAND = pytest.mark.parametrize("robot", [PINCER, DCLAW4], ids=["pincer", "dclaw4"])


# ---- a foreign MJCF as it is -------------------------------------------------------------------


def test_a_foreign_model_has_the_robots_names_and_servos():
    spec = load_robot_spec(PINCER)
    model = load_physics_model(spec)

    assert [model.actuator(index).name for index in range(model.nu)] == list(spec.joint_names)
    file = mujoco.MjModel.from_xml_path(str(default_mjcf(spec)))
    for name, own in (("left_elbow", "LFJ2"), ("knob", "KNOB_J"), ("right_root", "RFJ1")):
        np.testing.assert_allclose(model.joint(name).range, file.joint(own).range)
        assert model.joint(name).bodyid == file.joint(own).bodyid
    stall = spec.servo.stall_torque_nm / spec.servo.stall_current_a * 0.7
    np.testing.assert_allclose(model.actuator_forcerange[:, 1], stall)
    np.testing.assert_allclose(model.actuator_ctrlrange, [joint.range_rad for joint in spec.joints])


def test_a_tip_is_a_geom_or_all_of_a_body_that_touches():
    model = load_physics_model(load_robot_spec(PINCER))
    hand = HandInModel.of(model)

    assert [[model.geom(geom).name for geom in tip] for tip in hand.tips] == [
        ["left_tip"],
        ["right_tip", "right_tip_2"],
    ]
    assert [model.body(body).name for body in hand.mounts(model)] == ["mount"]
    assert hand.object == "knob"


def test_joints_may_swap_names_with_one_another(tmp_path):
    folder = tmp_path / "pincer"
    shutil.copytree(PINCER, folder)
    text = (folder / "model.xml").read_text()
    for old, new in (("RFJ1", "left_elbow"), ("LFJ2", "right_root")):
        text = text.replace(old, new)
    (folder / "model.xml").write_text(text)
    config = (folder / "robot.yaml").read_text()
    config = config.replace("left_elbow: LFJ2", "left_elbow: right_root")
    (folder / "robot.yaml").write_text(config.replace("right_root: RFJ1", "right_root: left_elbow"))

    swapped = load_physics_model(load_robot_spec(folder))

    own = load_physics_model(load_robot_spec(PINCER))
    for field in ("jnt_range", "actuator_trnid", "actuator_gainprm", "dof_armature"):
        np.testing.assert_array_equal(getattr(swapped, field), getattr(own, field))


# ---- the same commands as on the claw ----------------------------------------------------------


@EVERY_HAND
def test_a_bundle_is_evaluated_on_it_in_simulation(robot, bundle_on, tmp_path, capsys):
    out = tmp_path / "out"
    options = ["--num-tasks", "1", "--num-episodes", "2", "--out", str(out), "--quiet"]

    assert main(["evaluate", str(bundle_on(robot)), "--robot-config", str(robot), *options]) == 0, (
        capsys.readouterr().err
    )

    results = json.loads((out / "results.json").read_text())
    assert results["robot"] == "simulated"
    assert (out / "report.html").is_file()


@EVERY_HAND
def test_a_command_moves_its_emulated_servos(robot):
    spec = load_robot_spec(robot)
    hand, line = lock_step_hand(spec, 20.0)
    goal = spec.joint_array("home_rad") - 0.1

    with hand.robot as servos:
        servos.activate()
        for _ in range(30):
            reading = servos.read()
            servos.write(Command(stamp_ns=reading.stamp_ns, position_rad=goal))
            line.advance_to(line.now + 0.05)
        reached = servos.read()
        assert servos.turning is not None
        turn = servos.turning.turn_at(2.0)
        turn.begin(0.3)
        line.advance_to(line.now + 1.0)
        turn.let_go()
        turned = servos.read().object_position_rad
    assert np.abs(reached.position_rad - goal).max() < 0.12
    assert abs(float(turned) - 0.3) < 0.05


@EVERY_HAND
def test_the_doctor_finds_nothing_wrong_with_it(robot):
    checks = examined(load_robot_spec(robot))

    assert is_healthy(checks), format_checks(checks)


def test_emulate_serves_a_foreign_hand():
    command = [sys.executable, "-m", "sim2real.cli", "emulate", "--robot", str(PINCER)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        place = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0

    assert place["ids"] == [1, 2, 3, 4, 9]
    assert place["robot"] == str(PINCER / "robot.yaml")


@EVERY_HAND
def test_tasks_of_it_are_drawn_and_every_parameter_of_the_pose_is_felt(robot, tmp_path, capsys):
    out = tmp_path / "tasks.json"
    command = ["tasks", "pose_dynamics", str(out), "--robot-config", str(robot)]

    assert main([*command, "--num-train", "2", "--num-test", "2"]) == 0, capsys.readouterr().err

    family = claw_family("pose_dynamics", "test", load_robot_spec(robot))
    assert parameters_without_effect(family) == []
    loads = load_task_set(out).test[0].parameters["finger_load"]
    assert len(loads) == len(family.scene.spec.fingers)


def test_tasks_of_one_hand_are_refused_for_another(tmp_path, capsys):
    out = tmp_path / "tasks.json"
    draw = ["tasks", "pose_dynamics", str(out), "--num-train", "2", "--num-test", "2"]
    assert main([*draw, "--robot-config", "dclaw4"]) == 0
    capsys.readouterr()

    assert main(["emulate", "--task", f"{out}:0"]) == 2

    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "finger_load" in error


@EVERY_HAND
def test_a_bundle_of_it_is_refused_by_the_claw_and_the_other_way_round(
    robot, bundle_on, exported_bundles
):
    spec, claw = load_robot_spec(robot), load_robot_spec()

    with pytest.raises(BadInput, match=rf"robot\.name: found '{spec.name}', expected dclaw"):
        load_bundle(bundle_on(robot), claw)
    with pytest.raises(BadInput, match=rf"robot\.name: found 'dclaw', expected {spec.name}"):
        load_bundle(exported_bundles(), spec)


def test_a_family_where_no_robot_performs_the_tasks_is_refused_on_one(tmp_path, capsys):
    command = ["tasks", "point_robot", str(tmp_path / "t.json"), "--robot-config", "dclaw4"]

    assert main(command) == 2

    assert "family of a hand" in capsys.readouterr().err


def test_a_robot_that_is_nowhere_is_refused_with_those_there_are(tmp_path, capsys):
    assert main(["doctor", "--port", "/dev/null", "--unit", "emulated", "--robot", "dclaw5"]) == 2

    error = capsys.readouterr().err
    assert "dclaw5" in error
    assert "dclaw4" in error


# ---- the four-finger hand ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def dclaw4() -> RobotSpec:
    return load_robot_spec(DCLAW4)


def test_its_files_fit_each_other(dclaw4):
    assert [len(finger.joints) for finger in dclaw4.fingers] == [3, 3, 3, 3]
    load_reset_config(dclaw4)
    load_calibration(dclaw4, "emulated")
    urdf = default_mjcf(dclaw4).with_name("robot.urdf").read_text()
    assert urdf == robot_description(dclaw4), "python -m sim2real.hardware.urdf makes it"


def test_nothing_touches_at_home_or_where_the_fingers_are_clear(dclaw4):
    model = load_physics_model(dclaw4)
    clear = load_reset_config(dclaw4).clear_rad
    for pose in (dclaw4.joint_array("home_rad"), [clear[name] for name in dclaw4.joint_names]):
        data = mujoco.MjData(model)
        for angle in np.linspace(0.0, np.pi / 2, 7):
            data.joint("cube").qpos[0] = angle
            for name, value in zip(dclaw4.joint_names, pose, strict=True):
                data.joint(name).qpos[0] = value
            mujoco.mj_forward(model, data)
            assert data.ncon == 0


def test_plus_top_sweeps_counterclockwise_and_plus_middle_bends_inward(dclaw4):
    model = load_physics_model(dclaw4)
    for finger in dclaw4.fingers:
        top, middle, bottom = finger.joints
        angle = dclaw4.base_angle_rad[top]
        outward = np.array([np.cos(angle), np.sin(angle), 0.0])
        counterclockwise = np.array([-np.sin(angle), np.cos(angle), 0.0])
        for joint, direction in (
            (top, counterclockwise),
            (middle, -outward),
            (bottom, -outward),
        ):
            places = []
            for offset in (0.0, 0.05):
                data = mujoco.MjData(model)
                data.joint(joint).qpos[0] = offset
                mujoco.mj_forward(model, data)
                places.append(data.geom(finger.tip).xpos.copy())
            assert (places[1] - places[0]) @ direction > 0.001, joint


def test_its_action_map_has_an_entry_per_joint(dclaw4):
    family = claw_family("valve_turn", "test", dclaw4)

    expected = ActionMap.for_robot(
        dclaw4, kind="increment", control_period_s=0.1, max_step_rad=0.25
    )
    assert family.scene.action_map == expected
    assert family.scene.skill.layout.size == 3 * 12 + 5
