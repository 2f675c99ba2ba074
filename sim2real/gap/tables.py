"""Every table and figure of a gap as rows, from `gap.json` alone, and as CSV files."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sim2real.contract.output_file import write_file

Row = dict[str, Any]
Tables = Mapping[str, Sequence[Row]]
SIDES = ("a", "b")


def gap_tables(document: Mapping[str, Any]) -> Tables:
    """By the name of the file; those of which there is nothing are left out."""
    tables = {
        "closed_loop": _closed_loop(document["closed_loop"]),
        "returns": _returns(document["closed_loop"]),
        "replay": _replay(document["replay"]),
        "replay_growth": _growth(document["replay"]),
        "replay_excess": _excess(document["replay"]),
        "steps": _steps(document["steps"]),
        "delay": _delay(document["delay"]),
        "beliefs": _beliefs(document["beliefs"]),
        "belief_trajectory": (document["beliefs"] or {}).get("trajectory", []),
        "latency": _latency(document["latency"]),
        "latency_distribution": _distribution(document["latency"]),
        "identification": _identification(document["identification"]),
        "identification_shares": _shares(document["identification"]),
    }
    return {name: rows for name, rows in tables.items() if rows}


def write_tables(folder: Path, tables: Tables) -> list[Path]:
    """`folder`/NAME.csv each, written beside and renamed."""
    paths = []
    for name, rows in tables.items():
        text = io.StringIO()
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        path = folder / f"{name}.csv"
        write_file(path, text.getvalue())
        paths.append(path)
    return paths


def _closed_loop(loop: Mapping[str, Any] | None) -> list[Row]:
    if loop is None:
        return []
    by_episode = {f"adapted, episode {row['episode']}": row for row in loop["adapted_by_episode"]}
    return [
        {"condition": name, "num_tasks": row["num_tasks"], "metric": metric, **row[metric]}
        for name, row in {**loop["conditions"], **by_episode}.items()
        for metric in ("success", "return", "success_fraction")
    ]


def _returns(loop: Mapping[str, Any] | None) -> list[Row]:
    if loop is None or loop["correlation"] is None:
        return []
    return list(loop["correlation"]["per_task"])


def _replay(replay: Mapping[str, Any] | None) -> list[Row]:
    return [
        {"motions": kind, "side": side, **row}
        for kind, section in (replay or {}).items()
        for side in SIDES
        if section[side] is not None
        for row in [*section[side]["per_joint"], _object_row(section[side])]
    ]


def _object_row(side: Mapping[str, Any]) -> Row:
    return {
        "joint": "object",
        "rmse_rad": side["object"]["mean"],
        "peak_rad": side["peak_object_rad"],
    }


def _growth(replay: Mapping[str, Any] | None) -> list[Row]:
    return [
        {"motions": kind, "side": side, **row}
        for kind, section in (replay or {}).items()
        for side in SIDES
        if section[side] is not None
        for row in section[side]["growth"]
    ]


def _excess(replay: Mapping[str, Any] | None) -> list[Row]:
    return [
        {"motions": kind, **row}
        for kind, section in (replay or {}).items()
        for row in section["excess"] or []
    ]


def _steps(steps: Sequence[Mapping[str, Any]] | None) -> list[Row]:
    return [
        {
            "joint": row["joint"],
            "metric": metric,
            "num_steps_a": row["num_steps"]["a"],
            "num_steps_b": row["num_steps"]["b"],
            **values,
        }
        for row in steps or []
        for metric, values in row.items()
        if metric not in ("joint", "num_steps")
    ]


def _delay(delay: Mapping[str, Any] | None) -> list[Row]:
    nothing = dict.fromkeys(("lag_s", "low_s", "high_s", "correlation"))
    return [
        {"joint": row["joint"], "side": side, **(row[side] or nothing)}
        for row in (delay or {}).get("per_joint", [])
        for side in SIDES
    ]


def _beliefs(beliefs: Mapping[str, Any] | None) -> list[Row]:
    return [
        {"distance": metric, **row}
        for metric in ("wasserstein_2", "symmetric_kl")
        if beliefs is not None and metric in beliefs
        for row in beliefs[metric]["per_task"]
    ]


def _latency(latency: Mapping[str, Any]) -> list[Row]:
    return [
        {"stage": stage, "side": side, **_without_curve(row[side]), "ks": row["ks"]}
        for stage, row in latency["stages"].items()
        for side in SIDES
        if row[side] is not None
    ]


def _without_curve(quantiles: Mapping[str, Any]) -> Row:
    return {name: value for name, value in quantiles.items() if name != "curve_s"}


def _distribution(latency: Mapping[str, Any]) -> list[Row]:
    rows = []
    for stage, row in latency["stages"].items():
        for side in SIDES:
            curve = [] if row[side] is None else row[side]["curve_s"]
            for index, value in enumerate(curve):
                share = index / (len(curve) - 1)
                rows.append({"stage": stage, "side": side, "share": share, "seconds": value})
    return rows


def _identification(found: Mapping[str, Any] | None) -> list[Row]:
    return [
        {"task": task, **row}
        for task, fit in ((found or {}).get("tasks") or {}).items()
        for row in fit["parameters"]
    ]


def _shares(found: Mapping[str, Any] | None) -> list[Row]:
    return list((found or {}).get("contributors") or [])
