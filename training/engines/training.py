"""A training as a process: what is to be trained, and how it is started, stopped and timed.

Every engine runs this one command line, with one thread unless it is told otherwise, so that the
numbers of a run do not depend on who ran it. Beside the run directory DIRECTORY lie

    DIRECTORY.lock         held by the process that trains there, so that there is never a second
    DIRECTORY.clock.jsonl  what each such process took, and how it ended
    DIRECTORY.log          what they printed
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from json import loads
from pathlib import Path
from typing import NamedTuple

from sim2real.contract.text_file import read_text
from sim2real.tether import tethered

DONE, FAILED, BAD_INPUT, SPENT, INTERRUPTED = 0, 1, 2, 3, 130
"""exit codes; 3: it stopped, and saved, since it had used up its core-minutes"""
_WAIT_S = 0.05


@dataclass(frozen=True, kw_only=True)
class Training:
    """One run: begun, gone on with, or found finished."""

    recipe: str
    """its name"""
    seed: int
    """of networks, exploration and sampling"""
    directory: Path
    """the run directory"""
    settings: tuple[str, ...] = ()
    """of the recipe, to be changed, each as `field=value`"""
    device: str = "cpu"
    """cpu or cuda"""
    threads: int = 1
    """of torch, and cores to ask an engine for"""
    robot_config: str = ""
    """another robot than the claw, as `taskbelief train` takes it"""
    core_minutes: float | None = None
    """of all its processes together, after which it stops; none: it may go on"""

    @property
    def log(self) -> Path:
        return beside(self.directory, ".log")

    def command(self) -> list[str]:
        """Words of the process that trains, alone in its directory and within its budget."""
        budget = "none" if self.core_minutes is None else repr(self.core_minutes)
        words = [sys.executable, "-m", "training.engines.job", str(self.directory), budget]
        words += ["train", self.recipe, "--seed", str(self.seed), "--out", str(self.directory)]
        words += ["--threads", str(self.threads), "--device", self.device, "--resume", "--quiet"]
        words += ["--robot-config", self.robot_config] if self.robot_config else []
        return [*words, *(["--settings", *self.settings] if self.settings else [])]


class Session(NamedTuple):
    """One process of a training that came to an end by itself."""

    seconds: float
    """wall clock"""
    core_seconds: float
    exit_code: int


def beside(directory: Path, ending: str) -> Path:
    """A file about a run that is not in its directory, which is the run's alone."""
    return directory.with_name(directory.name + ending)


def sessions(directory: Path) -> list[Session]:
    """All that are known; one that was killed left nothing."""
    path, found = beside(directory, ".clock.jsonl"), []
    text = read_text(path, "what a training took") if path.exists() else ""
    for line in text.splitlines():
        with contextlib.suppress(ValueError, TypeError):  # half a line, of a power cut
            found.append(Session(**loads(line)))
    return found


def core_minutes(took: Iterable[Session]) -> float:
    """Of all of them together."""
    return sum(session.core_seconds for session in took) / 60.0


@contextlib.contextmanager
def alone_in(directory: Path) -> Iterator[None]:
    """Nobody else trains there for as long; whoever was told to stop, and saves, is waited for."""
    lock = beside(directory, ".lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def started(training: Training) -> subprocess.Popen[bytes]:
    """Its process, which does not outlive this one; main thread only, as `tethered` says."""
    training.log.parent.mkdir(parents=True, exist_ok=True)
    with training.log.open("ab") as file:
        return subprocess.Popen(
            tethered(training.command(), os.getpid()),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**os.environ, "OMP_NUM_THREADS": str(training.threads)},
            start_new_session=True,  # a terminal's Ctrl-C reaches it through whoever started it
        )


def completed(training: Training) -> int:
    """Run it to its end, for a worker of a cluster: its exit code.

    A worker that is interrupted passes that on, and waits until the training has saved.
    """
    process = started(training)
    try:
        while process.poll() is None:
            time.sleep(_WAIT_S)
    except BaseException:
        process.send_signal(signal.SIGINT)
        process.wait()
        raise
    return int(process.returncode)
