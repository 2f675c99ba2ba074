"""The outcome of an evaluation for a person: tables from a results document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

METRICS = ("return", "success")


def show_results(console: Console, document: Mapping[str, Any]) -> None:
    """Conditions with intervals, what adapting is worth, and what happened beside it."""
    title = f"{document['bundle']['name']} on {document['tasks']} {document['robot']} tasks"
    table = Table(title=f"{title}: mean and 95 % interval", title_justify="left")
    table.add_column("condition")
    for metric in METRICS:
        table.add_column(metric, justify="right")
    for name, row in _rows(document).items():
        table.add_row(name, *(shown_interval(row[metric]) for metric in METRICS))
    console.print(table)
    for line in _lines(document):
        console.print(line, markup=False)


def _rows(document: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    by_episode = enumerate(document["adapted_by_episode"])
    others = {
        name.replace("_", " "): row
        for name, row in document["conditions"].items()
        if name not in ("adapted", "episode_0")
    }
    differences = {
        name.replace("_", " ").replace("-", "−"): row
        for name, row in document["differences"].items()
    }
    return {**{f"adapted, episode {k}": row for k, row in by_episode}, **others, **differences}


def _lines(document: Mapping[str, Any]) -> list[str]:
    """One fact each."""
    evidence = dict(document["evidence"])
    accepted = evidence.pop("accepted", 0)
    lines = [f"evidence: {accepted} transitions accepted; not: {_counts(evidence)}"]
    if document["latency_s"]:
        stages = (
            f"{stage} {row['p50'] * 1e3:.2f} / {row['p99'] * 1e3:.2f}"
            for stage, row in document["latency_s"].items()
        )
        lines.append(f"latency, ms, p50 / p99: {', '.join(stages)}")
    lines.append(f"safety events: {_counts(document['safety_events'])}")
    lines.append(f"interventions: {document['interventions']}")
    lines += [f"fault: {_fault(fault)}" for fault in document["faults"]]
    lines += [
        f"{name.replace('_', ' ')}: not available: {reason}"
        for name, reason in document["not_available"].items()
    ]
    return lines


def _fault(fault: Mapping[str, Any]) -> str:
    condition = fault["condition"].replace("_", " ")
    return f"{fault['task']}, {condition}, episode {fault['episode']}: {fault['reason']}"


def _counts(counts: Mapping[str, int]) -> str:
    shown = (f"{count} {cause.replace('_', ' ')}" for cause, count in counts.items() if count)
    return ", ".join(shown) or "none"


def shown_interval(interval: Mapping[str, float]) -> str:
    return f"{interval['mean']:.2f}  ({interval['low']:.2f} to {interval['high']:.2f})"
