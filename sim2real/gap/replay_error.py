"""How far open-loop replays end up from what was measured, per joint and over time."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from sim2real.evaluation.metrics import bootstrap_interval
from sim2real.gap.closed_loop import paired_means
from sim2real.gap.motion import Float, Motion, PairKey
from sim2real.gap.replay import Replayed

JOINT_THRESHOLD_RAD = 0.05
"""three degrees: beyond that a fingertip is elsewhere by a third of its radius"""
OBJECT_THRESHOLD_RAD = 0.1
"""about what tells success from failure for the valve skills"""
NUM_TIMES = 30
"""points of a curve over time"""


class ReplayError(NamedTuple):
    """Simulated minus measured positions of one motion."""

    key: PairKey
    time_s: Float
    """(T,)"""
    joint_rad: Float
    """(T, J)"""
    object_rad: Float
    """(T,)"""

    @property
    def joint_rmse_rad(self) -> float:
        return math.sqrt(float(np.mean(self.joint_rad**2)))

    @property
    def object_rmse_rad(self) -> float:
        return math.sqrt(float(np.mean(self.object_rad**2)))

    @property
    def diverges_at_s(self) -> float:
        """When joints or object first are beyond their threshold; infinite if they never are."""
        is_far = (np.abs(self.joint_rad) > JOINT_THRESHOLD_RAD).any(axis=1)
        is_far |= np.abs(self.object_rad) > OBJECT_THRESHOLD_RAD
        return float(self.time_s[np.argmax(is_far)]) if is_far.any() else math.inf


def replay_errors(motions: Sequence[Motion], replayed: Sequence[Replayed]) -> list[ReplayError]:
    """Of the replays that could be integrated to their end."""
    return [
        ReplayError(
            motion.key,
            motion.time_s,
            one.position_rad - motion.position_rad,
            one.object_position_rad - motion.object_position_rad,
        )
        for motion, one in zip(motions, replayed, strict=True)
        if one.is_stable
    ]


def replay_summary(errors: Sequence[ReplayError], joint_names: Sequence[str]) -> dict[str, Any]:
    """Errors of one side. RMSE are means over motions, with intervals over them."""
    joints = np.concatenate([error.joint_rad for error in errors])
    objects = np.concatenate([error.object_rad for error in errors])
    diverged = np.array([error.diverges_at_s for error in errors])
    median_s = float(np.median(diverged))
    return {
        "num_motions": len(errors),
        "joints": _mean([error.joint_rmse_rad for error in errors]),
        "object": _mean([error.object_rmse_rad for error in errors]),
        "peak_joint_rad": float(np.abs(joints).max()),
        "peak_object_rad": float(np.abs(objects).max()),
        "per_joint": [
            {
                "joint": name,
                "rmse_rad": math.sqrt(float(np.mean(column**2))),
                "peak_rad": float(np.abs(column).max()),
            }
            for name, column in zip(joint_names, joints.T, strict=True)
        ],
        "divergence": {
            "joint_threshold_rad": JOINT_THRESHOLD_RAD,
            "object_threshold_rad": OBJECT_THRESHOLD_RAD,
            "num_diverged": int(np.isfinite(diverged).sum()),
            "median_s": median_s if math.isfinite(median_s) else None,
        },
        "growth": _growth(errors),
    }


def replay_difference(a: Sequence[ReplayError], b: Sequence[ReplayError]) -> dict[str, Any] | None:
    """Mean RMSE of B minus that of A over the tasks that both replayed; None without any."""
    sides = [{error.key: error for error in side} for side in (a, b)]
    shared = sorted(sides[0].keys() & sides[1].keys())
    tasks = sorted({key.task for key in shared})
    if not tasks:
        return None
    found = {}
    for name in ("joint_rmse_rad", "object_rmse_rad"):
        values = [
            np.array(
                [
                    np.mean([getattr(side[key], name) for key in shared if key.task == task])
                    for task in tasks
                ]
            )
            for side in sides
        ]
        found[name] = vars(paired_means(*values))
    return {"num_motions": len(shared), **found}


def squared_errors(errors: Sequence[ReplayError]) -> Float:
    """(J + 1,) mean squared errors, rad^2: joints, then the object."""
    return np.append(
        np.mean(np.concatenate([error.joint_rad for error in errors]) ** 2, axis=0),
        np.mean(np.concatenate([error.object_rad for error in errors]) ** 2),
    )


def _mean(values: Sequence[float]) -> dict[str, float | None]:
    if len(values) > 1:
        return {**bootstrap_interval(np.array(values))._asdict()}
    return {"mean": values[0], "low": None, "high": None}


def _growth(errors: Sequence[ReplayError]) -> list[dict[str, float]]:
    """RMSE over motions by the time since their first reading."""
    end_s = max(float(error.time_s[-1]) for error in errors)
    edges = np.linspace(0.0, end_s, NUM_TIMES + 1)
    rows = []
    for low, high in itertools.pairwise(edges):
        inside = [(error.time_s > low) & (error.time_s <= high + 1e-9) for error in errors]
        if not any(rows_inside.any() for rows_inside in inside):
            continue
        joints = np.concatenate(
            [e.joint_rad[rows_inside] for e, rows_inside in zip(errors, inside)]
        )
        objects = np.concatenate(
            [e.object_rad[rows_inside] for e, rows_inside in zip(errors, inside)]
        )
        rows.append(
            {
                "time_s": float(high),
                "joints_rad": math.sqrt(float(np.mean(joints**2))),
                "object_rad": math.sqrt(float(np.mean(objects**2))),
            }
        )
    return rows
