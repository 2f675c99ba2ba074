"""The engine that is always there: processes of this machine."""

from __future__ import annotations

import signal
import subprocess

from training.engines.engine import LOST
from training.engines.training import Training, started


class LocalEngine:
    """So many trainings at a time."""

    def __init__(self, processes: int) -> None:
        self.width = processes

    def submit(self, training: Training) -> LocalJob:
        return LocalJob(started(training))

    def close(self) -> None:
        """Its processes are the jobs'."""


class LocalJob:
    """A process."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def ended(self) -> int | None:
        code = self._process.poll()
        return LOST if code is not None and code < 0 else code

    def interrupt(self) -> None:
        self._process.send_signal(signal.SIGINT)
