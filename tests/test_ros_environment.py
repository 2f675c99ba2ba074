"""A process gets what ROS 2 needs, or hears what to do."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from ros_ws.build_workspace import relocate_exported_paths
from sim2real.contract.errors import BadInput
from sim2real.ros_environment import INTERFACES, ros_environment

needs_rclpy = pytest.mark.skipif(find_spec("rclpy") is None, reason="rclpy is not installed")


@pytest.fixture
def install(tmp_path) -> Path:
    """Where a workspace would be built."""
    (tmp_path / "share" / INTERFACES).mkdir(parents=True)
    return tmp_path


@pytest.fixture
def unsourced(monkeypatch):
    for name in ("AMENT_PREFIX_PATH", "LD_LIBRARY_PATH", "ROS_AUTOMATIC_DISCOVERY_RANGE"):
        monkeypatch.delenv(name, raising=False)


def test_an_unbuilt_workspace_is_refused_with_the_remedy(tmp_path, unsourced):
    with pytest.raises(BadInput, match="make setup"):
        ros_environment(tmp_path)


@needs_rclpy
def test_what_is_there_already_stays_behind_the_workspace(install, unsourced, monkeypatch):
    monkeypatch.setenv("LD_LIBRARY_PATH", "/opt/lib")

    environment = ros_environment(install)

    assert environment["LD_LIBRARY_PATH"] == f"{install / 'lib'}:/opt/lib"
    assert environment["AMENT_PREFIX_PATH"].split(":") == [str(install), sys.prefix]


@needs_rclpy
@pytest.mark.parametrize(("asked", "given"), [(None, "LOCALHOST"), ("SUBNET", "SUBNET")])
def test_nodes_stay_on_this_machine_unless_told_otherwise(
    install, unsourced, monkeypatch, asked, given
):
    if asked:
        monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", asked)

    assert ros_environment(install)["ROS_AUTOMATIC_DISCOVERY_RANGE"] == given


def test_a_sourced_workspace_is_left_alone(install, unsourced, monkeypatch):
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"{install}:/opt/ros/jazzy")
    monkeypatch.setenv("LD_LIBRARY_PATH", f"{install / 'lib'}:/opt/ros/jazzy/lib")

    assert ros_environment(Path("/not/built")) == dict(os.environ)


def test_paths_of_the_wheels_builder_become_ours_and_stay_so(tmp_path):
    file = tmp_path / "std_msgs" / "cmake" / "export.cmake"
    file.parent.mkdir(parents=True)
    built = "/opt/python/cp311-cp311"
    file.write_text(
        f'"{built}/include/python3.11;{built}/lib/python3.11/site-packages/numpy/_core/include"'
    )

    relocate_exported_paths(tmp_path)
    once = file.read_text()
    relocate_exported_paths(tmp_path)

    assert file.read_text() == once
    include, numpy = once.strip('"').split(";")
    assert (Path(include) / "Python.h").exists()
    assert (Path(numpy) / "numpy" / "arrayobject.h").exists()
