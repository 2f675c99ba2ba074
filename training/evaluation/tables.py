"""Outcomes of the meta-test protocol as tables in a terminal: means with 95 % intervals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Column, Table

MAX_COLUMNS = 5
"""episodes of the shortest trial that a row shows; of longer ones it shows first and last"""
OTHERS = {"frozen_prior": "frozen prior", "wrong_task": "wrong task"}

Summary = Mapping[str, Any]
"""what `MetaTestResult.summary` gives, or a run's eval.json"""


def run_table(title: str, summary: Summary) -> Table:
    """One run: return and success, an episode a row, then the belief taken away."""
    table = Table("", "return", "success", title=title, title_justify="left")
    episodes = enumerate(summary["adapted_by_episode"])
    rows = {f"episode {index}": metrics for index, metrics in episodes}
    rows |= {
        f"last episode, {label}": summary["conditions"][name]
        for name, label in OTHERS.items()
        if name in summary["conditions"]  # one task alone has no wrong task
    }
    for label, metrics in rows.items():
        table.add_row(label, *(_shown(metrics[name]) for name in ("return", "success")))
    return table


def comparison_table(title: str, summaries: Mapping[str, Summary], metric: str) -> Table:
    """Several runs, one metric: a run a row. A policy that does not adapt has one figure."""
    adapting = [each for each in summaries.values() if "frozen_prior" in each["conditions"]]
    length = min((len(each["adapted_by_episode"]) for each in adapting), default=1)
    shown = range(length - 1) if length <= MAX_COLUMNS else range(1)
    columns = [f"episode {index}" for index in shown]
    others = OTHERS.values() if adapting else ()
    run = Column("run", overflow="fold")  # where a terminal is narrow, still the whole name
    table = Table(run, *columns, "adapted", *others, title=title, title_justify="left")
    for name, summary in summaries.items():
        conditions, episodes = summary["conditions"], summary["adapted_by_episode"]
        adapted = _shown(conditions["adapted"][metric])
        if "frozen_prior" not in conditions:
            table.add_row(name, *("" for _ in shown), adapted)
            continue
        earlier = (_shown(episodes[index][metric]) for index in shown)
        without = (
            _shown(conditions[other][metric]) if other in conditions else "" for other in OTHERS
        )
        table.add_row(name, *earlier, adapted, *without)
    return table


def _shown(interval: Mapping[str, float]) -> str:
    return rf"{interval['mean']:.2f} \[{interval['low']:.2f}, {interval['high']:.2f}]"
