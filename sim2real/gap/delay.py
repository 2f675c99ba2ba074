"""The lag of measured positions behind applied goals, by cross-correlation, per joint.

Changes of goals are correlated with changes of positions from period to period; the lag is where
the correlation over all pieces is largest, between periods on the parabola through the three
largest.
It holds everything between goal and motion: transport, delay and the response of the servo.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim2real.gap.motion import Float, Motion

PIECE_S = 1.5
"""motions are cut into pieces of about this length, which are what the bootstrap draws from"""
SUBDIVISION = 10
"""points at which positions are taken within a period, for their mean"""
MAX_LAG_S = 0.5
"""no servo of this kind answers later"""


class Lag(NamedTuple):
    """A lag with its 95 % interval over pieces of motion."""

    lag_s: float
    low_s: float
    high_s: float
    correlation: float
    """at the lag: near 1 where positions repeat the goals, low where something else moves them"""


def joint_lags(
    motions: Sequence[Motion], period_s: float, *, num_resamples: int = 1000, seed: int = 0
) -> list[Lag | None]:
    """One lag per joint, in periods of `period_s`; None for a joint that was given no motion.

    What happens between two readings is taken to be a straight line: lags well below the time
    between readings are not resolved.
    """
    pieces = [piece for motion in motions for piece in motion.windows(PIECE_S)]
    num_lags = round(MAX_LAG_S / period_s) + 1
    pieces = [piece for piece in pieces if piece.duration_s > (num_lags + 2) * period_s]
    if not pieces:
        return []
    changes = [_changes(piece, period_s) for piece in pieces]
    rng = np.random.default_rng(seed)
    lags: list[Lag | None] = []
    for joint in range(pieces[0].position_rad.shape[1]):
        moved = [(g[:, joint], p[:, joint]) for g, p in changes if g[:, joint].any()]
        sums = np.array([_sums(goal, position, num_lags) for goal, position in moved])
        draws = rng.integers(max(len(moved), 1), size=(num_resamples, len(moved)))
        lags.append(_lag(sums, draws, period_s) if moved else None)
    return lags


def peak(correlation: Float) -> Float:
    """(...,) where (..., L) correlations are largest, in samples, between them by a parabola."""
    length = correlation.shape[-1]
    top = np.clip(np.argmax(correlation, axis=-1), 1, length - 2)[..., None]
    left, middle, right = (
        np.take_along_axis(correlation, top + step, axis=-1)[..., 0] for step in (-1, 0, 1)
    )
    bend = left - 2.0 * middle + right
    shift = np.where(bend < 0.0, 0.5 * (left - right) / np.where(bend < 0.0, bend, 1.0), 0.0)
    return np.asarray(top[..., 0] + np.clip(shift, -1.0, 1.0))


def _changes(piece: Motion, period_s: float) -> tuple[Float, Float]:
    """(N, J) changes of goals and of positions from one period to the next.

    Both are means over periods: sampled at instants, goals that come right after a sample would
    seem to be a whole period later than those that come right before it.
    """
    count = int(piece.duration_s / period_s + 1e-9)
    fine = (np.arange(count * SUBDIVISION) + 0.5) * (period_s / SUBDIVISION)
    position = piece.positions_at(fine).reshape(count, SUBDIVISION, -1).mean(axis=1)
    goal = piece.mean_goals(count, period_s)
    return np.diff(goal, axis=0), np.diff(position, axis=0)


def _sums(goal: Float, position: Float, num_lags: int) -> Float:
    """(3, L) of one piece: products, goals' and positions' squares, over what overlaps."""
    count = len(goal)
    sums = np.zeros((3, num_lags))
    for lag in range(num_lags):
        early, late = goal[: count - lag], position[lag:]
        sums[:, lag] = early @ late, early @ early, late @ late
    return sums


def _correlation(sums: Float) -> Float:
    """(..., L) from (..., 3, L) sums; zero where nothing moved."""
    products, goals, positions = np.moveaxis(sums, -2, 0)
    energy = np.sqrt(goals * positions)
    return np.asarray(products / np.where(energy > 0.0, energy, 1.0))


def _lag(sums: Float, draws: NDArray[np.int64], period_s: float) -> Lag | None:
    """From (P, 3, L) sums of the pieces of one joint."""
    correlation = _correlation(sums.sum(axis=0))
    if correlation.max() <= 0.0:
        return None
    lag = float(peak(correlation)) * period_s
    redrawn = peak(_correlation(sums[draws].sum(axis=1))) * period_s
    low, high = np.percentile(redrawn, [2.5, 97.5])
    return Lag(lag, float(low), float(high), float(correlation.max()))
