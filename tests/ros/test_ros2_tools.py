"""What is offered to ros2cli, ros2doctor and SROS 2, where those are installed."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from itertools import chain
from pathlib import Path

import pytest

from taskbelief_evaluation import security_policy
from taskbelief_evaluation.interfaces import BENCH, EVALUATOR, RECORDER
from taskbelief_evaluation.security_policy import policy
from taskbelief_hardware.interfaces import CAMERA, DRIVER, IMAGE_RAW
from taskbelief_policy.interfaces import DIRECT, POLICY

PACKAGE = Path(__file__).resolve().parents[2] / "ros_ws" / "src" / "taskbelief_evaluation"
GROUPS = {
    "ros2cli.command": {"taskbelief"},
    "taskbelief_evaluation.verb": {"bundle", "belief", "gap"},
    "ros2doctor.checks": {"TaskbeliefCheck"},
}


def entry_points() -> dict[str, list[str]]:
    tree = ast.parse((PACKAGE / "setup.py").read_text())
    [call] = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    [groups] = [word.value for word in call.keywords if word.arg == "entry_points"]
    return ast.literal_eval(groups)


@pytest.mark.parametrize(
    ("module", "interface"),
    [("recorder_node", RECORDER), ("evaluate_node", EVALUATOR), ("bench_node", BENCH)],
)
def test_a_nodes_docstring_has_the_table_of_its_interface(module, interface):
    assert interface.table() in importlib.import_module(f"taskbelief_evaluation.{module}").__doc__


@pytest.mark.parametrize("group", GROUPS)
def test_every_extension_is_declared(group):
    assert {line.split(" = ")[0] for line in entry_points()[group]} == GROUPS[group]


def test_every_entry_point_leads_to_something():
    for line in chain.from_iterable(entry_points().values()):
        module, name = line.split(" = ")[1].split(":")
        package, _, file = module.partition(".")
        assert package == PACKAGE.name
        tree = ast.parse((PACKAGE / package / f"{file}.py").read_text())
        assert name in {getattr(node, "name", None) for node in tree.body}


def test_nothing_else_asks_for_ros2cli():
    """It is not there everywhere."""
    code = (
        "import importlib, pkgutil, sys, taskbelief_evaluation as p\n"
        "for m in pkgutil.iter_modules(p.__path__):\n"
        "    if m.name not in ('ros2_command', 'ros2_doctor', 'launching'):\n"
        "        importlib.import_module(f'{p.__name__}.{m.name}')\n"
        "print([m for m in ('ros2cli', 'ros2doctor', 'launch', 'torch') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert run.stdout.strip() == "[]"


def allowed_to(root, path):
    """What the node of an enclave may do, by kind and verb."""
    profile = root.find(f"enclaves/enclave[@path='{path}']//profile")
    assert profile is not None

    def allowed(kind: str, verb: str) -> set[str]:
        groups = [group for group in profile.findall(f"{kind}s") if group.get(verb) == "ALLOW"]
        names = {name.text for group in groups for name in group}
        return {name for name in names if not name.startswith(("/", "~"))}

    return allowed


def test_a_camera_may_publish_its_images_and_nothing_else():
    allowed = allowed_to(policy("/left", ["palm"]), "/left/palm/camera")

    assert allowed("topic", "publish") == {topic.name for topic in CAMERA.publishes}
    assert not allowed("topic", "subscribe")
    assert not allowed("service", "request")


@pytest.mark.parametrize(
    ("node", "interface"),
    [("driver", DRIVER), ("policy", POLICY), ("direct", DIRECT), ("recorder", RECORDER)],
)
def test_a_node_may_do_what_it_does_and_nothing_else(node, interface):
    allowed = allowed_to(policy("/left", ["palm", "wrist"]), f"/left/{node}")
    heard = {topic.name for topic in interface.subscribes}
    if IMAGE_RAW.name in heard:  # of whichever camera
        heard = heard - {IMAGE_RAW.name} | {"palm/image_raw", "wrist/image_raw"}

    assert allowed("topic", "publish") == {topic.name for topic in interface.publishes}
    assert allowed("topic", "subscribe") == heard
    assert allowed("service", "reply") == {service.name for service in interface.services}
    assert allowed("service", "request") == {service.name for service in interface.calls}


def test_the_policy_is_printed_as_xml(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["security_policy", "left"])

    security_policy.main()

    assert '<enclave path="/left/evaluator">' in capsys.readouterr().out


def test_the_page_about_ros_names_everything_that_nodes_offer():
    page = (PACKAGE.parents[2] / "docs" / "ros.md").read_text()

    for interface in (DRIVER, POLICY, DIRECT, RECORDER, EVALUATOR):
        named = (*interface.publishes, *interface.services, *interface.parameters)
        assert [item.name for item in named if f"`{item.name}`" not in page] == []
