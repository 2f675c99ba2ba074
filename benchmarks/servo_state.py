"""What becomes of servos, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sim2real.emulator.servo import Servo


def is_driven(servo: Servo) -> bool:
    """Whether the servo pushes its joint after its own or somebody's will."""
    return servo.torque_is_on and servo.is_powered and not servo.watchdog_tripped


def state_of(joints: Sequence[Servo]) -> str:
    """How many are driven, off, without power or stopped."""
    counts: Counter[str] = Counter()
    for servo in joints:
        if not servo.is_powered:
            counts["without power"] += 1
        elif not servo.torque_is_on:
            error = servo["hardware_error"]
            counts[f"off, error {error:#04x}" if error else "off"] += 1
        else:
            counts["stopped by watchdog" if servo.watchdog_tripped else "driven"] += 1
    return ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
