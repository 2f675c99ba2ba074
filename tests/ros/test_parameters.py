"""Parameters: nonsense ends a node with one line and exit code 2, and nothing is set later."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from rcl_interfaces.srv import DescribeParameters, SetParameters
from rclpy.parameter import Parameter

from sim2real.bringup.graph import dclaw_graph
from tests.ros.graph import BUNDLE, INTERFACES, MODULES

SIMULATED = "-p robot:=simulated"
NONSENSE = {
    "driver: robot: found 'nothing', expected which kind of robot": ("driver", ""),
    "driver: robot: found 'tame', expected one of serial, emulated, simulated": (
        "driver",
        "-p robot:=tame",
    ),
    "driver: rate_hz: found -5.0, expected 1 to 1000": ("driver", f"{SIMULATED} -p rate_hz:=-5.0"),
    "driver: rate_hz: found nan, expected 1 to 1000": ("driver", f"{SIMULATED} -p rate_hz:=.nan"),
    "driver: rate_hz: found 'fast', expected a float": ("driver", f"{SIMULATED} -p rate_hz:=fast"),
    "driver: realtime_priority: found 99, expected 0 to 98": (
        "driver",
        f"{SIMULATED} -p realtime_priority:=99",
    ),
    "driver: rate: found 'a parameter', expected patience_s, port": (
        "driver",
        f"{SIMULATED} -p rate:=5.0",
    ),
    "port: found '', expected a serial port": ("driver", "-p robot:=emulated"),
    "unit: found 'emulated', expected the unit's own calibration": (
        "driver",
        "-p robot:=serial -p port:=/dev/null",
    ),
    "port: found '/dev/null', expected none": ("driver", f"{SIMULATED} -p port:=/dev/null"),
    "file: found 'nothing', expected a robot.yaml": (
        "driver",
        f"{SIMULATED} -p robot_config:=/nowhere/robot.yaml",
    ),
    "policy: bundle: found 'nothing', expected folder of the bundle": ("policy", ""),
    "direct: bundle: found 'nothing', expected folder of the bundle": ("direct", SIMULATED),
    "direct: robot: found 'nothing', expected which kind of robot": ("direct", "-p bundle:=x"),
}


RUN_ALL = """
import contextlib, importlib, io, json, sys
from taskbelief_hardware.process import run

for module, arguments in json.loads(sys.stdin.read()):
    node = getattr(importlib.import_module(module), module.split(".")[1].title().replace("_", ""))
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        code = run(node, arguments)
    print(json.dumps([code, said.getvalue()]), flush=True)
"""


def run_all(cases: list[tuple[str, list[str]]]) -> list[tuple[int, str]]:
    """Exit code and output of nodes that end by themselves; one process, for they take a while."""
    given = json.dumps([(MODULES[kind], arguments) for kind, arguments in cases])
    command = [sys.executable, "-c", RUN_ALL]
    ran = subprocess.run(command, input=given, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    return [tuple(json.loads(line)) for line in ran.stdout.splitlines()]


def test_nonsense_ends_a_node_with_one_line(ros_domain_id):
    outcomes = run_all(
        [(kind, ["--ros-args", *arguments.split()]) for kind, arguments in NONSENSE.values()]
    )
    for said, (code, output) in zip(NONSENSE, outcomes, strict=True):
        assert code == 2
        assert said in output
        assert output.count("\n") == 1, output


def test_arguments_that_are_none_are_refused_and_help_is_given(ros_domain_id):
    arguments = [["--ros-args", "-p", "robot"], ["now"], ["--help"]]
    broken, unknown, asked = run_all([("driver", given) for given in arguments])
    for code, output in (broken, unknown):
        assert code == 2
        assert output.count("\n") == 1, output
    assert asked[0] == 0
    assert INTERFACES["driver"].table() in asked[1]


def test_the_process_ends_with_that_code(ros_domain_id):
    command = [sys.executable, "-m", MODULES["direct"], "--ros-args", "-p", "robot:=tame"]
    assert subprocess.run(command, capture_output=True, timeout=60).returncode == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [("ROS_DOMAIN_ID", "abc"), ("ROS_DOMAIN_ID", "300"), ("ROS_LOG_DIR", "/proc/nowhere")],
)
@pytest.mark.parametrize("module", [MODULES["driver"], "taskbelief_evaluation.supervise"])
def test_an_environment_that_ros_cannot_start_in_is_one_line(ros_domain_id, module, name, value):
    graph = dclaw_graph(robot="simulated", bundle=str(BUNDLE)).to_json()
    arguments = [graph] if module.endswith("supervise") else ["--ros-args", *SIMULATED.split()]
    command = [sys.executable, "-m", module, *arguments]
    ended = subprocess.run(
        command, env={**os.environ, name: value}, capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1, ended.stderr
    assert value in ended.stderr


def test_a_running_node_describes_its_parameters_and_lets_nobody_set_them(bench):
    node = bench.start("driver", robot="simulated", rate_hz=20.0)
    names = [parameter.name for parameter in INTERFACES["driver"].parameters]

    described = bench.ask(
        DescribeParameters, "driver/describe_parameters", DescribeParameters.Request(names=names)
    ).descriptors
    assert all(item.description and item.read_only for item in described)
    rate = described[names.index("rate_hz")].floating_point_range[0]
    assert (rate.from_value, rate.to_value) == (1.0, 1000.0)
    assert "emulated" in described[names.index("robot")].additional_constraints

    request = SetParameters.Request(
        parameters=[Parameter("rate_hz", value=50.0).to_parameter_msg()]
    )
    [result] = bench.ask(SetParameters, "driver/set_parameters", request).results
    assert not result.successful
    assert "read-only" in result.reason
    assert node.stop() == 0
