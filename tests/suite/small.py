"""A suite of two runs, and what tests ask about processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

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
          - num_iterations=12
          - evaluation_interval=4
          - checkpoint_interval=1
          - num_trial_episodes=2
          - num_exploration_episodes=1
        expected_return: [-30, -5]
"""
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
    found = {}
    for each in Path("/proc").iterdir():
        if each.name.isdigit() and int(each.name) != os.getpid():
            try:
                words = (each / "cmdline").read_bytes().split(b"\0")
                parent = int((each / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:  # it has ended
                continue
            if b"training.engines.job" in words and any(str(out).encode() in w for w in words):
                found[int(each.name)] = parent
    return found


def kill(process: int) -> None:
    os.kill(process, signal.SIGKILL)
