"""robot.yaml is read strictly: what does not fit is refused by name."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from sim2real.contract.errors import BadInput
from sim2real.contract.robot_spec import DCLAW, load_robot_spec


@pytest.fixture
def edited(tmp_path: Path):
    """A copy of the D'Claw's robot.yaml with one text replaced."""

    def edit(old: str, new: str) -> Path:
        text = DCLAW.read_text()
        assert old in text
        path = tmp_path / "robot.yaml"
        path.write_text(text.replace(old, new, 1))
        return path

    return edit


def test_dclaw_has_nine_joints_in_motor_order():
    spec = load_robot_spec()

    assert spec.motor_ids == (10, 11, 12, 20, 21, 22, 30, 31, 32)
    assert spec.joint_names[:3] == ("finger1_top", "finger1_middle", "finger1_bottom")
    assert spec.object_named("valve").motor_id == 50
    assert (spec.joint_array("lower_rad") < spec.joint_array("upper_rad")).all()


def test_servo_units_are_the_manuals():
    servo = load_robot_spec().servo

    np.testing.assert_allclose(servo.position_unit_rad, 2 * np.pi / 4096)
    np.testing.assert_allclose(servo.velocity_unit_rad_s, 0.229 * 2 * np.pi / 60, rtol=1e-6)
    np.testing.assert_allclose(servo.no_load_speed_rad_s, 77 * 2 * np.pi / 60)


def test_fingerprint_changes_with_any_field_and_not_with_layout(edited):
    spec = load_robot_spec()

    assert load_robot_spec(edited("baud: 1000000", "baud: 2000000")).fingerprint != spec.fingerprint
    swapped = edited("finger1_top: 1.0471975511965976", "finger1_top: -1.0471975511965976")
    assert load_robot_spec(swapped).fingerprint != spec.fingerprint
    assert load_robot_spec(edited("name: dclaw\n", "name:   dclaw\n")).fingerprint == (
        spec.fingerprint
    )


@pytest.mark.parametrize(
    ("old", "new", "field", "found"),
    [
        ("name: finger1_top", "title: finger1_top", "joints[0].title", "title"),
        ("motor_id: 11}", "motor_id: 10}", "motor_id", "10"),
        ("motor_id: 11}", "motor_id: 300}", "motor_id", "300"),
        ("motor_id: 11}", "motor_id: 1.5}", "joints[1].motor_id", "1.5"),
        ("lower_rad: -0.48", "lower_deg: -27.5", "joints[0].lower_deg", "lower_deg"),
        ("lower_rad: -0.48", "lower_rad: -27.5", "joints[0].lower_rad", "-27.5"),
        ("lower_rad: -0.48", "lower_rad: 0.9", "joints[0].lower_rad", "0.9"),
        ("home_rad: 0.0", "home_rad: 0.7", "joints[0].home_rad", "0.7"),
        ("current_limit_ma: 900.0", "current_limit_ma: 9000.0", "current_limit_ma", "9000.0"),
        ("control_period_s: 0.05", "control_period_s: .nan", "control_period_s", "nan"),
        ("control_period_s: 0.05", "control_period_s: yes", "control_period_s", "yes"),
        ("min_voltage_v: 10.0", "min_voltage_v: 15.0", "safety.min_voltage_v", "15.0"),
        ("schema_version: 1", "schema_version: 2", "schema_version", "2"),
        ("physics_joint_map: {}", "physics_joint_map: {thumb: j}", "physics_joint_map", "thumb"),
        ("  finger1_top: 1.047", "  thumb_top: 1.047", "base_angle_rad.thumb_top", "thumb_top"),
        ("1.0471975511965976", "60.0", "base_angle_rad.finger1_top", "60.0"),
        ("bus:\n", "bus: 3\nold_bus:\n", "old_bus", "old_bus"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(edited, old, new, field, found):
    path = edited(old, new)

    with pytest.raises(BadInput) as refusal:
        load_robot_spec(path)

    message = str(refusal.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    assert field in message
    assert found in message
    assert "expected" in message


def test_a_hand_has_to_say_where_its_fingers_stand(edited):
    angles = DCLAW.read_text().partition("base_angle_rad:\n")[2].partition("\n\n")[0]
    stated = f"base_angle_rad:\n{angles}\n"

    with pytest.raises(BadInput, match="base_angle_rad: found 'none', expected the first joint"):
        load_robot_spec(edited(stated, "base_angle_rad: {}\n"))
    with pytest.raises(BadInput, match="base_angle_rad: found 'nothing'"):
        load_robot_spec(edited(stated, ""))


def test_missing_field_and_missing_file_are_named(edited, tmp_path):
    with pytest.raises(BadInput, match=re.escape("safety.bus_watchdog_s: found 'nothing'")):
        load_robot_spec(edited("  bus_watchdog_s: 0.2\n", ""))
    with pytest.raises(BadInput, match=r"absent\.yaml: file"):
        load_robot_spec(tmp_path / "absent.yaml")
    with pytest.raises(BadInput, match="expected YAML"):
        load_robot_spec(edited("schema_version: 1", "schema_version: [1"))
