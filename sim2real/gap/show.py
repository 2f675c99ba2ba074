"""A gap for a person: the headline first, then what it may come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

NUM_CONTRIBUTORS = 3
STEP_METRICS = {
    "delay_s": ("delay, ms", 1e3),
    "rise_s": ("rise, ms", 1e3),
    "settling_s": ("settling, ms", 1e3),
    "overshoot": ("overshoot, %", 1e2),
    "steady_error_rad": ("steady error, mrad", 1e3),
}


def show_gap(console: Console, document: Mapping[str, Any]) -> None:
    """From `gap.json` alone."""
    names = [document[side]["label"] for side in "ab"]
    console.print(f"[bold]{_headline(document, names)}[/bold]")
    for line in _contributors(document):
        console.print(line)
    for table in (
        _closed_loop(document["closed_loop"], names),
        _replay(document["replay"], names),
        _steps(document["steps"], names),
        _beliefs(document["beliefs"]),
        _latency(document["latency"], names),
        *_identified(document["identification"]),
    ):
        if table is not None:
            console.print(table)
    for note in document["notes"]:
        console.print(f"note: {escape(note)}")
    for task, reason in (document["identification"] or {}).get("left_out", {}).items():
        console.print(f"{task}: not identified: {reason}")
    for section, reason in document["left_out"].items():
        console.print(f"{section.replace('_', ' ')}: left out: {reason}")


def _headline(document: Mapping[str, Any], names: Sequence[str]) -> str:
    found = document["headline"]
    if not found["metrics"]:
        return f"{names[0]} and {names[1]} have no motion in common"
    parts = []
    for metric, row in found["metrics"].items():
        label = metric.replace("_rad", ", rad").replace("_", " ")
        digits = 4 if metric.endswith("_rad") else 2
        both = f"{row['a']:.{digits}f} → {row['b']:.{digits}f}"
        parts.append(f"{label} {both}, {_difference(row, digits)}")
    where = f"over {found['num_tasks']} tasks" if found["num_tasks"] else "of open-loop replays"
    return f"{names[0]} → {names[1]} {where}: {'; '.join(parts)}"


def _difference(row: Mapping[str, Any], digits: int = 2, factor: float = 1.0) -> str:
    value, low, high = (row[name] for name in ("difference", "low", "high"))
    if low is None:
        return f"{factor * value:+.{digits}f}"
    ends = f"{factor * low:+.{digits}f} to {factor * high:+.{digits}f}"
    return f"{factor * value:+.{digits}f} ({ends})"


def _contributors(document: Mapping[str, Any]) -> list[str]:
    """What the replay error of B comes from, as far as it is known."""
    lines = []
    for kind, section in (document["replay"] or {}).items():
        rows = [row for row in section["excess"] or [] if row["share"] > 0.0][:NUM_CONTRIBUTORS]
        if rows:
            shown = ", ".join(f"{row['joint']} {row['share']:.0%}" for row in rows)
            lines.append(
                f"joints with the largest share of the added replay error ({kind}): {shown}"
            )
    found = document["identification"]
    if found is not None and found["contributors"]:
        rows = found["contributors"][: NUM_CONTRIBUTORS + 1]
        shown = ", ".join(f"{row['parameter']} {row['share']:.0%}" for row in rows)
        lines.append(f"share of the replay error that an identified value takes away: {shown}")
    return lines


def _closed_loop(loop: Mapping[str, Any] | None, names: Sequence[str]) -> Table | None:
    if loop is None:
        return None
    title = f"closed loop: {loop['num_pairs']} paired episodes, 95 % intervals over tasks"
    table = Table(title=title, title_justify="left")
    for name in ("condition", "tasks", "metric", *names, "difference"):
        table.add_column(name, justify="left" if name in ("condition", "metric") else "right")
    for name, row in loop["conditions"].items():
        for metric in ("success", "return"):
            values = row[metric]
            table.add_row(
                name.replace("_", " ") if metric == "success" else "",
                str(row["num_tasks"]) if metric == "success" else "",
                metric,
                f"{values['a']:.2f}",
                f"{values['b']:.2f}",
                _difference(values),
            )
    correlation = loop["correlation"]
    if correlation is not None and correlation["spearman"] is not None:
        table.caption = (
            f"returns over tasks: rank correlation {correlation['spearman']:.2f}, "
            f"mean rank violation {correlation['mean_rank_violation']:.2f}"
        )
    return table


def _replay(replay: Mapping[str, Any] | None, names: Sequence[str]) -> Table | None:
    if replay is None:
        return None
    table = Table(title="open-loop replay against what was measured, mrad", title_justify="left")
    for name in ("motions", "", *names, "difference"):
        table.add_column(name, justify="left" if name in ("motions", "") else "right")
    for kind, section in replay.items():
        sides = [section[side] for side in "ab"]
        gap = section["difference"] or {}
        rows = {
            "joints, RMSE": (
                [_mrad(side and side["joints"]["mean"]) for side in sides],
                gap.get("joint_rmse_rad"),
            ),
            "valve, RMSE": (
                [_mrad(side and side["object"]["mean"]) for side in sides],
                gap.get("object_rmse_rad"),
            ),
            "joints, peak": ([_mrad(side and side["peak_joint_rad"]) for side in sides], None),
            "diverged": ([_diverged(side) for side in sides], None),
        }
        for index, (label, (cells, difference)) in enumerate(rows.items()):
            first = f"{kind}, {section['dynamics']} dynamics" if index == 0 else ""
            shown = "" if difference is None else _difference(difference, 1, 1e3)
            table.add_row(first, label, *cells, shown)
    return table


def _mrad(value: float | None) -> str:
    return "–" if value is None else f"{1e3 * value:.1f}"


def _diverged(side: Mapping[str, Any] | None) -> str:
    if side is None:
        return "–"
    found = side["divergence"]
    text = f"{found['num_diverged']} of {side['num_motions']}"
    return text if found["median_s"] is None else f"{text}, median after {found['median_s']:.2f} s"


def _steps(steps: Sequence[Mapping[str, Any]] | None, names: Sequence[str]) -> Table | None:
    """Means over joints; every joint is in the CSV."""
    if steps is None:
        return None
    counts = [sum(row["num_steps"][side] for row in steps) for side in "ab"]
    title = f"step responses, mean over joints: {counts[0]} and {counts[1]} steps"
    table = Table(title=title, title_justify="left")
    for name in ("", *names, "difference"):
        table.add_column(name, justify="right" if name else "left")
    for metric, (label, factor) in STEP_METRICS.items():
        cells = []
        for part in ("a", "b", "difference"):
            found = [row[metric][part] for row in steps if row[metric][part] is not None]
            sign = "+" if part == "difference" else ""
            cells.append(f"{factor * float(np.mean(found)):{sign}.1f}" if found else "–")
        table.add_row(label, *cells)
    return table


def _beliefs(beliefs: Mapping[str, Any] | None) -> Table | None:
    if beliefs is None:
        return None
    title = f"beliefs after the last episode, {beliefs['num_tasks']} tasks (0: the same, 1: no more"
    table = Table(title=f"{title} alike than of other tasks)", title_justify="left")
    for name in ("distance", "same task", "other tasks", "normalised", "nearest is same task"):
        table.add_column(name, justify="left" if name == "distance" else "right")
    for metric in ("wasserstein_2", "symmetric_kl"):
        if metric in beliefs:
            row = beliefs[metric]
            shown = row["normalised"]
            table.add_row(
                metric.replace("_", " "),
                f"{row['same_task']:.2f}",
                f"{row['different_tasks']:.2f}",
                "–"
                if shown is None
                else f"{shown['mean']:.2f}  ({shown['low']:.2f} to {shown['high']:.2f})",
                f"{row['nearest_is_same_task']:.0%}",
            )
    return table


def _latency(latency: Mapping[str, Any], names: Sequence[str]) -> Table | None:
    table = Table(title="times of the control loop, ms: median / 99 % / longest")
    table.title_justify = "left"
    for name in ("", *names, "KS"):
        table.add_column(name, justify="right" if name else "left")
    for stage, row in latency["stages"].items():
        if row["a"] is None and row["b"] is None:
            continue
        ks = "–" if row["ks"] is None else f"{row['ks']:.2f}"
        table.add_row(stage, *(_times(row[side]) for side in "ab"), ks)
    missed = [latency["missed"][side] for side in "ab"]
    shown = [f"{m['missed']} of {m['deadlines']}" if m["deadlines"] else "–" for m in missed]
    table.add_row("missed deadlines", *shown, "")
    return table


def _times(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return "–"
    return " / ".join(f"{1e3 * row[name]:.2f}" for name in ("p50", "p99", "max"))


def _identified(found: Mapping[str, Any] | None) -> list[Table]:
    tables = []
    for task, fit in (found or {}).get("tasks", {}).items():
        before, after = (1e3 * fit[f"rmse_{when}_rad"] for when in ("before", "after"))
        title = f"identified on B, {task}: replays of windows {before:.1f} → {after:.1f} mrad"
        table = Table(title=title, title_justify="left")
        for name in ("parameter", "unit", "value, 95 % interval", "assumed"):
            is_text = name in ("parameter", "unit")
            table.add_column(name, justify="left" if is_text else "right", no_wrap=True)
        for row in fit["parameters"]:
            mark = "" if row["is_assumed_inside"] else " *"
            table.add_row(
                row["parameter"],
                row["unit"],
                f"{row['estimate']:.3g}  ({row['low']:.3g} to {row['high']:.3g})",
                f"{row['assumed']:.3g}{mark}",
            )
        table.caption = "* what was assumed lies outside the interval"
        tables.append(table)
    return tables
