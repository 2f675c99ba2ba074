"""`taskbelief emulate --task`: any task of a saved set can be put on the bench."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sim2real.cli import main
from sim2real.contract.errors import BadInput
from sim2real.contract.robot_spec import load_robot_spec
from sim2real.hardware.dynamixel.bus import BusTiming
from sim2real.hardware.dynamixel.driver import DriverConfig, DynamixelRobot
from sim2real.hardware.physics_model import load_physics_model
from training.benches.emulate import dynamics_of, task_named
from training.families.registry import FAMILIES
from training.tasks.task_set import draw_task_set

PATIENT = DriverConfig(timing=BusTiming(turnaround_s=0.5), tick_tolerance_s=0.5)
"""the machine may be busy"""


@pytest.fixture
def saved(tmp_path):
    task_set = draw_task_set(FAMILIES["valve_turn"], seed=0, num_train=2, num_test=3)
    path = tmp_path / "tasks.json"
    task_set.save(path)
    return path, task_set


def test_a_task_is_named_by_file_and_index(saved):
    path, task_set = saved

    assert task_named(f"{path}:2") == task_set.test[2]
    assert task_named(f"{path}:test/0") == task_set.test[0]
    assert task_named(f"{path}:train/1") == task_set.train[1]


@pytest.mark.parametrize("place", ["3", "train/2", "held-out/1", "-1", "x", ""])
def test_a_task_that_is_not_there_is_refused(saved, place):
    with pytest.raises(BadInput):
        task_named(f"{saved[0]}:{place}")


def test_its_dynamics_reach_the_model_and_its_goal_does_not(saved):
    task = saved[1].test[1]
    dynamics = dynamics_of(task)
    model = load_physics_model(load_robot_spec())

    dynamics.apply(model)

    assert model.joint("valve").damping[0] == task.parameters["valve_damping"][0]


def test_it_serves_says_where_and_stops_when_told(saved):
    command = [sys.executable, "-m", "sim2real.cli", "emulate", "--task", f"{saved[0]}:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        place = json.loads(process.stdout.readline())
        assert Path(place["port"]).is_char_device()
        process.send_signal(signal.SIGTERM)

        assert process.wait(timeout=60) == 0
    assert place["ids"] == [10, 11, 12, 20, 21, 22, 30, 31, 32, 50, 60]
    assert place["baud"] == 1_000_000
    task = saved[1].test[0]
    known = {name: value for name, value in task.parameters.items() if name != "target_angle"}
    assert place["dynamics"] == {name: list(value) for name, value in known.items()}


def test_it_needs_no_torch():
    code = "import training.benches.emulate, sys; print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert run.stdout.strip() == "False"


def emulator(*options: str, **streams):
    """Such a process, and what it said once it served."""
    command = [sys.executable, "-m", "sim2real.cli", "emulate", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **streams)
    assert process.stdout is not None
    return process, process.stdout.readline()


def test_one_emulator_after_the_other_is_found_at_the_same_link(tmp_path):
    link = tmp_path / "bench" / "hand"

    for is_last in (False, True):
        process, said = emulator("--link", str(link))
        with process:
            assert json.loads(said)["port"] == str(link)
            assert link.is_char_device()
            assert main(["emulate", "--link", str(link)]) == 2, "it is in use"
            process.send_signal(signal.SIGTERM if is_last else signal.SIGKILL)
            process.wait(timeout=60)

    assert not link.is_symlink(), "whoever stops in peace leaves nothing behind"


def test_a_link_that_is_in_use_or_somebody_elses_is_refused(tmp_path, capsys):
    taken = tmp_path / "notes.txt"
    taken.write_text("mine")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.symlink_to(tmp_path / "nowhere")

    for link in (taken, elsewhere):
        assert main(["emulate", "--link", str(link)]) == 2
        assert capsys.readouterr().err.count("\n") == 1
    assert taken.read_text() == "mine"
    assert elsewhere.is_symlink()


@pytest.mark.realtime
def test_told_to_stop_it_stays_until_torque_is_off():
    process, said = emulator()
    port, spec = json.loads(said)["port"], load_robot_spec()
    with process, DynamixelRobot.on_serial(port, spec, "emulated", PATIENT) as robot:
        robot.activate()
        process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        robot.read()
        robot.deactivate()

        assert process.wait(timeout=60) == 0
