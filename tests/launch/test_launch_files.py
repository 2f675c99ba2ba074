"""The launch files: what can be said without `launch`, and a real launch where it is installed."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sim2real.bringup import graph as graphs
from sim2real.contract.errors import BadInput
from sim2real.ros_environment import ros_environment

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "launch").glob("*.launch.py"))
LAUNCHING = ROOT / "ros_ws/src/taskbelief_evaluation/taskbelief_evaluation/launching.py"
PATIENCE_S = 120
MISSING = [name for name in ("launch", "launch_ros") if importlib.util.find_spec(name) is None]

needs_launch = pytest.mark.skipif(
    bool(MISSING), reason=f"{', '.join(MISSING)}: not installed, ROS 2's distributions have it"
)
RUN = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
path, *arguments = sys.argv[1:]
service = LaunchService()
service.include_launch_description(
    LaunchDescription(
        [
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(path),
                launch_arguments=[word.split(":=", 1) for word in arguments],
            )
        ]
    )
)
sys.exit(service.run())
"""


def imported(path: Path) -> dict[str, list[str]]:
    """Names by module."""
    found: dict[str, list[str]] = {}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            found[node.module] = [alias.name for alias in node.names]
    return found


def test_there_are_two_and_the_folder_is_no_package():
    assert [path.name for path in FILES] == ["dclaw.launch.py", "evaluate.launch.py"]
    assert not (ROOT / "launch" / "__init__.py").exists(), "it would shadow ROS 2's own launch"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_launch_file_stands_on_what_is_there(path):
    names = imported(path)
    defined = {getattr(node, "name", None) for node in ast.parse(LAUNCHING.read_text()).body}

    assert all(hasattr(graphs, name) for name in names["sim2real.bringup.graph"])
    assert set(names["taskbelief_evaluation.launching"]) <= defined
    functions = [n.name for n in ast.parse(path.read_text()).body if isinstance(n, ast.FunctionDef)]
    assert functions == ["generate_launch_description"]


@pytest.mark.parametrize("arguments", [graphs.DCLAW_ARGUMENTS, graphs.EVALUATION_ARGUMENTS])
def test_every_argument_says_what_it_is_for(arguments):
    assert len({argument.name for argument in arguments}) == len(arguments)
    for argument in arguments:
        assert argument.purpose
        assert argument.is_required or not argument.choices or argument.default in argument.choices


@needs_launch
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_arguments_are_those_of_the_graph(path):
    description = runpy.run_path(str(path))["generate_launch_description"]()
    arguments = (
        graphs.DCLAW_ARGUMENTS if path.name.startswith("dclaw") else graphs.EVALUATION_ARGUMENTS
    )

    declared = {argument.name: argument for argument in description.get_launch_arguments()}
    assert list(declared) == [argument.name for argument in arguments]
    for argument in arguments:
        assert declared[argument.name].description.startswith(argument.purpose)
        assert bool(declared[argument.name].default_value) != argument.is_required


@contextmanager
def launched(tmp_path: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen, Path]]:
    try:
        environment = ros_environment()
    except BadInput as error:
        pytest.skip(str(error))
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    environment["ROS_DOMAIN_ID"] = str(1 + os.getpid() % 100)
    output = tmp_path / "launch.log"
    command = [sys.executable, "-c", RUN, str(FILES[0]), *arguments]
    with output.open("wb") as file:
        process = subprocess.Popen(command, env=environment, stdout=file, stderr=file)
    try:
        yield process, output
    finally:
        process.kill()
        process.wait()


@needs_launch
@pytest.mark.slow
@pytest.mark.realtime
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=lambda n: n.name)
def test_it_comes_up_and_goes_down_with_whoever_launched_it(tmp_path, number):
    bundle = ROOT / "bundles" / "valve_turn"
    given = ("robot:=simulated", f"bundle:={bundle}", "rate:=20.0")
    with launched(tmp_path, *given) as (process, output):
        await_so(lambda: "[policy]: activate: done" in output.read_text(), output)
        process.send_signal(number)
        process.wait(PATIENCE_S)
        nodes = re.findall(r"process started with pid \[(\d+)\]", output.read_text())
        assert len(nodes) == 3
        await_so(lambda: not any(Path(f"/proc/{pid}").exists() for pid in nodes), output)


def await_so(condition: Callable[[], bool], output: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, output.read_text()
        time.sleep(0.05)


@needs_launch
def test_bad_input_is_said_and_nothing_starts(tmp_path):
    with launched(tmp_path, "robot:=serial", f"bundle:={tmp_path}") as (process, output):
        assert process.wait(PATIENCE_S) != 0
        assert "manifest.json" in output.read_text()
        assert "process started" not in output.read_text()
