"""The node graph: what runs, what it is given, in which order, and what is refused before that."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import yaml

from sim2real.bringup.graph import (
    DCLAW_ARGUMENTS,
    Graph,
    dclaw_graph,
    dclaw_graph_from,
    default_link,
    evaluation_graph,
)
from sim2real.contract.errors import BadInput

ROOT = Path(__file__).resolve().parents[2]
BUNDLE = str(ROOT / "bundles" / "valve_turn")
TOPOLOGIES = ("two_processes", "one_process")


def graph(**options) -> Graph:
    return dclaw_graph(**{"robot": "emulated", "bundle": BUNDLE, **options})


def executables(package: str) -> set[str]:
    """The console scripts that a package's setup.py declares."""
    tree = ast.parse((ROOT / "ros_ws" / "src" / package / "setup.py").read_text())
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    return {text.split("=")[0].strip() for text in texts if "=" in str(text) and ":" in text}


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_every_node_is_an_executable_of_its_package(topology):
    for node in graph(topology=topology, record="/recordings").nodes:
        assert node.executable in executables(node.package)


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_nothing_gets_torque_before_all_is_configured(topology):
    made = graph(topology=topology)
    managed = [node.full_name for node in made.nodes if node.is_managed]

    assert [(step.node, step.label) for step in made.transitions] == [
        (name, label) for label in ("configure", "activate") for name in managed
    ]
    assert managed[0] in ("/driver", "/direct"), "what has torque comes down first"


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_the_driver_opens_the_port_that_the_emulator_serves(topology):
    made = graph(topology=topology, namespace="left")

    assert made.emulator is not None
    assert made.nodes[0].parameters["port"] == made.emulator.link == default_link("/left")


def test_every_domain_and_namespace_has_a_place_of_its_own(monkeypatch):
    found = []
    for domain in ("", "3", "11"):
        monkeypatch.setenv("ROS_DOMAIN_ID", domain)
        found += [default_link(name) for name in ("", "/left", "/right", "/left/port", "/dclaw")]
    assert len(set(found)) == len(found)
    assert not any(Path(one) in Path(other).parents for one in found for other in found)
    monkeypatch.setenv("ROS_DOMAIN_ID", "0")
    assert default_link() == found[0], "none given is domain 0"


def test_a_simulated_robot_has_neither_port_nor_emulator():
    made = graph(robot="simulated")

    assert made.emulator is None
    assert "port" not in made.node("driver").parameters


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_it_survives_its_json(topology):
    made = graph(topology=topology, record="/recordings", task="tasks.json:3", namespace="/a/b")

    assert Graph.from_json(made.to_json()) == made


def test_what_is_no_graph_is_refused():
    for text in ("", "{}", "[1]", '{"nodes": 3, "transitions": [], "emulator": null}'):
        with pytest.raises(BadInput):
            Graph.from_json(text)


def test_parameters_reach_a_node_with_their_types():
    words = graph(unit="emulated").node("driver").arguments
    given = dict(word.split(":=", 1) for word in words if ":=" in word and "__" not in word)

    read = {name: yaml.safe_load(text) for name, text in given.items()}
    assert read["rate_hz"] == 100.0
    assert isinstance(read["rate_hz"], float)
    assert read["unit"] == "emulated"


@pytest.mark.parametrize("name", ["1", "true", "null", "a: b", 'say "no"', "1e3"])
def test_text_that_looks_like_something_else_stays_text(name):
    node = graph(record=name).node("recorder")
    [folder] = [word.split(":=", 1)[1] for word in node.arguments if word.startswith("folder:=")]

    assert yaml.safe_load(folder) == name


@pytest.mark.parametrize(
    "options",
    [
        {"bundle": "/nowhere"},
        {"robot": "real"},
        {"topology": "three_processes"},
        {"rate_hz": 15.0},
        {"rate_hz": 5.0},
        {"rate_hz": 0.0},
        {"rate_hz": float("nan")},
        {"unit": "nobody"},
        {"namespace": "no spaces"},
        {"namespace": "/9lives"},
        {"robot": "serial"},
        {"robot": "serial", "port": "/dev/nowhere", "unit": "emulated"},
        {"robot": "serial", "port": "/dev/null"},
        {"robot": "serial", "port": "/dev/null", "unit": "emulated", "task": "tasks.json:0"},
        {"robot": "simulated", "port": "/dev/null"},
        {"robot": "simulated", "faults": "faults.yaml"},
        {"robot_config": "/nowhere.yaml"},
    ],
    ids=str,
)
def test_what_does_not_fit_is_one_line(options):
    with pytest.raises(BadInput) as refused:
        graph(**options)

    assert "\n" not in str(refused.value)


def test_a_launch_file_makes_the_graph_that_the_command_makes():
    given = {argument.name: argument.default for argument in DCLAW_ARGUMENTS}
    given |= {"robot": "emulated", "bundle": BUNDLE}

    assert dclaw_graph_from(given) == graph()
    with pytest.raises(BadInput):
        dclaw_graph_from(given | {"rate": "fast"})


# ---- a policy that sees ------------------------------------------------------------------------


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_a_policy_that_sees_gets_the_camera_of_its_emulated_hand(seeing_bundle, topology):
    made = graph(bundle=str(seeing_bundle), topology=topology, namespace="left")
    camera = made.node("camera")

    assert camera.full_name == "/left/palm/camera"
    assert camera.executable in executables(camera.package)
    assert not camera.is_managed
    assert camera.parameters["source"] == "emulated"
    assert camera.parameters["at"] == made.emulator.link == made.nodes[0].parameters["port"]
    assert 0.1 < camera.parameters["fovy_rad"] < 2.0
    command = made.emulator.command
    assert command[command.index("--camera") + 1] == "palm"
    assert Graph.from_json(made.to_json()) == made
    assert {step.node for step in made.transitions} == {
        node.full_name for node in made.nodes if node.is_managed
    }


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_an_evaluation_of_a_policy_that_sees_knows_bundle_and_topology(
    seeing_bundle, topology, monkeypatch
):
    monkeypatch.setattr("sim2real.bringup.graph.read_plan", lambda path: None)
    made = graph(bundle=str(seeing_bundle), topology=topology)

    evaluator = evaluation_graph(made, plan="plan.json", out="out").node("evaluator")

    assert evaluator.parameters["bundle"] == str(seeing_bundle)
    assert evaluator.parameters["topology"] == topology


@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({"camera": "/dev/video0"}, "--camera"),
        ({"robot": "simulated"}, "--robot"),
    ],
)
def test_a_camera_that_cannot_be_is_refused(seeing_bundle, options, option):
    with pytest.raises(BadInput) as refused:
        graph(bundle=str(seeing_bundle), **options)

    assert refused.value.field == option


def test_a_blind_policy_has_no_camera():
    made = graph()
    assert all(node.name != "camera" for node in made.nodes)
    assert "--camera" not in made.emulator.command
    with pytest.raises(BadInput, match="blind"):
        graph(camera="topic")


def test_a_serial_hand_needs_a_device_or_a_topic(seeing_bundle, tmp_path):
    port = tmp_path / "tty"
    port.touch()
    serial = {"robot": "serial", "port": str(port), "unit": "emulated"}
    with pytest.raises(BadInput, match="video device of camera palm"):
        graph(bundle=str(seeing_bundle), **serial)
    made = graph(bundle=str(seeing_bundle), camera="/dev/video7", **serial)
    assert made.node("camera").parameters["source"] == "v4l2"
    assert made.node("camera").parameters["at"] == "/dev/video7"
    by_topic = graph(bundle=str(seeing_bundle), camera="topic", **serial)
    assert all(node.name != "camera" for node in by_topic.nodes)
