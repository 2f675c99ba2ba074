"""Unit files: the conversion, and every way in which one may not fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sim2real.contract.errors import BadInput
from sim2real.contract.robot_spec import load_robot_spec
from sim2real.hardware.calibration import (
    Calibration,
    JointFrame,
    ServoCalibration,
    load_calibration,
    position_limit_counts,
    unit_path,
)

SPEC = load_robot_spec()
servos = st.builds(ServoCalibration, sign=st.sampled_from([1, -1]), zero_count=st.integers(0, 4095))


@given(st.lists(servos, min_size=1, max_size=9), st.data())
def test_counts_and_angles_convert_there_and_back(
    mounted: list[ServoCalibration], data: st.DataObject
) -> None:
    names = tuple(f"joint{i}" for i in range(len(mounted)))
    calibration = Calibration(
        schema_version=1, unit="x", robot="y", servos=dict(zip(names, mounted))
    )
    frame = calibration.frame(names)
    counts = np.array([data.draw(st.integers(-(2**20), 2**20)) for _ in names])
    np.testing.assert_array_equal(frame.counts(frame.position_rad(counts)), counts)
    zeros = np.array([servo.zero_count for servo in mounted])
    np.testing.assert_array_equal(frame.position_rad(zeros), 0)


def test_a_reversed_servo_counts_down() -> None:
    frame = JointFrame(sign=np.array([-1.0]), zero_count=np.array([1024.0]))
    assert frame.position_rad(np.array([1025]))[0] < 0
    assert frame.counts(np.array([np.pi / 2]))[0] == 0


@given(servos, st.tuples(st.floats(-1.5, 0), st.floats(0.01, 1.5)))
def test_limit_registers_bracket_the_range(
    servo: ServoCalibration, range_rad: tuple[float, float]
) -> None:
    lowest, highest = position_limit_counts(range_rad, servo)
    assert lowest <= servo.zero_count <= highest
    assert lowest < highest


def test_the_emulated_unit_fits_the_claw() -> None:
    calibration = load_calibration(SPEC, "emulated")
    assert set(calibration.servos) == {*SPEC.joint_names, "valve", "guide"}


def changed(**change: object) -> dict[str, object]:
    document = yaml.safe_load(unit_path(SPEC, "emulated").read_text())
    return {**document, **change}


@pytest.mark.parametrize(
    ("document", "field"),
    [
        (changed(schema_version=2), "schema_version"),
        (changed(unit="other"), "unit"),
        (changed(robot="ahand"), "robot"),
        (changed(servos={"valve": {"sign": 1, "zero_count": 2048}}), "servos"),
        (changed(speed=1), "speed"),
        ("sign: [", "line 1"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_by_field(
    document: object, field: str, tmp_path: Path
) -> None:
    path = tmp_path / "emulated.yaml"
    path.write_text(document if isinstance(document, str) else yaml.safe_dump(document))
    with pytest.raises(BadInput) as caught:
        load_calibration(SPEC, "emulated", path)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("servo", "message"),
    [
        ({"sign": 2, "zero_count": 2048}, "sign is 2"),
        ({"sign": 1, "zero_count": 5000}, "zero_count 5000"),
        ({"sign": 1, "zero_count": 10}, "range within 0 to 4095"),
        ({"sign": 1}, "zero_count"),
    ],
)
def test_a_servo_that_does_not_fit_is_refused_by_name(
    servo: dict[str, int], message: str, tmp_path: Path
) -> None:
    document = changed()
    document["servos"]["finger2_top"] = servo  # type: ignore[index]
    path = tmp_path / "emulated.yaml"
    path.write_text(yaml.safe_dump(document))
    with pytest.raises(BadInput, match=r"servos\.finger2_top") as caught:
        load_calibration(SPEC, "emulated", path)
    assert message in str(caught.value)


def test_an_unknown_unit_is_told_which_exist() -> None:
    with pytest.raises(BadInput, match="have emulated"):
        load_calibration(SPEC, "nowhere")
