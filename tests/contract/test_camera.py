"""Cameras: what is declared beside robot.yaml, and what a frame says of itself."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from sim2real.contract.camera import CameraSpec, Frame, load_cameras
from sim2real.contract.errors import BadInput
from sim2real.contract.robot_spec import DCLAW, load_robot_spec

GOOD = """schema_version: 1
cameras:
  - {name: palm, physics_camera: palm, height: 32, width: 24, period_s: 0.05, stale_after_s: 0.15}
"""


def cameras_of(folder: Path, text: str) -> dict[str, CameraSpec]:
    (folder / "cameras.yaml").write_text(text)
    spec = dataclasses.replace(load_robot_spec(), source=folder / "robot.yaml")
    return load_cameras(spec)


def test_the_shipped_hand_has_one_and_its_fingerprint_does_not_know(tmp_path: Path) -> None:
    spec = load_robot_spec()
    assert list(load_cameras(spec)) == ["palm"]
    (tmp_path / "robot.yaml").write_text(DCLAW.read_text())
    assert load_robot_spec(tmp_path).fingerprint == spec.fingerprint


def test_a_robot_without_the_file_has_none() -> None:
    spec = dataclasses.replace(load_robot_spec(), name="other", source=Path("/nowhere/robot.yaml"))
    assert load_cameras(spec) == {}


def test_shape_is_rows_columns_channels(tmp_path: Path) -> None:
    [camera] = cameras_of(tmp_path, GOOD).values()
    assert camera.shape == (32, 24, 3)


def test_every_field_is_part_of_the_digest(tmp_path: Path) -> None:
    [camera] = cameras_of(tmp_path, GOOD).values()
    others = [
        dataclasses.replace(camera, **{field.name: "x" if field.type == "str" else 99})
        for field in dataclasses.fields(camera)
    ]
    assert len({camera.digest, *(other.digest for other in others)}) == len(others) + 1


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("height: 32", "height: 0", "cameras[0].height"),
        ("width: 24", "width: 5000", "cameras[0].width"),
        ("width: 24", "width: 24.5", "cameras[0].width"),
        ("period_s: 0.05", "period_s: -1.0", "cameras[0].period_s"),
        ("stale_after_s: 0.15", "stale_after_s: 0.05", "cameras[0].stale_after_s"),
        ("name: palm", "name: /palm", "cameras[0].name"),
        ("name: palm, ", "", "cameras[0].name"),
        ("height: 32", "height: 32, depth: 3", "cameras[0].depth"),
        ("schema_version: 1", "schema_version: 2", "schema_version"),
    ],
)
def test_bad_files_are_refused_by_field(tmp_path: Path, old: str, new: str, field: str) -> None:
    with pytest.raises(BadInput) as caught:
        cameras_of(tmp_path, GOOD.replace(old, new, 1))
    assert caught.value.field == field


def test_a_name_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="each name once"):
        cameras_of(tmp_path, GOOD + GOOD.splitlines()[-1] + "\n")


def test_age_counts_from_the_stamp() -> None:
    frame = Frame(stamp_ns=1_000_000_000, sequence=0, pixels=np.zeros((2, 2, 3), np.uint8))
    assert frame.age_s(1_250_000_000) == pytest.approx(0.25)
