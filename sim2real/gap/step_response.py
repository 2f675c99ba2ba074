"""Step responses: how a joint goes from one goal to the next when the goal jumps and then holds.

Steps are found in the goals themselves: a joint's goal that jumps after it was held, and is held
long enough afterwards. A policy's goals hardly hold any; `taskbelief excite` makes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from sim2real.gap.motion import Float, Motion

MIN_STEP_RAD = 0.03
"""a smaller jump drowns in dry friction"""
MIN_HOLD_S = 0.4
"""how long a goal holds after a jump for the joint to be judged as settled"""
MIN_REST_S = 0.2
"""how long a goal was held before"""
TAIL = 0.25
"""the last share of a hold, in which the joint counts as settled"""
SETTLING_BAND = 0.05
"""of the way that the joint went"""
READINGS_PER_STEP = 10
"""fewer readings within a hold do not show how a joint gets there"""


@dataclass(frozen=True, kw_only=True)
class Response:
    """What one step of one joint led to. Times count from the jump of the goal."""

    delay_s: float
    """until half of the way was gone"""
    rise_s: float
    """from a tenth to nine tenths of the way"""
    settling_s: float
    """until it stayed within a twentieth of the way from where it ended"""
    overshoot: float
    """how far beyond its end it went, as a share of the way"""
    steady_error_rad: float
    """how far it ended short of the goal; below zero: beyond it"""


METRICS = tuple(field.name for field in fields(Response))


def joint_responses(motions: Sequence[Motion]) -> list[list[Response]]:
    """The responses of each joint, over all steps in all motions."""
    if not motions:
        return []
    joints = range(motions[0].position_rad.shape[1])
    return [
        [
            response
            for motion in motions
            for start_s, end_s in steps_of(motion.goal_time_s, motion.goal_rad[:, joint], motion)
            if (response := _response(motion, joint, start_s, end_s)) is not None
        ]
        for joint in joints
    ]


def steps_of(goal_time_s: Float, goal_rad: Float, motion: Motion) -> list[tuple[float, float]]:
    """When the (G,) goals of a joint jump, and until when they hold."""
    is_new = np.concatenate([[True], goal_rad[1:] != goal_rad[:-1]])
    starts = np.append(goal_time_s[is_new], motion.duration_s)
    levels = goal_rad[is_new]
    return [
        (float(starts[k]), float(starts[k + 1]))
        for k in range(1, len(levels))
        if abs(levels[k] - levels[k - 1]) >= MIN_STEP_RAD
        and starts[k + 1] - starts[k] >= MIN_HOLD_S - 1e-9
        and starts[k] - max(starts[k - 1], 0.0) >= MIN_REST_S - 1e-9
    ]


def _response(motion: Motion, joint: int, start_s: float, end_s: float) -> Response | None:
    """None where readings are missing, or where the joint hardly moved."""
    inside = (motion.time_s >= start_s) & (motion.time_s <= end_s)
    before = (motion.time_s >= start_s - MIN_REST_S / 2.0) & (motion.time_s <= start_s)
    tail = inside & (motion.time_s >= end_s - TAIL * (end_s - start_s))
    if inside.sum() < READINGS_PER_STEP or not before.any() or not tail.any():
        return None
    time_s = motion.time_s[inside] - start_s
    position = motion.position_rad[inside, joint]
    first = float(motion.position_rad[before, joint].mean())
    last = float(motion.position_rad[tail, joint].mean())
    goal = float(motion.goals_at(np.array([start_s]))[0, joint])
    way = last - first
    if abs(way) < MIN_STEP_RAD / 2.0:
        return None
    # The way that is gone, from 0 at the jump to 1 where the joint ends.
    gone = np.concatenate([[0.0], (position - first) / way])
    time_s = np.concatenate([[0.0], time_s])
    outside = np.flatnonzero(np.abs(gone - 1.0) > SETTLING_BAND)
    settled = min(int(outside[-1]) + 1, len(time_s) - 1)
    return Response(
        delay_s=_first_time(time_s, gone, 0.5),
        rise_s=_first_time(time_s, gone, 0.9) - _first_time(time_s, gone, 0.1),
        settling_s=float(time_s[settled]),
        overshoot=max(0.0, float(gone.max()) - 1.0),
        steady_error_rad=float(np.sign(way) * (goal - last)),
    )


def _first_time(time_s: Float, gone: Float, level: float) -> float:
    """When a level is first reached, on the straight line from the reading before."""
    after = int(np.argmax(gone >= level))
    if after == 0:
        return float(time_s[0])
    share = (level - gone[after - 1]) / (gone[after] - gone[after - 1])
    return float(time_s[after - 1] + share * (time_s[after] - time_s[after - 1]))
