"""The adaptation curve: success and return by episode, beside what the belief is worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from sim2real.report.figure import Cell, Figure, Panel, Table
from sim2real.report.shown import decimal, percent, words
from sim2real.report.svg import Axis, Plot, linear_axis, percent_axis, whole_axis

REFERENCES: Mapping[str, str] = {
    "oracle": "knows the task",
    "robust": "trained not to adapt",
    "frozen_prior": "learns nothing",
    "wrong_task": "believes another task",
}
"""conditions that are compared with, and what each means"""
_RIGHT = 104
"""room for the names of the references"""
_SHIFT = 0.08
"""episodes by which a second evaluation stands beside the first"""
_FORMS = {"success": percent, "return": decimal}
_TITLES = {"success": "Success at the end of an episode", "return": "Return of an episode"}


def adaptation_figure(
    results: Mapping[str, Any], compared: Mapping[str, Any] | None = None, *, names: Sequence[str]
) -> Figure:
    """`names` label the two evaluations, ours and the one that it is compared with."""
    series = [results, *([compared] if compared else [])]
    panels = [
        Panel(title=_TITLES[metric], svg=_panel(metric, series, names))
        for metric in ("success", "return")
    ]
    legend = [("accent", f"{names[0]}, mean and 95 % interval")]
    if compared:
        legend.append(("second", f"{names[1]}, mean and 95 % interval"))
    legend.append(("each-task", "one task each"))
    return Figure(
        name="adaptation",
        panels=tuple(panels),
        caption=(
            "Episodes of a trial follow one another on one task; nothing is forgotten in between. "
            "Dashed: the last episode under other beliefs, from the same starts. Intervals are "
            "over tasks: Wilson for success, bootstrap for return."
        ),
        table=Table(
            columns=("evaluation", "condition", "episode", "metric", "mean", "low", "high"),
            rows=[
                row for each, name in zip(series, names, strict=False) for row in _rows(each, name)
            ],
        ),
        legend=tuple(legend),
    )


def _panel(metric: str, series: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Markup:
    results = series[0]
    references = {
        name: results["conditions"][name][metric]
        for name in REFERENCES
        if name in results["conditions"]
    }
    lines = _task_lines(results, metric) if metric == "return" else []
    last = max(len(each["adapted_by_episode"]) for each in series) - 1
    plot = Plot(
        whole_axis("episode", last),
        percent_axis("success") if metric == "success" else _return_axis(series, references, lines),
        right=_RIGHT,
    )
    for task, line in lines:
        plot.line(range(len(line)), line, "each-task", task)
    for number, (name, reference) in enumerate(references.items()):
        title = f"{words(name)}: {_interval(reference, metric)}"
        plot.across(reference["mean"], name)
        plot.outside(number, reference, name, title)
    form = _FORMS[metric]
    plot.names([(r["mean"], words(name), name) for name, r in references.items()])
    for each, kind, name in zip(series, ("accent", "second"), names, strict=False):
        _curve(plot, each, metric, kind, name)
    means = ", ".join(form(point[metric]["mean"]) for point in results["adapted_by_episode"])
    others = "; ".join(f"{words(name)} {form(r['mean'])}" for name, r in references.items())
    return plot.svg(_TITLES[metric], f"By episode: {means}. {others}")


def _curve(plot: Plot, results: Mapping[str, Any], metric: str, kind: str, name: str) -> None:
    points = [point[metric] for point in results["adapted_by_episode"]]
    shift = 0.0 if kind == "accent" else _SHIFT
    xs = [episode + shift for episode in range(len(points))]
    if kind == "accent":
        plot.band(xs, [p["low"] for p in points], [p["high"] for p in points], kind)
    plot.line(xs, [p["mean"] for p in points], kind)
    for episode, (x, point) in enumerate(zip(xs, points, strict=True)):
        title = f"{name}, episode {episode}: {_interval(point, metric)}"
        if kind != "accent":
            plot.whisker(x, point["low"], point["high"], kind, title)
        plot.point(x, point["mean"], kind, title)


def _return_axis(
    series: Sequence[Mapping[str, Any]],
    references: Mapping[str, Mapping[str, float]],
    lines: Sequence[tuple[str, Sequence[float]]],
) -> Axis:
    points = [point["return"] for each in series for point in each["adapted_by_episode"]]
    ends = [p[end] for p in [*points, *references.values()] for end in ("low", "high")]
    return linear_axis("return", [*ends, *(value for _, line in lines for value in line)])


def _task_lines(results: Mapping[str, Any], metric: str) -> list[tuple[str, list[float]]]:
    """One line per task and trial, as far as its episodes follow one another."""
    lines = []
    for row in results["per_task"]:
        trials: dict[int, list[float]] = {}
        for episode in sorted(row["episodes"], key=lambda episode: int(episode["episode"])):
            line = trials.setdefault(episode["trial"], [])
            if len(line) == episode["episode"]:
                line.append(float(episode[metric]))
        lines += [(row["task"], line) for line in trials.values()]
    return lines


def _interval(point: Mapping[str, float], metric: str) -> str:
    form = _FORMS[metric]
    return f"{form(point['mean'])} [{form(point['low'])}, {form(point['high'])}]"


def _rows(results: Mapping[str, Any], name: str) -> list[Sequence[Cell]]:
    rows: list[Sequence[Cell]] = []
    for metric in ("success", "return"):
        for episode, point in enumerate(results["adapted_by_episode"]):
            rows.append((name, "adapted", episode, metric, *_ends(point[metric])))
        for condition in REFERENCES:
            if condition in results["conditions"]:
                ends = _ends(results["conditions"][condition][metric])
                rows.append((name, condition, results["episodes"] - 1, metric, *ends))
    return rows


def _ends(point: Mapping[str, float]) -> tuple[float, float, float]:
    return point["mean"], point["low"], point["high"]
