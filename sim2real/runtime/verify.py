"""Everything that must hold before a bundle may move a robot, in one call."""

from __future__ import annotations

from pathlib import Path

from sim2real.contract.robot_spec import RobotSpec
from sim2real.runtime.bundle import Bundle, read_bundle, require_robot
from sim2real.runtime.golden import require_golden


def load_bundle(folder: Path, spec: RobotSpec, *, control_period_s: float | None = None) -> Bundle:
    """Read a bundle, hold it to this robot, and reproduce its golden vectors on this machine.

    `control_period_s` is the period at which it is about to run, where that is already decided.
    Raises `BadInput` at the first thing that does not fit.
    """
    bundle = read_bundle(folder)
    require_robot(bundle, spec, control_period_s)
    require_golden(bundle, spec)
    return bundle
