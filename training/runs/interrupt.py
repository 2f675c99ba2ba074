"""Ctrl-C in a run: it waits until what was done is saved."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from types import FrameType
from typing import Any

ASKED = b"\ntaskbelief train: stops when this iteration is done and saved; Ctrl-C again: at once\n"
"""the answer to Ctrl-C; it begins a line of its own, since a bar may be on this one"""


class Interrupted(Exception):
    """Ctrl-C: everything up to the named iteration is saved; the command line exits with 130."""


class DeferredInterrupt:
    """The first SIGINT or SIGTERM waits for the iteration's end; the second stops at once."""

    def __init__(self) -> None:
        self.is_asked = False
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> DeferredInterrupt:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        if self.is_asked:
            raise KeyboardInterrupt
        self.is_asked = True
        with contextlib.suppress(OSError):  # past all buffers: the main thread may hold their lock
            os.write(2, ASKED)
