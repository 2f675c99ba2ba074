"""Processes of a graph end when they are told to, when they must, and when their parent dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sim2real.bringup.graph import EmulatorSpec
from sim2real.bringup.processes import Child, Died, EmulatedHand, executable_path
from sim2real.contract.errors import BadInput

PATIENCE_S = 60.0
"""the machine may be busy"""
PEACEFUL = """
import pathlib, signal, sys, threading
stop = threading.Event()
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda number, _frame: (print(signal.Signals(number).name), stop.set()))
pathlib.Path(sys.argv[1]).touch()
stop.wait()
"""
STUBBORN = """
import pathlib, signal, sys, time
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, signal.SIG_IGN)
pathlib.Path(sys.argv[1]).touch()
time.sleep(600)
"""
PARENT = """
import os, sys, time
from pathlib import Path
from sim2real.bringup.processes import Child
child = Child("child", sys.argv[1:], environment=os.environ, log=Path(sys.argv[-1] + ".log"))
print(child.pid, flush=True)
time.sleep(600)
"""


def await_file(path: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} never came"
        time.sleep(0.01)


def started(program: str, folder: Path, **options) -> Child:
    ready = folder / "ready"
    command = [sys.executable, "-u", "-c", program, str(ready)]
    child = Child("child", command, environment=os.environ, log=folder / "log", **options)
    await_file(ready)
    return child


def test_it_is_asked_first_and_what_it_says_is_kept(tmp_path):
    child = started(PEACEFUL, tmp_path)
    assert child.exit_code is None

    child.stop()

    assert child.exit_code == 0
    assert (tmp_path / "log").read_text().split() == ["SIGINT"]


def test_what_does_not_listen_is_killed(tmp_path):
    child = started(STUBBORN, tmp_path)

    child.stop(patience_s=0.1)

    assert child.exit_code == -signal.SIGKILL
    assert "SIGKILL" in child.ending
    assert str(tmp_path / "log") in child.ending


def test_it_ends_with_a_parent_that_is_killed(tmp_path):
    ready = tmp_path / "ready"
    command = [sys.executable, "-c", PARENT, sys.executable, "-u", "-c", PEACEFUL, str(ready)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as parent:
        await_file(ready)
        parent.kill()
        parent.wait()
    log = tmp_path / "ready.log"
    deadline = time.monotonic() + PATIENCE_S
    while "SIGTERM" not in log.read_text():
        assert time.monotonic() < deadline, "nobody told the child"
        time.sleep(0.01)


def test_it_does_not_start_under_a_parent_that_is_gone():
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    tether = [sys.executable, "-m", "sim2real.tether", str(gone.pid), "0", "echo", "alive"]
    outcome = subprocess.run(tether, capture_output=True, text=True)

    assert outcome.returncode != 0
    assert outcome.stdout == ""


def test_an_emulated_hand_says_where_it_serves(tmp_path):
    spec = EmulatorSpec(link=str(tmp_path / "port"))
    with EmulatedHand(spec, environment=os.environ) as hand:
        assert hand.await_port()["port"] == spec.link
        assert Path(spec.link).is_char_device()
    assert not Path(spec.link).exists()


def test_an_emulated_hand_that_cannot_be_is_reported(tmp_path):
    spec = EmulatorSpec(link=str(tmp_path / "port"), task=f"{tmp_path}/nowhere.json:0")
    with (
        EmulatedHand(spec, environment=os.environ, log=tmp_path / "log") as hand,
        pytest.raises(Died, match="exit code 2"),
    ):
        hand.await_port()
    assert "nowhere.json" in (tmp_path / "log").read_text()


def test_what_was_not_built_is_said_with_what_to_do():
    with pytest.raises(BadInput, match="make setup"):
        executable_path("taskbelief_policy", "nobody", {"AMENT_PREFIX_PATH": "/nowhere"})
