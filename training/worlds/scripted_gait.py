"""A scripted finger gait that turns the D'Claw's valve: reference motion for tests and demos.

Each fingertip sweeps along an arc around the valve's axis, leaves outward, returns and grips
again. The three fingers move together, so the tips stay a third of a turn apart. A sweep spans
more than a third of a turn: the next sweep meets the next lobe, and the valve turns without end.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# The finger of hardware_configs/dclaw/model.xml, metres. A test drives the compiled model with
# this gait and compares where its fingertip sites go.
TOP_JOINT_HEIGHT = 0.28275  # above the table
FINGER_RADIUS = 0.06  # of the top joint about the valve's axis
TOP_LINK, MIDDLE_LINK, TIP_LINK = 0.0675, 0.068, 0.076

# A sweep follows an ellipse: the valve's axis is DEPTH_OFFSET inside its centre. Under load a
# finger lags behind its target, so the targets run deeper and wider than the tips will.
DEPTH_OFFSET, SWEEP_DEPTH, SWEEP_WIDTH = 0.01, 0.045, 0.08
HALF_SWEEP_RAD = 1.2
GRIP_HEIGHT = 0.095  # of the tip's end: its flank meets the lobes at their centre line
RELEASE_RADIUS, RELEASE_HEIGHT = 0.12, 0.11  # outside the lobes' ends at 0.094

# Shares of a cycle: press, move out, return, move in.
PHASES = (0.0, 0.5, 0.65, 0.85, 1.0)


def fingertip_path(phase: NDArray[np.float64], direction: int) -> NDArray[np.float64]:
    """Where a fingertip shall be, (T, 3): radial (outward), tangential (counterclockwise), height.

    `phase` (T,) counts cycles; `direction` is +1 to turn the valve counterclockwise, else -1.
    """
    share = phase % 1.0
    sweep = np.interp(share, PHASES, (-1.0, 1.0, 1.0, -1.0, -1.0)) * HALF_SWEEP_RAD
    released = np.interp(share, PHASES, (0.0, 0.0, 1.0, 1.0, 0.0))
    grip_radius = DEPTH_OFFSET + SWEEP_DEPTH * np.cos(sweep)
    radial = grip_radius + released * (RELEASE_RADIUS - grip_radius)
    tangential = direction * SWEEP_WIDTH * np.sin(sweep)
    height = GRIP_HEIGHT + released * (RELEASE_HEIGHT - GRIP_HEIGHT)
    return np.stack([radial, tangential, height], axis=-1)


def finger_joints(tip: NDArray[np.float64]) -> NDArray[np.float64]:
    """Top, middle and bottom angle that put a fingertip at `tip`, both (T, 3); rad and metres.

    The elbow points outward. A point out of reach is approached as far as the finger stretches.
    """
    radial, tangential, height = np.moveaxis(tip, -1, 0)
    below = TOP_JOINT_HEIGHT - height
    top = np.arctan2(tangential, below)
    inward = FINGER_RADIUS - radial
    down = np.hypot(tangential, below) - TOP_LINK
    cos_bottom = (inward**2 + down**2 - MIDDLE_LINK**2 - TIP_LINK**2) / (2 * MIDDLE_LINK * TIP_LINK)
    bottom = np.arccos(np.clip(cos_bottom, -1.0, 1.0))
    elbow = np.arctan2(TIP_LINK * np.sin(bottom), MIDDLE_LINK + TIP_LINK * np.cos(bottom))
    return np.stack([top, np.arctan2(inward, down) - elbow, bottom], axis=-1)


def turning_gait(
    num_ticks: int, *, control_period_s: float = 0.05, cycle_s: float = 2.5, direction: int = 1
) -> NDArray[np.float64]:
    """Joint targets that turn the valve, (num_ticks, 9), rad, in the order of robot.yaml.

    The gait starts in the middle of a sweep, near home: between two lobes.
    """
    phase = (
        PHASES[1] / 2 + np.arange(1, num_ticks + 1, dtype=np.float64) * control_period_s / cycle_s
    )
    return np.tile(finger_joints(fingertip_path(phase, direction)), (1, 3))
