"""Real-time scheduling, where the system allows it."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from sim2real.contract.errors import BadInput

TASKS = Path("/proc/self/task")
"""of this process (proc(5))"""


def may_use_realtime(priority: int) -> bool:
    """Whether `require_realtime` would be permitted here."""
    allowed: list[bool] = []

    def attempt() -> None:  # on a thread of its own, which leaves the caller's as it is
        try:
            require_realtime(priority)
        except BadInput:
            return
        allowed.append(True)

    thread = threading.Thread(target=attempt)
    thread.start()
    thread.join()
    return bool(allowed)


def hurry_process(priority: int) -> None:
    """`require_realtime` for every thread of this process, and so for those that these will start.

    All of them: a loop that waits for the interpreter is as slow as whoever holds it.
    """
    for task in TASKS.iterdir():
        try:
            require_realtime(priority, int(task.name))
        except BadInput:
            if task.exists():  # it has not just ended by itself
                raise


def require_realtime(priority: int, thread_id: int = 0) -> None:
    """SCHED_FIFO for this thread, or that one, above everything that has no such priority.

    Raises `BadInput` where the system does not permit it: whoever asks for it must not run without.
    """
    try:
        os.sched_setscheduler(thread_id, os.SCHED_FIFO, os.sched_param(priority))
    except OSError as error:
        raise BadInput(
            "system",
            "realtime_priority",
            found=f"{priority}, refused: {error.strerror}",
            expected="the right to use SCHED_FIFO",
            remedy="raise rtprio in /etc/security/limits.conf, or ask for 0",
        ) from None
