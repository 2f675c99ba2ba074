"""A hand to run episodes on, and how it keeps time; `hands` has the kinds of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from sim2real.hardware.camera import Camera
from sim2real.hardware.robot import Robot
from sim2real.runtime.pacing import Pacer


@dataclass(frozen=True, kw_only=True, eq=False)
class Hand:
    """A hand that is not connected yet."""

    robot: Robot
    rate_hz: float
    """readings per second; a whole multiple of the policy's rate"""
    is_paced: bool = True
    """on a thread in step with a clock; otherwise simulated time passes with every command"""
    clock_ns: Callable[[], int] = time.monotonic_ns
    """on which readings are stamped"""
    pacer: Pacer | None = None
    """of a clock of its own; None: the host's, or none in simulation"""
    camera: Camera | None = None
    """what a policy that sees looks through; None: nothing"""
