"""The claw as it was measured: what the page plays, and the angle of the valve over time.

Positions come from recorded readings through the robot's kinematics. Nothing is simulated, so it
is the same picture for a simulated, an emulated and a real hand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from sim2real.contract.robot_spec import RobotSpec
from sim2real.report.episode_trace import EpisodeTrace
from sim2real.report.figure import Cell, Figure, Panel, Table
from sim2real.report.svg import Plot, linear_axis

Floats = NDArray[np.float64]
MAX_TASKS = 24
"""so many are kept in the page"""

_NO_HAND: Mapping[str, Any] = {
    "points_per_finger": 0,
    "valve_centre_mm": [0.0, 0.0, 0.0],
    "valve_bars_mm": [],
}


def _fixed(trace: EpisodeTrace) -> Floats:
    return trace.goal[:, 0]


def _advancing(trace: EpisodeTrace) -> Floats:
    return np.asarray(trace.object_position_rad[0] + trace.goal[:, 0] * trace.elapsed_s)


WANTED_VALVE_RAD: Mapping[str, Callable[[EpisodeTrace], Floats]] = {
    "valve_turn": _fixed,
    "valve_screw": _advancing,
}
"""where a skill wants the valve, (T,) rad; the others want nothing of it"""


def animation_data(
    trials: Mapping[str, list[EpisodeTrace]], spec: RobotSpec
) -> tuple[dict[str, Any], str]:
    """What the page's player reads, and why there are no fingers in it where there are none."""
    try:
        # MuJoCo is no part of what a robot's computer needs.
        from sim2real.report.kinematics import HandKinematics
    except ModuleNotFoundError as error:
        missing = f"{error.name} is not installed here, so only the angle of the valve is shown"
        return _data(trials, None, _NO_HAND), missing
    hand = HandKinematics(spec)
    bars = [
        [*_millimetres(bar.start_m), *_millimetres(bar.end_m), round(bar.radius_m * 1e3, 1)]
        for bar in hand.valve_bars()
    ]
    geometry = {
        "points_per_finger": hand.points_per_finger,
        "valve_centre_mm": _millimetres(hand.valve_centre_m),
        "valve_bars_mm": bars,
    }
    return _data(trials, hand.fingers_m, geometry), ""


def _data(
    trials: Mapping[str, Sequence[EpisodeTrace]],
    fingers: Callable[[Floats], Floats] | None,
    geometry: Mapping[str, Any],
) -> dict[str, Any]:
    return {**geometry, "tasks": [_task(name, trial, fingers) for name, trial in trials.items()]}


def _task(
    name: str, trial: Sequence[EpisodeTrace], fingers: Callable[[Floats], Floats] | None
) -> dict[str, Any]:
    return {"task": name, "episodes": [_episode(trace, fingers) for trace in trial]}


def _episode(trace: EpisodeTrace, fingers: Callable[[Floats], Floats] | None) -> dict[str, Any]:
    episode: dict[str, Any] = {
        "episode": trace.episode,
        "elapsed_s": trace.elapsed_s.round(4).tolist(),
        "valve_rad": trace.object_position_rad.round(4).tolist(),
        "is_success": trace.is_success.astype(int).tolist(),
    }
    if trace.skill in WANTED_VALVE_RAD:
        episode["wanted_rad"] = WANTED_VALVE_RAD[trace.skill](trace).round(4).tolist()
    if fingers is not None:
        episode["fingers_mm"] = _flat_mm(fingers(trace.position_rad))
        if trace.skill == "pose":
            episode["wanted_fingers_mm"] = _flat_mm(fingers(trace.goal))
    return episode


def motion_figure(trials: Mapping[str, list[EpisodeTrace]]) -> Figure:
    """What was wanted and measured in the first and the last episode; one panel per task."""
    skill = next(iter(trials.values()))[0].skill
    what = "Mean joint error" if skill == "pose" else "Angle of the valve"
    legend = [("accent", "adapted"), ("wanted", "wanted")]
    if any(len(trial) > 1 for trial in trials.values()):
        legend.insert(0, ("first", "first episode"))
    return Figure(
        name="motion",
        panels=tuple(
            Panel(title=f"{what}, rad: {task}", svg=_curves(f"{what}, {task}", trial))
            for task, trial in trials.items()
        ),
        caption="",
        table=_motion_table(trials),
        legend=tuple(legend if skill in WANTED_VALVE_RAD else legend[:-1]),
    )


def _motion_table(trials: Mapping[str, list[EpisodeTrace]]) -> Table:
    rows: list[Sequence[Cell]] = []
    for task, trial in trials.items():
        for trace in trial:
            wanted = _wanted(trace)
            for step, elapsed in enumerate(trace.elapsed_s):
                goal = "" if wanted is None else _rounded(wanted[step])
                valve = _rounded(trace.object_position_rad[step])
                joints = map(_rounded, trace.position_rad[step])
                rows.append((task, trace.episode, _rounded(elapsed), valve, goal, *joints))
    num_joints = next(iter(trials.values()))[0].position_rad.shape[1]
    joint_columns = tuple(f"joint_{index}_rad" for index in range(num_joints))
    first = ("task", "episode", "elapsed_s", "valve_rad", "wanted_valve_rad")
    return Table(columns=first + joint_columns, rows=rows)


def _rounded(value: float) -> float:
    """Finer than an encoder's step."""
    return round(float(value), 5)


def _curves(title: str, trial: Sequence[EpisodeTrace]) -> Markup:
    shown = [trial[0], trial[-1]] if len(trial) > 1 else [trial[0]]
    kinds = ("first", "accent") if len(shown) > 1 else ("accent",)
    measured = [_measured(trace) for trace in shown]
    wanted = _wanted(shown[-1])
    values = [*np.concatenate(measured), *(wanted if wanted is not None else [0.0])]
    duration_s = max(float(trace.elapsed_s[-1]) for trace in shown)
    plot = Plot(
        linear_axis("seconds", [0.0, duration_s], margin=0.0),
        linear_axis("rad", values),
        width=900,
        height=210,
        right=24,
    )
    if wanted is not None:
        plot.line(shown[-1].elapsed_s, wanted, "wanted", "wanted")
    for trace, kind, line in zip(shown, kinds, measured, strict=True):
        plot.line(trace.elapsed_s, line, kind, f"episode {trace.episode}")
    plot.upright(0.0, "cursor")
    ends = ", ".join(
        f"episode {trace.episode} ends at {line[-1]:.2f} rad"
        for trace, line in zip(shown, measured, strict=True)
    )
    goal = "" if wanted is None else f"; wanted {wanted[-1]:.2f} rad"
    return plot.svg(title, f"{ends}{goal}")


def _wanted(trace: EpisodeTrace) -> Floats | None:
    return WANTED_VALVE_RAD[trace.skill](trace) if trace.skill in WANTED_VALVE_RAD else None


def _measured(trace: EpisodeTrace) -> Floats:
    if trace.skill == "pose":
        return np.asarray(np.abs(trace.goal - trace.position_rad).mean(axis=1))
    return trace.object_position_rad


def _flat_mm(points_m: Floats) -> list[list[int]]:
    """(T, F, P, 3) metres as one list of whole millimetres per reading."""
    millimetres = (points_m * 1e3).round().astype(int)
    return [[int(value) for value in row.reshape(-1)] for row in millimetres]


def _millimetres(point_m: Sequence[float]) -> list[float]:
    return [round(value * 1e3, 1) for value in point_m]
