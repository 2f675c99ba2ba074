"""A suite of two runs, and what tests ask about processes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from json import dumps
from pathlib import Path

from sim2real.cli import main
from sim2real.contract.output_file import write_file
from training.engines.training import Session, Training, beside
from training.suite.command import run_suite
from training.suite.suite import suite_of

SUITE = """
schema_version: 1
seeds: [0, 1]
environment_steps: null
core_minutes: 5
families:
  - family: point_robot
    settings: [num_train_tasks=20, num_test_tasks=3, num_evaluation_trials=2]
    recipes:
      - recipe: reinforce-point-robot
        settings:
          - num_iterations=24
          - evaluation_interval=8
          - checkpoint_interval=1
          - num_trial_episodes=2
          - num_exploration_episodes=1
        expected_return: [-30, -5]
"""
ONE = SUITE.replace("seeds: [0, 1]", "seeds: [0]")
"""half of it: most of what a test costs is that a process loads its libraries"""
TIMEOUT_S = 180.0


def begun(suite: Path, out: Path, *options: str) -> subprocess.Popen[bytes]:
    """The command, as somebody types it."""
    words = [sys.executable, "-m", "sim2real.cli", "benchmark", str(suite), "--out", str(out)]
    return subprocess.Popen(
        [*words, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )


def wait_until(holds: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + TIMEOUT_S
    while not holds():
        assert time.monotonic() < until, f"still waiting until {what}"
        time.sleep(0.01)


def trainings_in(out: Path) -> dict[int, int]:
    """Process and parent of every training whose run directory lies there."""
    return {
        process: parent
        for process, parent in parents().items()
        if b"training.engines.job" in (words := words_of(process))
        and any(str(out).encode() in word for word in words)
    }


def parents() -> dict[int, int]:
    """Every process of this machine but this one, and who has started it."""
    found = {}
    for each in Path("/proc").iterdir():
        if each.name.isdigit() and int(each.name) != os.getpid():
            with contextlib.suppress(OSError):  # it has ended
                status = (each / "stat").read_text().rpartition(")")[2].split()
                found[int(each.name)] = int(status[1])
    return found


def words_of(process: int) -> list[bytes]:
    """Its command line; of one that has ended, an empty word."""
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return [b""]


def kill(process: int) -> None:
    os.kill(process, signal.SIGKILL)


def table_of(suite: str, folder: Path) -> bytes:
    """What comes of it undisturbed, one run after the other."""
    path = folder / "suite.yaml"
    write_file(path, suite)
    assert run_suite(suite_of(str(path)), HereEngine(), folder) == []
    return (folder / "results.csv").read_bytes()


class HereEngine:
    """Trains in this very process, whose libraries are loaded."""

    width = 1

    def submit(self, training: Training) -> EndedJob:
        words = training.command()
        code = main(words[words.index("train") :])
        line = dumps(Session(0.0, 0.0, code)._asdict())
        write_file(beside(training.directory, ".clock.jsonl"), f"{line}\n")
        return EndedJob(code)

    def close(self) -> None:
        """It has nothing."""


class EndedJob:
    def __init__(self, code: int) -> None:
        self._code = code

    def ended(self) -> int:
        return self._code

    def interrupt(self) -> None:
        """It is over."""
