"""From the columns of a recording to motions and times."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim2real.gap.latency import Ticks
from sim2real.gap.motion import Float, Motion, PairKey
from sim2real.recording.columns import Columns

MAX_PAUSE_S = 0.5
"""a longer pause between two readings ends a motion"""
BEFORE_NS = 1_000_000_000
"""goals given longer than this before a motion begins are no part of it"""


class Goals(NamedTuple):
    """Goals that servos were given, (G,) of them in order; each holds until the next."""

    stamp_ns: NDArray[np.int64]
    goal_rad: Float
    """(G, J)"""


def ticks_of(columns: Columns, compute_s: Float | None = None) -> Ticks:
    """Of `control_tick`, and how long the policy's steps took."""
    names = ("number", "deadline_ns", "started_ns", "reading_ns", "read_done_ns", "written_ns")
    nothing = np.zeros(0, np.int64)
    fields = {
        name: columns.get(name, nothing).astype(np.int64)
        for name in (*names, "answers_ns", "num_missed")
    }
    return Ticks(**fields, compute_s=np.zeros(0) if compute_s is None else compute_s)


def goals_of_ticks(columns: Columns, *, is_lock_step: bool) -> Goals:
    """What was written to the servos.

    In lock-step a command acts from the measurement that it answers on, and counts as written only
    once its period is over.
    """
    if "written_ns" not in columns:
        return Goals(np.zeros(0, np.int64), np.zeros((0, 0)))
    stamps = columns["reading_ns" if is_lock_step else "written_ns"].astype(np.int64)
    applied = columns["applied_rad"]
    is_written = (columns["written_ns"] > 0) & (stamps > 0) & np.isfinite(applied).all(axis=1)
    return Goals(stamps[is_written], applied[is_written])


def motion_of(
    key: PairKey, hand: Columns, goals: Goals, first_rad: Float | None = None
) -> Motion | None:
    """From `hand_reading`; None where there are not two readings and a goal to start with.

    `first_rad` (J,) are the goals that were held before; None: those that the first reading names.
    """
    if "reading_ns" not in hand:
        return None
    stamps, rows = np.unique(hand["reading_ns"].astype(np.int64), return_index=True)
    if first_rad is None and hand["applied_rad"].shape[1]:
        first_rad = hand["applied_rad"][rows[0]]
    if len(stamps) < 2 or first_rad is None or not np.isfinite(first_rad).all():
        return None
    # What was given earlier than this has long since had its effect.
    since = np.searchsorted(goals.stamp_ns, stamps[0] - BEFORE_NS)
    until = np.searchsorted(goals.stamp_ns, stamps[-1], side="right")
    goal_ns = np.append(stamps[0] - BEFORE_NS, goals.stamp_ns[since:until])
    given = goals.goal_rad[since:until].reshape(-1, len(first_rad))
    return Motion(
        key=key,
        time_s=(stamps - stamps[0]) * 1e-9,
        position_rad=hand["position_rad"][rows],
        velocity_rad_s=hand["velocity_rad_s"][rows],
        object_position_rad=hand["object_position_rad"][rows],
        object_velocity_rad_s=hand["object_velocity_rad_s"][rows],
        goal_time_s=(goal_ns - stamps[0]) * 1e-9,
        goal_rad=np.concatenate([first_rad[None], given]),
    )


def stretches(hand: Columns) -> Iterator[Columns]:
    """`hand_reading` cut where the hand did not follow, and where nothing was read for long."""
    follows = hand["is_following"].astype(bool)
    stamps = hand["reading_ns"].astype(np.int64)
    pause = np.diff(stamps, prepend=stamps[:1])
    is_cut = (pause > MAX_PAUSE_S * 1e9) | (pause < 0) | (follows != np.roll(follows, 1))
    for rows in np.split(np.arange(len(stamps)), np.flatnonzero(is_cut)):
        if len(rows) and follows[rows[0]]:
            yield {name: column[rows] for name, column in hand.items()}
