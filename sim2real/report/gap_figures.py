"""Pictures of the gap: returns, replays, beliefs and latencies of both sides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from sim2real.report.figure import Figure, Panel, Table
from sim2real.report.svg import Plot, duration_axis, linear_axis, percent_axis

Labels = tuple[str, str]
Tables = Mapping[str, Table]
_KINDS = ("second", "accent")
"""A is what it is compared with, B what was measured"""
_MOTIONS = {"policy": "the policy’s motions", "script": "scripted motions"}
_STAGES = {
    "age": "Age of a measurement when its command is on the bus",
    "period": "From the start of a tick to the next",
}
_DYNAMICS = {
    "recorded": "the tasks’ own dynamics, as the recordings state them",
    "nominal": "the dynamics of the robot’s model file",
}
_SMALLEST_S = 1e-6


def _legend(labels: Labels) -> tuple[tuple[str, str], ...]:
    return tuple(zip(_KINDS, labels, strict=True))


def returns_figure(gap: Mapping[str, Any], labels: Labels, tables: Tables) -> Figure | None:
    """Whether tasks that go well on A go well on B."""
    loop = gap["closed_loop"]
    if loop is None or loop["correlation"] is None:
        return None
    found = loop["correlation"]
    values = [row[side] for row in found["per_task"] for side in "ab"]
    plot = Plot(linear_axis(f"return, {labels[0]}", values), linear_axis("", values))
    ends = [min(values), max(values)]
    plot.line(ends, ends, "wanted", "equal")
    for row in found["per_task"]:
        title = f"{row['task']}: {row['a']:.2f} and {row['b']:.2f}"
        plot.point(row["a"], row["b"], "accent", title)
    rank = "–" if found["spearman"] is None else f"{found['spearman']:.2f}"
    title = f"Adapted return of each task, {labels[1]} against {labels[0]}"
    return Figure(
        name="gap-returns",
        panels=(Panel(title=title, svg=plot.svg(title, f"Spearman’s rank correlation {rank}")),),
        caption=f"On the dashed line both are equal. Spearman’s rank correlation is {rank}.",
        table=tables["gap-returns"],
    )


def replay_figure(gap: Mapping[str, Any], labels: Labels, tables: Tables) -> Figure | None:
    """How far open-loop replays in simulation move away from what was measured."""
    if not gap["replay"]:
        return None
    panels = []
    for kind, section in gap["replay"].items():
        for field, what in (("joints_rad", "joints"), ("object_rad", "valve")):
            panels.append(_growth(section, kind, field, what))
    dynamics = next(iter(gap["replay"].values()))["dynamics"]
    return Figure(
        name="gap-replay-growth",
        panels=tuple(panels),
        caption=(
            "The goals that each robot was given, played in simulation from its first reading: "
            "RMS distance from what was measured, by time. "
            f"Simulated with {_DYNAMICS.get(dynamics, dynamics)}."
        ),
        table=tables["gap-replay-growth"],
        legend=_legend(labels),
    )


def _growth(section: Mapping[str, Any], kind: str, field: str, what: str) -> Panel:
    sides = {side: section[side]["growth"] for side in "ab" if section[side] is not None}
    rows = [row for growth in sides.values() for row in growth]
    plot = Plot(
        linear_axis("seconds", [0.0, *(row["time_s"] for row in rows)], margin=0.0),
        linear_axis("mrad", [0.0, *(row[field] for row in rows)], scale=1e3),
    )
    for side, growth in sides.items():
        values = [row[field] for row in growth]
        plot.line([row["time_s"] for row in growth], values, _KINDS["ab".index(side)])
    title = f"Replay error of the {what}, mrad; {_MOTIONS.get(kind, kind)}"
    ends = ", ".join(
        f"{side}: {growth[-1][field] * 1e3:.3g} mrad" for side, growth in sides.items()
    )
    return Panel(title=title, svg=plot.svg(title, f"At the end {ends}"))


def belief_agreement_figure(
    gap: Mapping[str, Any], labels: Labels, tables: Tables
) -> Figure | None:
    """Whether both come to believe the same about a task, and different things about others."""
    beliefs = gap["beliefs"]
    if beliefs is None or not beliefs.get("trajectory"):
        return None
    rows = beliefs["trajectory"]
    xs = [row["num_transitions"] for row in rows]
    curves = {"accent": "same_task", "each-task strong": "different_tasks"}
    values = [row[name] for row in rows for name in curves.values()]
    plot = Plot(
        linear_axis("transitions", xs, margin=0.01), linear_axis("distance", [0.0, *values])
    )
    for kind, name in curves.items():
        plot.line(xs, [row[name] for row in rows], kind)
    title = "Distance between the beliefs of both (Wasserstein-2)"
    last = f"{rows[-1]['same_task']:.2f} for the same task, {rows[-1]['different_tasks']:.2f} else"
    return Figure(
        name="gap-belief-trajectory",
        panels=(Panel(title=title, svg=plot.svg(title, f"At the end {last}")),),
        caption=f"Beliefs formed by the {labels[0]} and by the {labels[1]}, mean over tasks.",
        table=tables["gap-belief-trajectory"],
        legend=(("accent", "about the same task"), ("each-task strong", "about different tasks")),
    )


def gap_latency_figure(gap: Mapping[str, Any], labels: Labels, tables: Tables) -> Figure | None:
    """Distribution functions; of sides in real time only."""
    sides = [side for side in "ab" if not gap[side]["is_lock_step"]]
    stages = gap["latency"]["stages"]
    panels = [
        _distribution(title, {side: stages[stage][side] for side in sides})
        for stage, title in _STAGES.items()
        if stage in stages and any(stages[stage][side] for side in sides)
    ]
    if not panels:
        return None
    legend = _legend(labels)
    return Figure(
        name="gap-latency-distribution",
        panels=tuple(panels),
        caption="Share of ticks that took no longer; the time axis is logarithmic.",
        table=tables["gap-latency-distribution"],
        legend=tuple(legend["ab".index(side)] for side in sides),
    )


def _distribution(title: str, sides: Mapping[str, Mapping[str, Any] | None]) -> Panel:
    curves = {
        side: [max(value, _SMALLEST_S) for value in found["curve_s"]]
        for side, found in sides.items()
        if found is not None
    }
    low, high = min(map(min, curves.values())), max(map(max, curves.values()))
    plot = Plot(
        duration_axis("duration, logarithmic", low * 0.95, high * 1.05), percent_axis("share")
    )
    for side, curve in curves.items():
        shares = [index / (len(curve) - 1) for index in range(len(curve))]
        plot.line(curve, shares, _KINDS["ab".index(side)])
    middles = ", ".join(f"{side}: {c[len(c) // 2] * 1e3:.3g} ms" for side, c in curves.items())
    svg: Markup = plot.svg(title, f"Medians {middles}")
    return Panel(title=title, svg=svg)
