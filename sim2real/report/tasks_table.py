"""One row per task: what it is, what became of every episode, and what other beliefs would do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

from sim2real.report.adaptation import REFERENCES
from sim2real.report.figure import Cell, Table
from sim2real.report.shown import Shown, digits, pointer, words


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One cell of a table that can be sorted."""

    shown: Markup
    key: str | float
    """what it is sorted by"""
    kind: str = ""
    """class names"""


@dataclass(frozen=True, kw_only=True)
class TaskTable:
    """What the page prints."""

    groups: tuple[tuple[str, int], ...]
    """what stands above how many columns"""
    columns: tuple[str, ...]
    rows: Sequence[Sequence[Entry]]


def task_table(shown: Shown) -> TaskTable:
    """From `per_task` of the results; one row per task and trial."""
    per_task: Sequence[Mapping[str, Any]] = shown.document["per_task"]
    names = list(dict.fromkeys(name for row in per_task for name in row["parameters"]))
    references = [name for name in REFERENCES if any(name in row for row in per_task)]
    episodes = range(shown.document["episodes"])
    has_trials = shown.document["trials"] > 1
    first = ("task", "trial") if has_trials else ("task",)
    groups = (
        ("", len(first)),
        ("what defines it", len(names)),
        ("adapted: return of episode", len(episodes)),
        ("last episode with", len(references)),
        ("nats", 1),
    )
    columns = (*first, *map(words, names), *map(str, episodes), *map(words, references), "KL")
    rows = []
    for index, row in enumerate(per_task):
        for trial, places in _trials(row).items():
            at = [places.get(episode, "") for episode in episodes]
            rows.append(
                [
                    Entry(shown=escape(row["task"]), key=_natural(row["task"])),
                    *(
                        (Entry(shown=escape(trial), key=trial, kind="number"),)
                        if has_trials
                        else ()
                    ),
                    *(_parameter(row["parameters"].get(name)) for name in names),
                    *(_outcome(shown, pointer("per_task", index, "episodes", k)) for k in at),
                    *(_outcome(shown, pointer("per_task", index, name)) for name in references),
                    _number(shown, pointer("per_task", index, "episodes", at[-1], "kl_from_prior")),
                ]
            )
    return TaskTable(groups=tuple(g for g in groups if g[1]), columns=columns, rows=rows)


def _trials(row: Mapping[str, Any]) -> dict[int, dict[int, int]]:
    """By trial: where each episode stands among the row's."""
    places: dict[int, dict[int, int]] = {}
    for place, episode in enumerate(row["episodes"]):
        places.setdefault(episode["trial"], {})[episode["episode"]] = place
    return places


def _parameter(values: Sequence[float] | float | None) -> Entry:
    if values is None:
        return Entry(shown=Markup("–"), key="")
    numbers = [float(value) for value in (values if isinstance(values, Sequence) else [values])]
    text = Markup(" / ").join(_short(value) for value in numbers)
    return Entry(shown=text, key=numbers[0], kind="number")


def _short(value: float) -> str:
    return digits(value, 1 if value == round(value) else 2)


def _outcome(shown: Shown, at: str) -> Entry:
    """Return, and whether it was a success; a share of the trials where there were several."""
    success = f"{at}/success"
    if not shown.has(success):
        return Entry(shown=Markup("–"), key="", kind="outcome")
    share = float(shown.value(success))
    kind = "yes" if share == 1.0 else "no" if share == 0.0 else "partly"
    mark = {"yes": "✓", "no": "✗", "partly": shown.number(success, "percent")}[kind]
    spoken = {"yes": "success", "no": "no success", "partly": "of the trials succeed"}[kind]
    cell = Markup('<span class="mark" title="{}">{}</span><span class="aside">{}</span> {}').format(
        spoken, mark, f" {spoken}, return ", shown.number(f"{at}/return", "tenths")
    )
    return Entry(shown=cell, key=float(shown.value(f"{at}/return")), kind=f"outcome {kind}")


def _number(shown: Shown, at: str) -> Entry:
    key = float(shown.value(at)) if shown.has(at) else ""
    return Entry(shown=shown.number(at, "tenths"), key=key, kind="number")


def _natural(task: str) -> str:
    """So that test/10 comes after test/9."""
    return "".join(part.zfill(6) if part.isdigit() else part for part in _parts(task))


def _parts(task: str) -> list[str]:
    parts = [""]
    for letter in task:
        if parts[-1] and letter.isdigit() != parts[-1][-1].isdigit():
            parts.append("")
        parts[-1] += letter
    return parts


def tasks_csv(results: Mapping[str, Any]) -> Table:
    """The adapted episodes of every task, one a row, beside the task's parameters."""
    per_task = results["per_task"]
    names = list(dict.fromkeys(name for row in per_task for name in row["parameters"]))
    fields = list(
        dict.fromkeys(name for row in per_task for episode in row["episodes"] for name in episode)
    )
    return Table(
        columns=("task", *names, *fields),
        rows=[
            (
                row["task"],
                *(_plain(row["parameters"].get(name, "")) for name in names),
                *(_plain(episode.get(name, "")) for name in fields),
            )
            for row in per_task
            for episode in row["episodes"]
        ],
    )


def _plain(value: Any) -> Cell:
    if isinstance(value, list):
        return " ".join(map(str, value))
    return int(value) if isinstance(value, bool) else value
