"""What every skill of the hand measures about joints and valve, and what excess costs."""

from __future__ import annotations

import numpy as np

from sim2real.contract.observation import Term
from sim2real.skills.skill import Array, Moment, Values

NUM_LOBES = 3
"""the valve looks the same after a third of a turn: fingers care for the phase of a lobe"""


def joint_terms(num_joints: int) -> tuple[Term, ...]:
    """Layout terms of the joints, J each."""
    return (
        Term(name="joint_position", size=num_joints, unit="rad"),
        Term(name="joint_velocity", size=num_joints, unit="rad/s"),
        Term(name="target_lag", size=num_joints, unit="rad"),
    )


def joint_values(moment: Moment) -> dict[str, Array]:
    """Positions, velocities, how far each servo is behind its target (what load feels like), and
    how far load has pushed it out of its range."""
    reading, position = moment.reading, moment.reading.position_rad
    return {
        "joint_position": position,
        "joint_velocity": reading.velocity_rad_s,
        "target_lag": moment.target_position_rad - position,
        "range_excess": np.maximum(
            np.maximum(moment.lower_rad - position, position - moment.upper_rad), 0.0
        ),
    }


VALVE_TERMS = (
    Term(name="valve_angle", size=2, unit="1"),
    Term(name="valve_lobe_phase", size=2, unit="1"),
    Term(name="valve_velocity", size=1, unit="rad/s"),
)


def valve_values(moment: Moment) -> dict[str, Array]:
    """Angle and lobe phase as (cos, sin), and angular velocity."""
    angle = moment.reading.object_position_rad
    return {
        "valve_angle": _cos_sin(angle),
        "valve_lobe_phase": _cos_sin(NUM_LOBES * angle),
        "valve_velocity": moment.reading.object_velocity_rad_s[..., None],
    }


def wrapped(angle_rad: Array) -> Array:
    """The same angle in [-pi, pi)."""
    return np.asarray((angle_rad + np.pi) % (2.0 * np.pi) - np.pi)


def excess_velocity(joint_velocity: Array, threshold_rad_s: float) -> Array:
    """(...,) norm of the joint velocities beyond a threshold, as ROBEL charges it."""
    fast = np.where(np.abs(joint_velocity) >= threshold_rad_s, joint_velocity, 0.0)
    return np.asarray(np.linalg.norm(fast, axis=-1))


def range_terms(values: Values, cost: float) -> dict[str, Array]:
    """What it costs to let joints be pushed out of their ranges; nothing where it costs nothing.

    A robot stops when one is far outside (`runtime/safety.py`), which no reward tells otherwise.
    """
    if cost == 0.0:
        return {}
    return {"range_excess": -cost * values["range_excess"].sum(axis=-1)}


def _cos_sin(angle_rad: Array) -> Array:
    return np.stack([np.cos(angle_rad), np.sin(angle_rad)], axis=-1)
