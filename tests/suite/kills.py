"""Processes of a benchmark that are killed at random moments, and the command given again."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tests.suite.small import kill, parents, trainings_in, words_of

OPTIONS = {"local": ("--processes", "2"), "ray": ("--engine", "ray", "--processes", "2")}
VICTIMS = {
    "local": ("command", "training"),
    "ray": ("command", "training", "worker", "raylet", "gcs_server", "agent"),
}
_PATIENCE_S = 900.0
"""Ray alone needs minutes to begin where others keep the cores busy"""
_MOST_GIVEN = 4
"""times that the command may have to be given after the last kill"""


class Killed(NamedTuple):
    """What was killed, and how long after one of its kind was first seen."""

    engine: str
    victim: str
    after_s: float


class Killer:
    """Gives the command, and kills what runs for it. Moments and victims are drawn from a seed."""

    def __init__(self, suite: Path, folder: Path, *, seed: int, longest_wait_s: float) -> None:
        self._suite, self._folder = suite, folder
        self._longest_wait_s = longest_wait_s
        self._rng = np.random.default_rng(seed)
        self._engine = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._saved: dict[Path, int] = {}
        self.killed: list[Killed] = []
        self.codes: list[int] = []
        """with which the command ended by itself"""
        self.done: list[Path] = []
        """folders whose benchmark is done; while kills are to come, another is begun"""

    @property
    def out(self) -> Path:
        return self._folder / str(len(self.done))

    def strike(self, engine: str, victim: str) -> None:
        """Kill one process of that kind, some seconds after it was first seen."""
        wait_s = float(self._rng.uniform(0.0, self._longest_wait_s))
        while True:
            process = self._given(engine)
            chosen = self._first_seen(process, victim)
            until = time.monotonic() + wait_s
            while process.poll() is None and time.monotonic() < until:
                time.sleep(0.02)
            if process.poll() is not None:
                self._note_end()
            elif chosen in self._there(process.pid, victim):
                self._check_saved()
                kill(chosen)
                self.killed.append(Killed(engine, victim, round(wait_s, 2)))
                if victim == "command":
                    process.wait()
                    self._process = None
                return

    def finish(self, engine: str) -> None:
        """Let it end, without more kills."""
        already = len(self.done)
        for _ in range(_MOST_GIVEN):
            self._given(engine).wait(_PATIENCE_S)
            self._note_end()
            if len(self.done) > already:
                return
        raise AssertionError(f"given {_MOST_GIVEN} times, it was not done: {self.codes}")

    def end(self) -> None:
        """Leave no process behind, whatever has happened."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _given(self, engine: str) -> subprocess.Popen[bytes]:
        if self._process is not None and self._engine != engine:
            self._process.send_signal(signal.SIGINT)  # and the other goes on with what it has saved
            self._note_end()
        if self._process is None:
            self._engine = engine
            words = [sys.executable, "-m", "sim2real.cli", "benchmark", str(self._suite)]
            with (self._folder / "said").open("ab") as said:
                self._process = subprocess.Popen(
                    [*words, "--out", str(self.out), *OPTIONS[engine]],
                    stdout=said,
                    stderr=said,
                    start_new_session=True,
                )
        return self._process

    def _first_seen(self, process: subprocess.Popen[bytes], victim: str) -> int:
        """One of that kind; 0 where the command ends before there is any."""
        until = time.monotonic() + _PATIENCE_S
        while process.poll() is None:
            there = self._there(process.pid, victim)
            if there:
                return int(self._rng.choice(there))
            assert time.monotonic() < until, f"no {victim} is to be seen"
            time.sleep(0.02)
        return 0

    def _there(self, command: int, victim: str) -> list[int]:
        """Processes of a kind that run for the command."""
        if victim == "command":
            return [command]
        trainings, below = trainings_in(self.out), descendants(command)
        if victim == "training":
            return sorted(set(trainings) & below)
        if victim == "worker":
            return sorted(set(trainings.values()) & below - {command})
        names = {each: words_of(each)[0].decode(errors="replace") for each in sorted(below)}
        if victim == "agent":
            return [each for each, name in names.items() if name.endswith("Agent")]
        return [each for each, name in names.items() if Path(name).name == victim]

    def _note_end(self) -> None:
        assert self._process is not None
        self.codes.append(self._process.wait())
        self._process = None
        self._check_saved()
        if self.codes[-1] == 0:
            self.done.append(self.out)

    def _check_saved(self) -> None:
        """What was saved once is not lost."""
        for checkpoints in self.out.glob("runs/*/*/checkpoints"):
            latest = max((int(each.name) for each in checkpoints.glob("[0-9]*")), default=0)
            assert latest >= self._saved.get(checkpoints, 0), f"{checkpoints}: {latest}"
            self._saved[checkpoints] = latest


def descendants(root: int) -> set[int]:
    """Of a process: its children, theirs, and so on."""
    children: dict[int, list[int]] = {}
    for process, parent in parents().items():
        children.setdefault(parent, []).append(process)
    found, frontier = set[int](), [root]
    while frontier:
        frontier += children.get(frontier.pop(), [])
        found.update(frontier)
    return found
