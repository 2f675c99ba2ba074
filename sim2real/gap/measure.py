"""The whole gap between two sides as one document: what `gap.json` holds.

Differences are B minus A. Every section stands for itself: what the recordings do not show is left
out, with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import mujoco
import numpy as np

from sim2real.contract.errors import BadInput
from sim2real.contract.robot_spec import RobotSpec
from sim2real.gap.beliefs import belief_agreement
from sim2real.gap.closed_loop import closed_loop
from sim2real.gap.delay import Lag, joint_lags
from sim2real.gap.latency import STAGES, Ticks, compare_latency
from sim2real.gap.motion import Motion
from sim2real.gap.replay import Replayed, replay
from sim2real.gap.replay_error import (
    ReplayError,
    replay_difference,
    replay_errors,
    replay_summary,
    squared_errors,
)
from sim2real.gap.side import Side
from sim2real.gap.step_response import METRICS, Response, joint_responses
from sim2real.recording.losses import joint_notes

SCHEMA_VERSION = 1
MAX_REPLAYS = 120
"""motions per side and kind; more are thinned out evenly"""

ModelOf = Callable[[Side, str], mujoco.MjModel]
"""the compiled model to replay a side's motions on a task in"""
Document = dict[str, Any]


class _NotShown(Exception):
    """The recordings do not show this; the text says why."""


def measure_gap(
    a: Side,
    b: Side,
    spec: RobotSpec,
    model_of: ModelOf,
    *,
    dynamics: str,
    seed: int = 0,
) -> Document:
    """All sections but the identification; `dynamics` says in a few words what replays ran in.

    Raises `BadInput` where the sides are not of the same robot.
    """
    _require_same_robot(a, b, spec)
    left_out: dict[str, str] = {}

    def section(name: str, make: Callable[[], Any]) -> Any:
        try:
            return make()
        except _NotShown as reason:
            left_out[name] = str(reason)
            return None

    document: Document = {
        "schema_version": SCHEMA_VERSION,
        "a": _described(a),
        "b": _described(b),
        "closed_loop": section("closed_loop", lambda: _closed_loop(a, b)),
        "replay": section("replay", lambda: _replays(a, b, spec, model_of, dynamics)),
        "steps": section("steps", lambda: _steps(a, b, spec)),
        "delay": section("delay", lambda: _delay(a, b, spec, seed)),
        "beliefs": section("beliefs", lambda: _beliefs(a, b, seed)),
        "latency": {**compare_latency(*map(_timed, (a, b))), "meaning": STAGES},
        "identification": None,
        "left_out": left_out,
        "notes": _notes(a, b),
        "method": {"seed": seed, "intervals": "95 %", "difference": "B minus A"},
    }
    return {**document, "headline": headline(document)}


def headline(document: Document) -> Document:
    """The one comparison that counts most of those that the recordings allow."""
    loop = document["closed_loop"]
    if loop is not None and "adapted" in loop["conditions"]:
        row = loop["conditions"]["adapted"]
        named = {"num_tasks": row["num_tasks"], "condition": "adapted"}
        return {**named, "metrics": {name: row[name] for name in ("success", "return")}}
    for kind, section in (document["replay"] or {}).items():
        if section["difference"] is not None:
            found = {name: section["difference"][name] for name in _RMSE}
            return {"num_tasks": None, "condition": kind, "metrics": found}
    return {"num_tasks": None, "condition": "", "metrics": {}}


_RMSE = ("joint_rmse_rad", "object_rmse_rad")


def _require_same_robot(a: Side, b: Side, spec: RobotSpec) -> None:
    for side in (a, b):
        if side.robot_fingerprint != spec.fingerprint:
            raise BadInput(
                str(side.path),
                "robot.yaml",
                found=side.robot_fingerprint[:12],
                expected=f"{spec.fingerprint[:12]}, the robot.yaml that replays would run on",
                remedy="compare recordings of one robot, with the checkout that they were made by",
            )


def _described(side: Side) -> Document:
    return {
        "path": str(side.path),
        "robot": side.robot,
        "label": side.label,
        "bundle": side.bundle,
        "recordings": list(side.recordings),
        "num_episodes": len(side.outcomes),
        "num_incomplete": side.num_incomplete,
        "num_scripts": len(side.excited),
        "is_lock_step": side.is_lock_step,
        "losses": {name: one.as_dict() for name, one in side.losses.items()},
        "tasks": {
            name: {k: list(v) for k, v in value.items()} for name, value in side.tasks.items()
        },
    }


def _timed(side: Side) -> Ticks:
    return side.ticks.without_clock() if side.is_lock_step else side.ticks


def _notes(a: Side, b: Side) -> list[str]:
    """What a reader has to know before believing the rest."""
    notes = []
    if a.bundle != b.bundle and a.bundle and b.bundle:
        notes.append(f"the policies differ: {a.bundle} on A, {b.bundle} on B")
    for name, side in (("A", a), ("B", b)):
        if side.is_lock_step:
            notes.append(
                f"{name} ran in lock-step: its times are simulated, and left out but for compute"
            )
        if side.robot == "emulated":
            notes.append(f"{name} is an emulated bus: none of its numbers is of hardware")
        if side.num_incomplete:
            notes.append(f"{side.num_incomplete} episodes of {name} were not completed")
        notes += [f"{name}: {note}" for note in joint_notes(side.losses)]
        if side.coverage:
            notes.append(f"{name}: {side.coverage}")
    return notes


def _closed_loop(a: Side, b: Side) -> Document:
    if not a.outcomes.keys() & b.outcomes.keys():
        raise _NotShown("no episode of the same task, condition, trial, number and seed on both")
    return closed_loop(a.outcomes, b.outcomes)


# ---- replays -----------------------------------------------------------------------------------


def _replays(a: Side, b: Side, spec: RobotSpec, model_of: ModelOf, dynamics: str) -> Document:
    """By kind of motion, a policy's and a script's: errors of both sides and their difference."""
    document: Document = {}
    for kind in ("policy", "script"):
        motions = _chosen(*(side.acted if kind == "policy" else side.excited for side in (a, b)))
        sides = [
            replay_errors(chosen, replay_side(side, chosen, spec, model_of))
            for side, chosen in zip((a, b), motions)
        ]
        if not any(sides):
            continue
        shown = [
            {**replay_summary(errors, spec.joint_names), "num_unstable": len(chosen) - len(errors)}
            if errors
            else None
            for errors, chosen in zip(sides, motions)
        ]
        document[kind] = {
            "dynamics": dynamics,
            "a": shown[0],
            "b": shown[1],
            "difference": replay_difference(*sides),
            "excess": _excess(spec, *sides) if all(sides) else None,
        }
    if not document:
        raise _NotShown("no motion could be simulated to its end")
    return document


def _chosen(a: Sequence[Motion], b: Sequence[Motion]) -> list[list[Motion]]:
    """The motions to replay: those that both sides have, if there are any; evenly thinned out."""
    shared = {motion.key for motion in a} & {motion.key for motion in b}
    chosen = []
    for side in (a, b):
        ordered = sorted(side, key=lambda motion: motion.key)
        paired = [motion for motion in ordered if motion.key in shared] or ordered
        count = min(len(paired), MAX_REPLAYS)
        chosen.append(
            [paired[index] for index in np.linspace(0, len(paired) - 1, count).astype(int)]
        )
    return chosen


def replay_side(
    side: Side, motions: Sequence[Motion], spec: RobotSpec, model_of: ModelOf
) -> list[Replayed]:
    """Every motion in the model of its task."""
    models = {motion.key.task: model_of(side, motion.key.task) for motion in motions}
    return replay(motions, [models[motion.key.task] for motion in motions], spec)


def _excess(spec: RobotSpec, a: Sequence[ReplayError], b: Sequence[ReplayError]) -> list[Document]:
    """Where B is further from its replay than A: each joint's share of all that the joints add.

    Shares of squared errors; a joint that is nearer on B has none. Largest first.
    """
    more = np.maximum((squared_errors(b) - squared_errors(a))[:-1], 0.0)
    total = float(more.sum())
    rows = [
        {"joint": name, "share": float(value / total) if total > 0.0 else 0.0}
        for name, value in zip(spec.joint_names, more)
    ]
    return sorted(rows, key=lambda row: -float(row["share"]))


# ---- responses ---------------------------------------------------------------------------------


def _steps(a: Side, b: Side, spec: RobotSpec) -> list[Document]:
    """Step responses by joint."""
    sides = [joint_responses(side.motions) for side in (a, b)]
    if not any(map(any, sides)):
        raise _NotShown("no goal jumped and held; `taskbelief excite` does")
    rows: list[Document] = []
    for index, joint in enumerate(spec.joint_names):
        row: Document = {"joint": joint}
        for metric in METRICS:
            means = [_mean(side[index], metric) for side in sides]
            row[metric] = {
                "a": means[0],
                "b": means[1],
                "difference": _minus(means[1], means[0]),
            }
        row["num_steps"] = {name: len(side[index]) for name, side in zip("ab", sides)}
        rows.append(row)
    return rows


def _minus(b: float | None, a: float | None) -> float | None:
    return None if a is None or b is None else b - a


def _mean(responses: Sequence[Response], metric: str) -> float | None:
    values = [getattr(response, metric) for response in responses]
    return float(np.mean(values)) if values else None


def _delay(a: Side, b: Side, spec: RobotSpec, seed: int) -> Document:
    """Lags of both sides on one grid: that of the side that was read less often."""
    motions = [side.excited if a.excited and b.excited else side.acted for side in (a, b)]
    if not all(motions):
        raise _NotShown("the sides moved in different ways")
    period_s = max(float(np.median([m.period_s for m in side])) for side in motions)
    lags = [joint_lags(side, period_s, seed=seed) for side in motions]
    if not all(lags):
        raise _NotShown("motions are too short")
    rows = []
    for joint, one, other in zip(spec.joint_names, *lags):
        difference = _minus(other and other.lag_s, one and one.lag_s)
        rows.append({"joint": joint, "a": _lag(one), "b": _lag(other), "difference_s": difference})
    return {"resolution_s": period_s, "per_joint": rows}


def _lag(lag: Lag | None) -> Document | None:
    return None if lag is None else lag._asdict()


def _beliefs(a: Side, b: Side, seed: int) -> Document:
    if a.bundle != b.bundle:
        raise _NotShown("latents of different policies mean different things")
    found = belief_agreement(a.beliefs, b.beliefs, seed=seed)
    if found is None:
        raise _NotShown("no two tasks with beliefs on both sides")
    return found
