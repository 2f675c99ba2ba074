"""What people get wrong in the files of a hand of their own: one line, exit code 2, and where."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from sim2real.cli import main
from sim2real.contract.errors import BadInput
from sim2real.contract.robot_spec import load_robot_spec
from sim2real.placing import load_reset_config
from tests.own_hand.hands import PINCER

ELBOW = '<joint name="RFJ2" axis="1 0 0" range="-20 95"/>'
MOTOR = '<position name="A_RFJ2" joint="RFJ2"/>'

ROBOT = {
    # kind: (what is edited, into what, field, part of what was found, part of what was expected)
    "degrees where radians belong": (
        "upper_rad: 0.8", "upper_rad: 45.0",
        "joints[0].upper_rad", "45.0", "radians within one turn",
    ),
    "base angle in degrees": (
        "left_root: 1.5707963267948966", "left_root: 90.0",
        "base_angle_rad.left_root", "90.0", "radians within one turn",
    ),
    "a joint missing in the map": (
        "  left_elbow: LFJ2\n", "", "joint left_elbow", "no left_elbow", "it among",
    ),
    "a joint of the map that the MJCF has not": (
        "left_elbow: LFJ2", "left_elbow: LFJ9", "joint left_elbow", "no LFJ9", "LFJ2",
    ),
    "two joints of the map are one": (
        "left_elbow: LFJ2", "left_elbow: LFJ1",
        "physics_joint_map.left_elbow", "LFJ1", "left_root is called so",
    ),
    "the map names what the robot has not": (
        "left_elbow: LFJ2", "thumb_elbow: LFJ2",
        "physics_joint_map.thumb_elbow", "thumb_elbow", "left_elbow",
    ),
    "a fingertip that is not there": (
        "left_tip: LF_pad", "left_tip: LF_pat", "geom left_tip", "no LF_pat", "LF_pad",
    ),
    "a fingertip that touches nothing": (
        "left_tip: LF_pad", "left_tip: mount", "geom left_tip", "nothing that touches", "LF_pad",
    ),
    "ids twice": ("motor_id: 4", "motor_id: 3", "motor_id", "3", "each one once"),
    "an id that no servo can have": (
        "motor_id: 4", "motor_id: 253", "motor_id", "253", "0 to 252",
    ),
    "names twice": ("name: right_elbow", "name: left_elbow", "name", "left_elbow", "each one once"),
    "a motor model unknown": (
        "model: XL330-M288", "model: XL430-W250", "servo.model", "XL430-W250", "XM430-W350",
    ),
    "the number of another model": (
        "model_number: 1200", "model_number: 1190", "servo.model_number", "1190", "1200",
    ),
    "the current unit of another model": (
        "current_unit_ma: 1.0", "current_unit_ma: 2.69", "servo.current_unit_ma", "2.69", "1.0",
    ),
    "a supply that the model does not stand": (
        "nominal_voltage_v: 5.0", "nominal_voltage_v: 12.0",
        "servo.nominal_voltage_v", "12.0", "3.1 to 7",
    ),
    "a current that the model does not know": (
        "current_limit_ma: 700.0", "current_limit_ma: 1800.0",
        "joints[0].current_limit_ma", "1800.0", "1750",
    ),
    "a baud rate that the model does not know": (
        "baud: 1000000", "baud: 4500000", "bus.baud", "4500000", "4000000",
    ),
    "another operating mode": (
        "operating_mode: 5", "operating_mode: 3", "servo.operating_mode", "3", "current-based",
    ),
    "a range beyond the mechanism": (
        "upper_rad: 1.5", "upper_rad: 2.0", "range of left_elbow", "1.65", "2.0",
    ),
    "a range the wrong way round": (
        "lower_rad: -0.8", "lower_rad: 0.9", "joints[0].lower_rad", "0.9", "below upper_rad",
    ),
    "a home outside the range": (
        "home_rad: 0.5", "home_rad: 1.6", "joints[1].home_rad", "1.6", "within",
    ),
    "an object without a joint": (
        "has_joint: true", "has_joint: false", "physics_joint_map.knob", "knob", "one of",
    ),
    "an object whose joint the MJCF has not": (
        "knob: KNOB_J", "knob: DIAL_J", "joint knob", "no DIAL_J", "KNOB_J",
    ),
    "a finger that stands elsewhere": (
        "left_root: 1.5707963267948966", "left_root: 0.0",
        "base angle of left_root", "1.57", "0.0000",
    ),
    "no finger begins with the first joint": (
        "  left_root: 1.5707963267948966\n", "", "base_angle_rad", "right_root", "left_root",
    ),
    "a key left out": ("  min_firmware: 45\n", "", "servo.min_firmware", "nothing", "a value"),
    "a key that nobody knows": (
        "  min_firmware: 45\n", "  min_firmware: 45\n  colour: red\n",
        "servo.colour", "colour", "one of",
    ),
    "text where a number belongs": (
        "motor_id: 4}", "motor_id: four}", "joints[3].motor_id", "four", "a whole number",
    ),
    "a gain that the simulated servo lacks": (
        "position_d_gain: 0", "position_d_gain: 500", "joints[0].position_d_gain", "500", "0",
    ),
    "a model file that is not there": (
        "physics_model: model.xml", "physics_model: hand.xml", "file", "nothing", "an MJCF file",
    ),
}  # fmt: skip

MODEL = {
    "an actuator of an unknown type": (
        MOTOR, '<muscle name="A_RFJ2" joint="RFJ2"/>', "actuator A_RFJ2", "muscle", "position",
    ),
    "an actuator that turns no joint": (
        MOTOR, '<adhesion name="A_RFJ2" body="RF_dist" ctrlrange="0 1"/>',
        "actuator A_RFJ2", "body", "on one joint",
    ),
    "an actuator on a joint that robot.yaml does not name": (
        ELBOW, f'{ELBOW}<joint name="RFJ3" axis="0 1 0"/>',
        "actuator A_RFJ3", "RFJ3", "on a joint of robot.yaml",
    ),
    "no model at all": ("<mujoco", "<urdf", "file", "urdf", "a MuJoCo model"),
    "a mesh that is not there": (
        "<default>", '<asset><mesh name="m" file="m.stl"/></asset><default>',
        "file", "m.stl", "a MuJoCo model",
    ),
}  # fmt: skip

UNITS = {
    "another robot's unit": ("robot: pincer", "robot: dclaw", "robot"),
    "a servo without calibration": ("  knob: {sign: 1, zero_count: 2048}\n", "", "servos"),
    "a sign that is none": ("left_root: {sign: 1", "left_root: {sign: 2", "servos.left_root"),
    "a zero from which the range cannot be reached": (
        "left_elbow: {sign: 1, zero_count: 2048}", "left_elbow: {sign: 1, zero_count: 4000}",
        "servos.left_elbow",
    ),
}  # fmt: skip

RESET = {
    "degrees where the fingers are clear": (
        "left_root: -0.4", "left_root: -40.0", "clear_rad.left_root",
    ),
    "a joint that is nowhere clear": ("left_root: -0.4, ", "", "clear_rad"),
    "a sideways joint that the robot has not": ("sideways: []", "sideways: [thumb]", "sideways"),
    "no speed": ("speed_rad_s: 2.5", "speed_rad_s: 0.0", "speed_rad_s"),
}  # fmt: skip

PAGE = Path(__file__).parents[2] / "docs" / "bad_configuration.md"
"""a table of these kinds, and of what is said of each"""


def hand_with(tmp_path: Path, file: str, old: str, new: str) -> Path:
    folder = tmp_path / "pincer"
    shutil.copytree(PINCER, folder)
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1))
    return folder


def refusal(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What a verb that needs robot.yaml and the model says of them, on one line."""
    out = tmp_path / "tasks.json"
    draw = ["tasks", "pose_dynamics", str(out), "--num-train", "1", "--num-test", "1"]
    assert main([*draw, "--robot-config", str(folder)]) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert not out.exists()
    return said.err


def parts(line: str) -> tuple[str, str, str, str]:
    """File, field, what was found and what was expected."""
    found = re.fullmatch(r"taskbelief tasks: (.+?): (.+?): found (.+), expected (.+)\n", line)
    assert found is not None, line
    return found[1], found[2], found[3], found[4]


@pytest.mark.parametrize("kind", ROBOT)
def test_what_is_wrong_in_robot_yaml_is_said(kind, tmp_path, capsys):
    old, new, field, found, expected = ROBOT[kind]
    folder = hand_with(tmp_path, "robot.yaml", old, new)

    where, *said = parts(refusal(folder, tmp_path, capsys))

    assert Path(where).parent == folder
    assert said[0] == field
    assert found in said[1]
    assert expected in said[2]


@pytest.mark.parametrize("kind", MODEL)
def test_what_is_wrong_in_the_model_is_said(kind, tmp_path, capsys):
    old, new, field, found, expected = MODEL[kind]
    folder = hand_with(tmp_path, "model.xml", old, new)
    if "RFJ3" in field:
        text = (folder / "model.xml").read_text()
        text = text.replace(MOTOR, f'{MOTOR}<position name="A_RFJ3" joint="RFJ3"/>')
        (folder / "model.xml").write_text(text)

    where, *said = parts(refusal(folder, tmp_path, capsys))

    assert where == str(folder / "model.xml")
    assert said[0] == field
    assert found in said[1]
    assert expected in said[2]


@pytest.mark.parametrize("kind", UNITS)
def test_what_is_wrong_in_a_units_file_is_said(kind, tmp_path, capsys):
    old, new, field = UNITS[kind]
    folder = hand_with(tmp_path, "units/emulated.yaml", old, new)

    command = ["provision", "--port", str(tmp_path / "none"), "--unit", "emulated"]
    assert main([*command, "--robot", str(folder)]) == 2

    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert f"{folder}/units/emulated.yaml: {field}: found" in line


@pytest.mark.parametrize("kind", RESET)
def test_what_is_wrong_in_reset_yaml_is_said(kind, tmp_path):
    old, new, field = RESET[kind]
    folder = hand_with(tmp_path, "reset.yaml", old, new)

    with pytest.raises(BadInput) as refused:
        load_reset_config(load_robot_spec(folder))

    assert (refused.value.where, refused.value.field) == (str(folder / "reset.yaml"), field)
    assert refused.value.exit_code == 2


def test_the_page_lists_every_kind_with_its_field():
    rows = [line.split(" | ") for line in PAGE.read_text(encoding="utf-8").splitlines()]
    listed = {row[0].removeprefix("| "): row[1].strip("`") for row in rows if len(row) == 4}
    expected = {
        kind: case[2] for cases in (ROBOT, MODEL, UNITS, RESET) for kind, case in cases.items()
    }

    assert {kind: listed.get(kind) for kind in expected} == expected
    assert len(expected) >= 20
