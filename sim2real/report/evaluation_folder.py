"""What `taskbelief evaluate` left in a folder, read for a report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sim2real.contract.errors import BadInput
from sim2real.contract.text_file import read_json

RESULTS, EPISODES, GAP, RECORDINGS = "results.json", "episodes.csv", "gap.json", "recordings"
_NEEDED: Mapping[str, type] = {
    "bundle": dict,
    "robot": str,
    "tasks": int,
    "trials": int,
    "episodes": int,
    "conditions": dict,
    "adapted_by_episode": list,
    "per_task": list,
    "latency_s": dict,
    "safety_events": dict,
    "evidence": dict,
    "faults": list,
    "provenance": dict,
}
"""what a report cannot do without"""

_NAMES: Mapping[type, str] = {
    dict: "a mapping",
    list: "a list",
    str: "text",
    int: "a whole number",
    float: "a number",
}


@dataclass(frozen=True, kw_only=True)
class EvaluationFolder:
    """One evaluation on disk."""

    path: Path
    results: Mapping[str, Any]
    """as `results.json` has it"""
    recordings: tuple[Path, ...]
    """those that the results name and that are there"""
    missing: tuple[str, ...]
    """names of those that are not"""

    @property
    def has_episodes(self) -> bool:
        return (self.path / EPISODES).is_file()

    @property
    def parameters(self) -> dict[str, Mapping[str, Any]]:
        """What defines each task, by name."""
        return {row["task"]: row["parameters"] for row in self.results["per_task"]}


def read_evaluation(path: Path) -> EvaluationFolder:
    """Raises `BadInput` for a folder without results, or with results that a report cannot use."""
    file = path / RESULTS
    remedy = "`taskbelief evaluate … --out FOLDER` writes it"
    results = read_json(file, "results of an evaluation", remedy)
    for field, kind in _NEEDED.items():
        _require(results.get(field), field, kind, file)
    _require_intervals(results, file)
    _require_tasks(results, file)
    _require_counts(results, file)
    names = results.get("recordings", [])
    there = {name: _recording(path, name) for name in names}
    return EvaluationFolder(
        path=path,
        results=results,
        recordings=tuple(found for found in there.values() if found is not None),
        missing=tuple(name for name, found in there.items() if found is None),
    )


def _require(value: Any, field: str, kind: type, file: Path) -> None:
    """Raise `BadInput` unless a value is of its kind; whole numbers are numbers, truth is not."""
    is_kind = isinstance(value, (int, float) if kind is float else kind)
    if not is_kind or (isinstance(value, bool) and kind is not bool):
        raise BadInput(str(file), field, found=value, expected=_NAMES[kind])


def _require_intervals(results: Mapping[str, Any], file: Path) -> None:
    """Mean, low and high of success and return, wherever they are shown."""
    places = [(f"conditions.{name}", value) for name, value in results["conditions"].items()]
    places += [(f"adapted_by_episode[{k}]", v) for k, v in enumerate(results["adapted_by_episode"])]
    for at, value in places:
        _require(value, at, dict, file)
        for metric in ("success", "return"):
            _require(value.get(metric), f"{at}.{metric}", dict, file)
            for end in ("mean", "low", "high"):
                _require(value[metric].get(end), f"{at}.{metric}.{end}", float, file)


def _require_tasks(results: Mapping[str, Any], file: Path) -> None:
    """What defines each task, and what became of its episodes."""
    for index, row in enumerate(results["per_task"]):
        at = f"per_task[{index}]"
        _require(row, at, dict, file)
        for field, kind in (("task", str), ("parameters", dict), ("episodes", list)):
            _require(row.get(field), f"{at}.{field}", kind, file)
        for number, episode in enumerate(row["episodes"]):
            place = f"{at}.episodes[{number}]"
            _require(episode, place, dict, file)
            for field, number_kind in (("trial", int), ("episode", int), ("return", float)):
                _require(episode.get(field), f"{place}.{field}", number_kind, file)


def _require_counts(results: Mapping[str, Any], file: Path) -> None:
    for field in ("evidence", "safety_events"):
        for cause, count in results[field].items():
            _require(count, f"{field}.{cause}", int, file)


def _recording(path: Path, name: str) -> Path | None:
    """Results name recordings by file name, or by their place in the folder."""
    for place in (path / name, path / RECORDINGS / name):
        if place.is_file():
            return place
    return None
