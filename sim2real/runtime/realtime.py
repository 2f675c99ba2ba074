"""Real-time scheduling of the thread that calls, where the system allows it."""

from __future__ import annotations

import os
import threading

from sim2real.contract.errors import BadInput


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


def require_realtime(priority: int) -> None:
    """SCHED_FIFO for this thread, above everything that has no such priority.

    Raises `BadInput` where the system does not permit it: whoever asks for it must not run without.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
    except OSError as error:
        raise BadInput(
            "system",
            "realtime_priority",
            found=f"{priority}, refused: {error.strerror}",
            expected="the right to use SCHED_FIFO",
            remedy="raise rtprio in /etc/security/limits.conf, or ask for 0",
        ) from None
