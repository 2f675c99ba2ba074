"""Worlds that begin easier than their tasks are, while a policy learns in them."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from training.worlds.vector_world import VectorWorld


@runtime_checkable
class Easeable(Protocol):
    """A `VectorWorld` whose tasks have easier forms."""

    def ease(self, share: float) -> None:
        """From the next step on be as far from the task (0) towards its easiest form (1)."""


class Curriculum:
    """How easy the worlds of a run are: as easy as can be at first, the tasks themselves in time.

    Where a reward is met by chance too seldom to learn from, an easier form of the task shows that
    there is one, and what it tells. What a policy is judged in is never eased.
    """

    def __init__(self, until: float = 0.0) -> None:
        """Tasks are as they are once `until` of the run, a share, is done; 0: from the start."""
        self._until = until
        self._worlds: list[Easeable] = []

    def take(self, worlds: VectorWorld, family: str) -> None:
        """Worlds that are learnt in. Raises `ValueError` where these have no easier form."""
        if not self._until:
            return
        if not isinstance(worlds, Easeable):
            raise ValueError(f"eased_until: {family} has no easier form; expected 0")
        self._worlds.append(worlds)

    def advance(self, progress: float) -> None:
        """The share `progress` of the run is done: the rest is a straight line to the tasks."""
        for worlds in self._worlds:
            worlds.ease(max(1.0 - progress / self._until, 0.0))
