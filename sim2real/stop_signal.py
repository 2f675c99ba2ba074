"""SIGINT and SIGTERM as something to look at: to stop in order, however often they come."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

POLL_S = 0.02
"""how long a request may go unnoticed"""


class StopSignal:
    """Whether a stop was asked for, and by which signal first.

    A handler runs between any two steps of the main thread, in the middle of another handler too.
    It may take no lock, as `threading.Event.set` does: two signals at once, such as those of a
    terminal and of a parent that died, would wait for each other for ever, torque on.
    """

    def __init__(self) -> None:
        self.number: int | None = None

    @property
    def is_given(self) -> bool:
        return self.number is not None

    def take(self, number: int, _frame: FrameType | None) -> None:
        """The handler."""
        if self.number is None:
            self.number = number

    def wait(self, is_over: Callable[[], bool] = lambda: False) -> None:
        """Until a stop is asked for or something else is over."""
        while not self.is_given and not is_over():
            time.sleep(POLL_S)


@contextmanager
def stop_signal() -> Iterator[StopSignal]:
    """Look out for both signals inside the block. On the main thread."""
    asked = StopSignal()
    numbers = (signal.SIGINT, signal.SIGTERM)
    earlier = {number: signal.signal(number, asked.take) for number in numbers}
    try:
        yield asked
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


@contextmanager
def stop_put_off() -> Iterator[None]:
    """A stop asked for inside the block is answered at its end, as it would have been before.

    For what must not be left between two steps, such as a file that is open and that nobody owns
    yet. Keep it short. On another thread than the main one it does nothing: no handler runs there.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    asked = StopSignal()
    try:
        with stop_signal() as asked:
            yield
    finally:
        if asked.number is not None:
            signal.raise_signal(asked.number)
