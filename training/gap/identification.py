"""The identification section of a gap: dynamics of B, task by task, and what each explains."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import mujoco
import numpy as np

from sim2real.contract.robot_spec import RobotSpec
from sim2real.gap.motion import Motion
from sim2real.gap.replay import replay
from sim2real.gap.replay_error import replay_errors, squared_errors
from sim2real.gap.side import Side
from training.families.ranges import SCHEMA_VERSION, Range, Ranges
from training.gap.identify import Fit, FitOptions, identify
from training.gap.unknowns import HAND, OBJECT, with_dynamics
from training.worlds.dynamics import VARIATIONS, Variation, variations_for

MIN_OBJECT_WAY_RAD = 0.1
"""an object that moved less shows nothing of its dynamics"""
Parameters = Mapping[str, tuple[float, ...]]


def identification(
    side: Side,
    num_tasks: int,
    spec: RobotSpec,
    base: mujoco.MjModel,
    assumed: Callable[[str], Parameters],
    *,
    options: FitOptions,
    tell: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Fits of the first tasks with enough motion, and how much of the error each unknown explains.

    `assumed` are the dynamics that replays ran in: what is identified is compared with them.
    """
    variations = variations_for(spec)
    fits: dict[str, Fit] = {}
    shares: list[Mapping[str, float]] = []
    left_out: dict[str, str] = {}
    for task in _tasks(side)[:num_tasks]:
        tell(task)
        motions = [motion for motion in side.motions if motion.key.task == task]
        try:
            fits[task] = identify(motions, names_for(motions), spec, base, options)
        except ValueError as error:
            left_out[task] = str(error)
            continue
        shares.append(_explained(motions, assumed(task), fits[task], spec, base))
    return {
        "side": "b",
        "options": asdict(options),
        "tasks": {
            task: {
                "num_windows": fit.num_windows,
                "rmse_before_rad": fit.rmse_before_rad,
                "rmse_after_rad": fit.rmse_after_rad,
                "parameters": _rows(fit, assumed(task), variations),
            }
            for task, fit in fits.items()
        },
        "left_out": left_out,
        "contributors": _contributors(shares),
        "ranges": {name: asdict(value) for name, value in hull(fits.values(), variations).items()},
    }


def names_for(motions: Sequence[Motion]) -> tuple[str, ...]:
    """Unknowns that these motions can show something of."""
    moved = max(float(np.ptp(motion.object_position_rad)) for motion in motions)
    return HAND if moved < MIN_OBJECT_WAY_RAD else (*HAND, *OBJECT)


def hull(
    fits: Sequence[Fit] | Any, variations: Mapping[str, Variation] = VARIATIONS
) -> dict[str, Range]:
    """By variation, the range that holds the intervals of all fits; whole numbers where drawn so.

    What no recording bounds to less than its family's range is left out: it was not identified.
    """
    ranges: dict[str, Range] = {}
    fits = list(fits)
    for name in dict.fromkeys(name for fit in fits for name in fit.parameters):
        found = [fit.parameters[name] for fit in fits if name in fit.parameters]
        low = np.min([one.low for one in found], axis=0)
        high = np.max([one.high for one in found], axis=0)
        estimate = np.mean([one.estimate for one in found], axis=0)
        variation = variations[name]
        if (high - low > np.array(variation.high) - np.array(variation.low)).any():
            continue
        if variation.draw == "whole":
            low, high = np.floor(low), np.ceil(high)
        ranges[name] = Range(
            low=tuple(low.tolist()),
            high=tuple(high.tolist()),
            estimate=tuple(estimate.tolist()),
            unit=variation.unit,
        )
    return ranges


def ranges_file(section: Mapping[str, Any], side: Side) -> Ranges:
    """What `ranges.yaml` holds."""
    recorded = ", ".join(side.recordings[:5]) + (", ..." if len(side.recordings) > 5 else "")
    tasks = ", ".join(section["tasks"])
    return Ranges(
        schema_version=SCHEMA_VERSION,
        robot_fingerprint=side.robot_fingerprint,
        source=f"{side.label}, tasks {tasks}, from {recorded}",
        variations={name: Range(**value) for name, value in section["ranges"].items()},
    )


def _tasks(side: Side) -> list[str]:
    """Those with a script first: it shows most of the hand."""
    excited = [motion.key.task for motion in side.excited]
    return list(dict.fromkeys([*excited, *(motion.key.task for motion in side.motions)]))


def _rows(
    fit: Fit, assumed: Parameters, variations: Mapping[str, Variation]
) -> list[dict[str, Any]]:
    """One row per number that was identified."""
    rows = []
    for name, found in fit.parameters.items():
        variation = variations[name]
        for index, estimate in enumerate(found.estimate):
            taken = assumed.get(name, variation.nominal)[index]
            low, high = found.low[index], found.high[index]
            rows.append(
                {
                    "parameter": name if len(found.estimate) == 1 else f"{name}[{index}]",
                    "unit": variation.unit,
                    "estimate": estimate,
                    "low": low,
                    "high": high,
                    "assumed": taken,
                    "is_assumed_inside": low <= taken <= high,
                    "family_low": variation.low[index],
                    "family_high": variation.high[index],
                    "is_in_family": variation.low[index] <= estimate <= variation.high[index],
                }
            )
    return rows


def _explained(
    motions: Sequence[Motion], assumed: Parameters, fit: Fit, spec: RobotSpec, base: mujoco.MjModel
) -> dict[str, float]:
    """By unknown: how much of the squared replay error of the joints goes away when it alone takes
    the identified value; `all`: when they all do. Below zero: it grows."""
    found = {name: one.estimate for name, one in fit.parameters.items()}
    tries = {"": {}, **{name: {name: found[name]} for name in found}, "all": found}
    errors = {}
    for name, changed in tries.items():
        model = with_dynamics(base, {**assumed, **changed})
        replayed = replay(motions, [model] * len(motions), spec)
        stable = replay_errors(motions, replayed)
        errors[name] = float(squared_errors(stable)[:-1].sum()) if stable else math.nan
    whole = errors.pop("")
    return {name: 1.0 - value / whole for name, value in errors.items()}


def _contributors(shares: Sequence[Mapping[str, float]]) -> list[dict[str, Any]]:
    """Means over tasks, largest first."""
    names = dict.fromkeys(name for one in shares for name in one)
    rows = [
        {"parameter": name, "share": float(np.mean([one[name] for one in shares if name in one]))}
        for name in names
    ]
    return sorted(rows, key=lambda row: -float(row["share"]))
