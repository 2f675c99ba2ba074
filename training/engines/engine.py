"""What runs trainings: an engine, to which they are handed, and the jobs that it makes of them."""

from __future__ import annotations

from typing import Protocol

from training.engines.training import Training

LOST = -1
"""instead of an exit code: what ran it was killed, and it can be handed over again"""


class Job(Protocol):
    """A training that was handed to an engine."""

    def ended(self) -> int | None:
        """Its exit code, or `LOST`; None while it waits or runs."""

    def interrupt(self) -> None:
        """Ask it to save and stop."""


class Engine(Protocol):
    """Made in the main thread and used there; trainings end with the process that made it, but for
    jobs that Slurm has by then."""

    @property
    def width(self) -> int:
        """How many jobs it is given at the same time."""

    def submit(self, training: Training) -> Job:
        """Begin it, or go on with it from its latest checkpoint, as soon as there is room."""

    def close(self) -> None:
        """Leave nothing behind."""
