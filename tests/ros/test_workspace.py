"""The built workspace is found with nothing sourced, and is the sources themselves."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sim2real.ros_environment import INSTALL

ROUND_TRIP = """
from rclpy.serialization import deserialize_message, serialize_message
from taskbelief_interfaces.msg import TaskBelief
import taskbelief_hardware, taskbelief_policy, taskbelief_evaluation
print(deserialize_message(serialize_message(TaskBelief(trial=3)), TaskBelief).trial)
"""

in_wheels = pytest.mark.skipif(
    "ROS_DISTRO" in os.environ, reason="a sourced ROS 2 is found because it is sourced"
)


@in_wheels
def test_a_python_with_an_empty_environment_finds_it():
    run = subprocess.run([sys.executable, "-c", ROUND_TRIP], env={}, capture_output=True, text=True)

    assert run.stdout == "3\n", run.stderr


@pytest.mark.parametrize("package", ["taskbelief_hardware", "taskbelief_policy"])
def test_an_edited_node_needs_no_build(package):
    module = importlib.import_module(package)

    source = INSTALL.parent / "src" / package / package
    assert Path(module.__file__).resolve().parent == source.resolve()


def test_nodes_run_in_the_python_that_has_the_rest():
    programs = [path for path in INSTALL.glob("lib/taskbelief_*/*") if path.is_file()]

    assert programs
    assert {path.read_text().splitlines()[0] for path in programs} == {f"#!{sys.executable}"}
