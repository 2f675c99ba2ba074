"""Work that one thread hands to another and waits for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class QueueClosed(RuntimeError):
    """Nobody will do this work any more."""


class JobQueue:
    """Jobs in the order in which they came. Closed until `open`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: list[tuple[Callable[[], Any], Future[Any]]] = []
        self._is_open = False

    def __len__(self) -> int:
        return len(self._jobs)

    def open(self) -> None:
        self._is_open = True

    def put(self, job: Callable[[], T]) -> Future[T]:
        """Its future holds what it returns or raises. Raises `QueueClosed`."""
        future: Future[T] = Future()
        with self._lock:
            if not self._is_open:
                raise QueueClosed("nobody works on this any more")
            self._jobs.append((job, future))
        return future

    def run(self) -> None:
        """Do all that has come until now, on the caller's thread. Never raises."""
        for job, future in self._take():
            try:
                future.set_result(job())
            except BaseException as error:  # raised where the job was asked for
                future.set_exception(error)

    def close(self) -> None:
        """Nobody shall wait for ever: what was not done ends with `QueueClosed`."""
        with self._lock:
            self._is_open = False
        for _, future in self._take():
            future.set_exception(QueueClosed("the end came before it"))

    def _take(self) -> list[tuple[Callable[[], Any], Future[Any]]]:
        with self._lock:
            jobs, self._jobs = self._jobs, []
        return jobs
