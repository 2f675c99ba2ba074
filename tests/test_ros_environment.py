"""A process gets what ROS 2 needs, or hears what to do."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from ros_ws.build_workspace import relocate_exported_paths
from sim2real.contract.errors import BadInput
from sim2real.ros_environment import INTERFACES, in_own_domain, ros_environment

needs_rclpy = pytest.mark.skipif(find_spec("rclpy") is None, reason="rclpy is not installed")


@pytest.fixture
def install(tmp_path) -> Path:
    """Where a workspace would be built."""
    (tmp_path / "share" / INTERFACES).mkdir(parents=True)
    return tmp_path


@pytest.fixture
def unsourced(monkeypatch):
    for name in ("AMENT_PREFIX_PATH", "LD_LIBRARY_PATH", "RMW_IMPLEMENTATION"):
        monkeypatch.delenv(name, raising=False)
    for name in [name for name in os.environ if name.startswith("ROS_")]:
        monkeypatch.delenv(name)


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


def environment_with(install, monkeypatch, name, value):
    """Sourced or not, it is looked at first."""
    middleware = install / "share/ament_index/resource_index/rmw_typesupport"
    middleware.mkdir(parents=True, exist_ok=True)
    for known in ("rmw_fastrtps_cpp", "rmw_implementation"):
        (middleware / known).touch()
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(install))
    monkeypatch.setenv("LD_LIBRARY_PATH", str(install / "lib"))
    monkeypatch.setenv(name, value)
    return ros_environment(install)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("ROS_DOMAIN_ID", "abc", "0 to 232"),
        ("ROS_DOMAIN_ID", "300", "0 to 232"),
        ("ROS_DOMAIN_ID", "-1", "0 to 232"),
        ("ROS_DOMAIN_ID", "7.0", "0 to 232"),
        ("ROS_DOMAIN_ID", "²", "0 to 232"),
        ("ROS_DOMAIN_ID", "../..", "0 to 232"),
        ("RMW_IMPLEMENTATION", "rmw_cyclonedds_cpp", "rmw_fastrtps_cpp"),
        ("RMW_IMPLEMENTATION", "rmw_implementation", "rmw_fastrtps_cpp"),
        ("ROS_AUTOMATIC_DISCOVERY_RANGE", "OFF", "LOCALHOST, SUBNET"),
        ("ROS_AUTOMATIC_DISCOVERY_RANGE", "localhost", "LOCALHOST, SUBNET"),
    ],
)
def test_a_variable_that_ros_cannot_start_with_is_one_line(
    install, unsourced, monkeypatch, name, value, expected
):
    with pytest.raises(BadInput) as refused:
        environment_with(install, monkeypatch, name, value)

    assert (refused.value.field, refused.value.found) == (name, value)
    assert expected in refused.value.expected
    assert "\n" not in str(refused.value)


def test_a_keystore_that_is_enforced_has_to_be_there(install, unsourced, monkeypatch, tmp_path):
    monkeypatch.setenv("ROS_SECURITY_ENABLE", "true")
    monkeypatch.setenv("ROS_SECURITY_STRATEGY", "Enforce")
    with pytest.raises(BadInput, match=r"docs/security\.md"):
        environment_with(install, monkeypatch, "ROS_SECURITY_KEYSTORE", "/nowhere")

    (tmp_path / "keys" / "enclaves").mkdir(parents=True)
    environment_with(install, monkeypatch, "ROS_SECURITY_KEYSTORE", str(tmp_path / "keys"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ROS_DOMAIN_ID", ""),
        ("ROS_DOMAIN_ID", "0"),
        ("ROS_DOMAIN_ID", "232"),
        ("RMW_IMPLEMENTATION", ""),
        ("RMW_IMPLEMENTATION", "rmw_fastrtps_cpp"),
        ("ROS_AUTOMATIC_DISCOVERY_RANGE", "SYSTEM_DEFAULT"),
    ],
)
def test_what_ros_can_start_with_passes(install, unsourced, monkeypatch, name, value):
    assert environment_with(install, monkeypatch, name, value)[name] == value


@pytest.mark.parametrize(("given", "is_own"), [(None, True), ("", True), ("7", False)])
def test_a_domain_of_its_own_unless_one_is_given(given, is_own):
    environment = {} if given is None else {"ROS_DOMAIN_ID": given}
    assert in_own_domain(environment)["ROS_DOMAIN_ID"].isdecimal()
    assert (in_own_domain(environment)["ROS_DOMAIN_ID"] != given) == is_own


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
