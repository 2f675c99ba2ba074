"""The demo is the whole chain in one command; the bundles that ship verify themselves."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import training.demo
from sim2real.cli import main
from sim2real.contract.errors import BadInput
from sim2real.contract.robot_spec import load_robot_spec
from sim2real.runtime.verify import load_bundle
from training.demo import BUNDLES

SHIPPED = sorted(path.parent for path in BUNDLES.glob("*/manifest.json"))


def without_ros():
    raise BadInput("ros_ws", "rclpy", found=None, expected="ROS 2")


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda folder: folder.name)
def test_a_shipped_bundle_verifies_itself_for_the_robot(folder):
    assert load_bundle(folder, load_robot_spec()).manifest.results


@pytest.mark.slow
@pytest.mark.realtime
def test_the_demo_adapts_on_the_emulated_hand_and_ends_with_a_report(tmp_path):
    pytest.importorskip("rclpy", reason="ROS 2 is not installed")
    out = tmp_path / "demo"
    command = [sys.executable, "-m", "sim2real.cli", "demo", "--out", str(out)]
    command += ["--num-tasks", "2", "--num-episodes", "2"]
    shown = subprocess.run(command, capture_output=True, text=True, check=False)

    assert shown.returncode == 0, shown.stdout + shown.stderr
    results = json.loads((out / "evaluation" / "results.json").read_text())
    assert results["robot"] == "emulated"
    assert results["tasks"] == 2
    expected = {"adapted", "episode_0", "frozen_prior", "wrong_task"}
    assert results["conditions"].keys() == expected
    assert all(condition["tasks"] == 2 for condition in results["conditions"].values())
    assert {"age", "compute", "lateness"} <= results["latency_s"].keys()
    report = out / "evaluation" / "report.html"
    assert report.exists()
    assert "Driver and policy as two ROS 2 processes" in shown.stdout
    for word in ("/driver: ", "/policy: ", "episode 1: return", "belief", "nats", str(report)):
        assert word in shown.stdout
    assert "nothing ran on hardware" in shown.stdout


def test_one_process_is_a_choice_and_never_a_fall_back(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(training.demo, "ros_environment", without_ros)

    assert main(["demo", "--out", str(tmp_path / "demo")]) == 2

    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "make setup" in said and "--without-ros" in said
    assert not (tmp_path / "demo").exists()


def test_without_ros_it_evaluates_in_one_process(tmp_path, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(training.demo, "ros_environment", without_ros)
    monkeypatch.setattr(training.demo, "evaluate", lambda *given: asked.append(given) or 1)

    command = ["demo", "--without-ros", "--out", str(tmp_path / "demo"), "--num-tasks", "1"]
    assert main(command) == 1

    [(_, robot, options)] = asked
    assert robot == "emulated"
    assert options.out == tmp_path / "demo" / "evaluation"
    assert "without ROS 2" in capsys.readouterr().out


def test_a_bundle_that_is_not_there_is_one_line(tmp_path, capsys):
    out = tmp_path / "demo"
    assert main(["demo", "--bundle", str(tmp_path / "nowhere"), "--out", str(out)]) == 2

    assert capsys.readouterr().err.count("\n") == 1


def test_it_needs_no_torch():
    code = "import training.demo, sys; print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert run.stdout.strip() == "False"
