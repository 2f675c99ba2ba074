"""Real-time scheduling of the thread that calls, where the system allows it."""

from __future__ import annotations

import os

from sim2real.contract.errors import BadInput


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
