"""Graphs come up in order and go down with torque off, whoever is killed."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sim2real.bringup.graph import Graph, dclaw_graph
from sim2real.bringup.verb import supervisor_command
from sim2real.contract.robot_spec import DCLAW
from sim2real.emulator.bus_server import EmulatedBus
from sim2real.recording.reader import read_recording
from sim2real.ros_environment import ros_environment
from sim2real.runtime.bundle import read_bundle
from taskbelief_hardware.interfaces import CONTROL_TICK
from taskbelief_policy.interfaces import BELIEF, BUNDLE_INFO
from tests.ros.graph import (
    BUNDLE,
    PATIENCE_S,
    SPEC,
    Bench,
    made_for,
    patient,
    patient_robot,
)

pytestmark = [pytest.mark.realtime, pytest.mark.slow]

SHOW = ("--show", "belief")


class Running:
    """A supervisor and its graph, and what it has said."""

    def __init__(self, graph: Graph, folder: Path, *options: str) -> None:
        self.output = folder / "supervisor.log"
        self.logs = folder / "logs"
        environment = ros_environment()
        command = supervisor_command(graph, environment, ["--logs", str(self.logs), *options])
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)

    @property
    def said(self) -> str:
        return self.output.read_text(errors="replace")

    def await_word(self, word: str) -> None:
        Bench.wait_for(
            lambda: word in self.said or self.process.poll() is not None, word, 2 * PATIENCE_S
        )
        assert word in self.said, self.said + self.log("driver") + self.log("policy")

    def log(self, name: str) -> str:
        path = self.logs / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def pid(self, name: str) -> int:
        """Of a node's process."""
        line = next(line for line in self.said.splitlines() if line.startswith(f"/{name}: "))
        return int(line.rsplit(" ", 1)[1])

    def end(self) -> int:
        return self.process.wait(2 * PATIENCE_S)


@contextmanager
def running(graph: Graph, folder: Path, *options: str) -> Iterator[Running]:
    graph_runs = Running(graph, folder, *options)
    try:
        yield graph_runs
    finally:
        if graph_runs.process.poll() is None:
            graph_runs.process.send_signal(signal.SIGINT)
            graph_runs.end()


@pytest.fixture
def bus():
    with EmulatedBus(SPEC) as bus:
        yield bus


@pytest.fixture
def on_the_bus(bus, tmp_path, ros_domain_id):
    """The graph of a hand whose servos outlive it, with limits that forgive a busy machine."""
    robot_config, bundle = patient_robot(tmp_path)
    graph = dclaw_graph(
        robot="emulated",
        bundle=str(bundle),
        port=bus.port,
        rate_hz=20.0,
        robot_config=str(robot_config),
    )
    driver, policy = graph.nodes
    patient = dataclasses.replace(driver, parameters={**driver.parameters, "patience_s": 0.5})
    return dataclasses.replace(graph, nodes=(patient, policy), emulator=None)


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return state == "Z"


def servos(bus):
    return [bus.servo(motor_id) for motor_id in SPEC.motor_ids]


def test_it_comes_up_records_and_goes_down_when_told(bench, tmp_path):
    graph = dclaw_graph(
        robot="simulated", bundle=str(BUNDLE), rate_hz=20.0, record=str(tmp_path / "recordings")
    )
    with running(graph, tmp_path, *SHOW) as up:
        up.await_word("up after")
        configured = up.said.index("/policy: configure done")
        assert configured < up.said.index("/driver: activate done"), "torque came too early"

        bundles, beliefs = bench.listen(BUNDLE_INFO), bench.listen(BELIEF)
        bench.begin_trial()
        assert bench.run_episode().outcome == "completed"
        bench.wait_for(lambda: beliefs, "a belief")
        assert bundles[0].digest == read_bundle(BUNDLE).digest
        up.await_word("belief trial")
        nodes = [up.pid(name) for name in ("driver", "policy", "recorder")]
        up.process.send_signal(signal.SIGINT)

        assert up.end() == 0
        assert all(is_gone(pid) for pid in nodes)
    [path] = (tmp_path / "recordings").iterdir()
    recording = read_recording(path)
    assert recording.is_whole
    assert recording.metadata.bundle_digest == read_bundle(BUNDLE).digest
    assert recording.metadata.robot_fingerprint == SPEC.fingerprint
    assert recording.metadata.robot == "simulated"
    assert recording.counts["policy_step"] == 31
    assert {"hand_reading", "belief", "control_tick", "trial_result"} <= recording.counts.keys()


def test_a_belief_about_parameters_is_said_in_their_words_beside_the_truth(
    bench, exported_bundles, tmp_path
):
    robot_config = patient(DCLAW, tmp_path)
    bundle = made_for(robot_config, tmp_path / "bundle", exported_bundles("recurrent_belief", 2))
    tasks = bundle / "tasks.json"
    graph = dclaw_graph(
        robot="emulated",
        bundle=str(bundle),
        port=str(tmp_path / "port"),
        rate_hz=20.0,
        robot_config=str(robot_config),
        task=f"{tasks}:0",
    )
    driver, policy = graph.nodes
    driver = dataclasses.replace(driver, parameters={**driver.parameters, "patience_s": 0.5})
    with running(dataclasses.replace(graph, nodes=(driver, policy)), tmp_path, *SHOW) as up:
        up.await_word("up after")
        bench.begin_trial(robot="emulated")
        bench.run_episode()
        up.await_word("belief trial")

    [damping] = json.loads(tasks.read_text())["test"][0]["valve_damping"]
    said = re.findall(r"valve_damping -?[\d.]+ ± [\d.]+ N m s/rad \(true ([\d.]+)\)", up.said)
    assert said, up.said
    assert [float(truth) for truth in said] == pytest.approx([damping] * len(said), abs=0.06)


def test_a_killed_policy_takes_the_graph_down_with_torque_off(bus, on_the_bus, tmp_path):
    with running(on_the_bus, tmp_path) as up:
        up.await_word("up after")
        assert all(servo.torque_is_on for servo in servos(bus))
        os.kill(up.pid("policy"), signal.SIGKILL)

        assert up.end() == 1
    assert "/policy ended with SIGKILL" in up.said
    assert not any(servo.torque_is_on for servo in servos(bus))
    assert not any(servo.watchdog_tripped for servo in servos(bus)), "the driver switched it off"


def test_a_killed_driver_leaves_the_servos_to_their_watchdogs(bus, on_the_bus, tmp_path):
    with running(on_the_bus, tmp_path) as up:
        up.await_word("up after")
        os.kill(up.pid("driver"), signal.SIGKILL)

        assert up.end() == 1
    assert "/driver ended with SIGKILL" in up.said
    Bench.wait_for(lambda: all(s.watchdog_tripped for s in servos(bus)), "the watchdogs")


def test_a_killed_supervisor_leaves_nobody_with_torque(bus, on_the_bus, tmp_path):
    with running(on_the_bus, tmp_path) as up:
        up.await_word("up after")
        nodes = [up.pid(name) for name in ("driver", "policy")]
        up.process.kill()

        Bench.wait_for(lambda: all(map(is_gone, nodes)), "the nodes to end")
    assert not any(servo.torque_is_on for servo in servos(bus))
    assert not any(servo.watchdog_tripped for servo in servos(bus)), "the driver switched it off"


def test_what_a_node_refuses_is_said_and_nothing_has_torque(bus, on_the_bus, tmp_path):
    driver, policy = on_the_bus.nodes
    lost = dataclasses.replace(policy, parameters={**policy.parameters, "bundle": "/nowhere"})
    graph = dataclasses.replace(on_the_bus, nodes=(driver, lost))
    with running(graph, tmp_path) as up:
        assert up.end() == 1

    assert "/policy could not configure: it is unconfigured" in up.said
    assert "/nowhere" in up.log("policy")
    assert not any(servo.torque_is_on for servo in servos(bus))


def test_a_second_hand_of_the_same_name_is_refused(tmp_path, ros_domain_id):
    graph = dclaw_graph(robot="simulated", bundle=str(BUNDLE), rate_hz=20.0)
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    with running(graph, tmp_path / "first") as first:
        first.await_word("up after")
        with running(graph, tmp_path / "second") as second:
            assert second.end() == 2, second.said
        assert "found 'it runs already" in second.said  # whichever of its nodes is seen first
        assert "--namespace" in second.said
        assert first.process.poll() is None, "the first is none the worse"


def test_two_hands_in_two_namespaces_on_one_machine(bench, tmp_path):
    graphs = [
        dclaw_graph(robot="simulated", bundle=str(BUNDLE), rate_hz=20.0, namespace=name)
        for name in ("left", "right")
    ]
    for graph in graphs:
        (tmp_path / graph.nodes[0].namespace.strip("/")).mkdir()
    with (
        running(graphs[0], tmp_path / "left") as left,
        running(graphs[1], tmp_path / "right") as right,
    ):
        for up in (left, right):
            up.await_word("up after")
        for namespace in ("/left", "/right"):
            ticks = bench.listen(CONTROL_TICK, namespace)
            bench.wait_for(lambda ticks=ticks: ticks, f"a tick of {namespace}")
        bench.begin_trial("/left")
        assert bench.run_episode("/left").outcome == "completed"


def refused(*options: str, **environment: str) -> str:
    """What `bringup` says that refuses these options; one line, before anything runs."""
    command = [sys.executable, "-m", "sim2real.cli", "bringup", "--robot", "emulated", *options]
    outcome = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )
    assert outcome.returncode == 2
    assert outcome.stdout == ""
    assert outcome.stderr.count("\n") == 1
    return outcome.stderr


def test_bad_input_is_one_line_before_anything_runs(tmp_path):
    refused("--bundle", str(tmp_path / "nowhere"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ROS_DOMAIN_ID", "abc"),
        ("ROS_DOMAIN_ID", "300"),
        ("RMW_IMPLEMENTATION", "rmw_nobody_cpp"),
        ("ROS_AUTOMATIC_DISCOVERY_RANGE", "OFF"),
    ],
)
def test_ros_variables_are_looked_at_first(name, value):
    said = refused("--bundle", str(BUNDLE), **{name: value})
    assert f"{name}: found '{value}'" in said


def test_a_port_that_another_emulated_hand_has_is_named_as_it_was_given(bus, ros_domain_id):
    said = refused("--bundle", str(BUNDLE), "--port", bus.port)
    assert f"--port: found '{bus.port}'" in said
    assert "--link" not in said


def test_another_hand_at_the_usual_place_is_told_with_what_would_help(bus, tmp_path):
    runtime = {"XDG_RUNTIME_DIR": str(tmp_path), "ROS_DOMAIN_ID": "7"}
    place = tmp_path / f"taskbelief-{os.getuid()}" / "domain-7"
    place.mkdir(parents=True)
    (place / "port").symlink_to(tmp_path / "no emulator's")
    said = refused("--bundle", str(BUNDLE), **runtime)
    assert "--namespace, --port or ROS_DOMAIN_ID" in said
    assert "--link" not in said
