"""From episodes to `results.json` and `episodes.csv`: means with intervals over tasks.

Everything is worked out from `EpisodeRecord`s and a header that says what was measured, so that
the journal and the recordings give the same numbers.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim2real.contract.output_file import write_file
from sim2real.evaluation.coverage import coverage_note
from sim2real.evaluation.header import Header
from sim2real.evaluation.metrics import difference_interval, interval_of
from sim2real.evaluation.protocol import Condition
from sim2real.evaluation.records import EpisodeKey, EpisodeRecord
from sim2real.runtime.pacing import Histogram

RESULTS, EPISODES = "results.json", "episodes.csv"
METRICS = {
    "success": "is_success",
    "return": "total_reward",
    "success_fraction": "success_fraction",
}
"""by their names in the results: fields of a record"""
EPISODE_0 = "episode_0"
COLUMNS = (
    *("task", "condition", "trial", "episode", "seed", "total_reward", "is_success"),
    *("success_fraction", "num_steps", "num_transitions", "kl_from_prior", "outcome", "reason"),
    "recording",
)
_HEADINGS = {"total_reward": "return", "is_success": "success"}


Values = NDArray[np.float64]


def results_document(
    header: Header, records: Sequence[EpisodeRecord], notes: Sequence[str] = ()
) -> dict[str, Any]:
    """What `results.json` holds. Only tasks with all trials of a condition count for it.

    `notes` are what a reader has to know before believing the rest, besides which episodes are
    missing.
    """
    completed = [record for record in records if record.is_completed]
    coverage = coverage_note(header, {record.key for record in completed})
    table = _Table(header, completed)
    faults = [record for record in records if not record.is_completed]
    return {
        "bundle": {"name": header.bundle_name, "digest": header.bundle_digest},
        "robot": header.robot,
        "tasks": len(header.tasks),
        "trials": header.num_trials,
        "episodes": header.num_episodes,
        "conditions": {name: table.intervals(name) for name in table.conditions()},
        "not_available": dict(header.not_available),
        "adapted_by_episode": table.by_episode(),
        "differences": table.differences(),
        "per_task": [table.task(name) for name in header.tasks],
        "interventions": len(faults),
        "faults": [_fault(record) for record in faults],
        "safety_events": _summed(record.safety_events for record in records),
        "evidence": _summed(record.evidence for record in records if record.is_completed),
        "latency_s": _latency(records),
        "provenance": {
            **header.provenance,
            "git_commit": header.git_commit,
            "seed": header.seed,
            "task_names": list(header.tasks),
            "intervals": "95 % over tasks; Wilson for success and its fraction (Newcombe for "
            "differences), bootstrap for return",
        },
        "recordings": sorted({record.recording for record in records if record.recording}),
        "notes": [*notes, *([coverage] if coverage else [])],
    }


class _Table:
    """Completed episodes, looked up by condition and task."""

    def __init__(self, header: Header, records: Sequence[EpisodeRecord]) -> None:
        self._header = header
        self._records = {record.key: record for record in records}

    def conditions(self) -> list[str]:
        """Those of which a task is whole, `episode_0` behind `adapted`."""
        names: list[str] = []
        for condition in Condition:
            if self._tasks(condition):
                names.append(condition)
            if condition is Condition.ADAPTED and self._tasks(EPISODE_0):
                names.append(EPISODE_0)
        return names

    def intervals(self, name: str) -> dict[str, Any]:
        """Over the tasks of which it is whole."""
        return self._intervals(self._tasks(name), name)

    def by_episode(self) -> list[dict[str, Any]]:
        """Adapted behaviour, from the first episode of a trial to the last."""
        rows = []
        for episode in range(self._header.num_episodes):
            tasks = self._tasks(Condition.ADAPTED, episode)
            rows.append(self._intervals(tasks, Condition.ADAPTED, episode) if tasks else {})
        return [row for row in rows if row]

    def differences(self) -> dict[str, Any]:
        """How much better adapted behaviour is, on tasks of which both are whole, paired."""
        found = {}
        for name in self.conditions():
            both = [task for task in self._tasks(Condition.ADAPTED) if task in self._tasks(name)]
            if name != Condition.ADAPTED and both:
                found[f"{Condition.ADAPTED} - {name}"] = {
                    metric: difference_interval(
                        metric,
                        self._values(both, Condition.ADAPTED, metric),
                        self._values(both, name, metric),
                    )._asdict()
                    for metric in METRICS
                }
        return found

    def task(self, task: str) -> dict[str, Any]:
        """One task: its parameters, the episodes of its trials, and the other conditions."""
        count = self._header.num_episodes
        trials = range(self._header.num_trials)
        episodes = [
            _episode(record)
            for trial in trials
            for episode in range(count)
            if (record := self._get(task, Condition.ADAPTED, trial, episode)) is not None
        ]
        others = {
            name: self._mean([task], name)
            for name in self.conditions()
            if name not in (Condition.ADAPTED, EPISODE_0) and task in self._tasks(name)
        }
        parameters = {name: list(value) for name, value in self._header.tasks[task].items()}
        return {"task": task, "parameters": parameters, "episodes": episodes, **others}

    def _tasks(self, name: str, episode: int | None = None) -> list[str]:
        """Tasks of which a condition (in one episode) is whole, in order."""
        trials = range(self._header.num_trials)
        return [
            task
            for task in self._header.tasks
            if all(self._find(task, name, trial, episode) is not None for trial in trials)
        ]

    def _intervals(
        self, tasks: Sequence[str], name: str, episode: int | None = None
    ) -> dict[str, Any]:
        intervals = {
            metric: interval_of(metric, self._values(tasks, name, metric, episode))._asdict()
            for metric in METRICS
        }
        return {**intervals, "tasks": len(tasks)}

    def _values(
        self, tasks: Sequence[str], name: str, metric: str, episode: int | None = None
    ) -> Values:
        """(K, N) by task and trial."""
        field, trials = METRICS[metric], range(self._header.num_trials)
        rows = [
            [getattr(self._find(task, name, trial, episode), field) for trial in trials]
            for task in tasks
        ]
        return np.array(rows, np.float64)

    def _mean(self, tasks: Sequence[str], name: str) -> dict[str, float]:
        return {metric: float(self._values(tasks, name, metric).mean()) for metric in METRICS}

    def _find(
        self, task: str, name: str, trial: int, episode: int | None = None
    ) -> EpisodeRecord | None:
        """The last episode of a trial, or the one with that number; `episode_0` is a name too."""
        condition = Condition.ADAPTED if name == EPISODE_0 else name
        last = 0 if name == EPISODE_0 else self._header.num_episodes - 1
        return self._get(task, condition, trial, last if episode is None else episode)

    def _get(self, task: str, condition: str, trial: int, episode: int) -> EpisodeRecord | None:
        return self._records.get(EpisodeKey(task, condition, trial, episode))


def _episode(record: EpisodeRecord) -> dict[str, Any]:
    return {
        "trial": record.trial,
        "episode": record.episode,
        "return": record.total_reward,
        "success": record.is_success,
        "success_fraction": record.success_fraction,
        "kl_from_prior": record.kl_from_prior,
        "num_transitions": record.num_transitions,
    }


def _fault(record: EpisodeRecord) -> dict[str, Any]:
    return {**record.key._asdict(), "reason": record.reason, "recording": record.recording}


def _summed(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for count in counts:
        total.update(count)
    return dict(sorted(total.items()))


def _latency(records: Sequence[EpisodeRecord]) -> dict[str, dict[str, float]]:
    """By stage, over all ticks and steps of all episodes."""
    histograms: dict[str, Histogram] = {}
    for record in records:
        for stage, values in record.latency_ns.items():
            histogram = histograms.setdefault(stage, Histogram())
            for value in values:
                histogram.add(value)
    return {stage: histogram.as_dict() for stage, histogram in histograms.items()}


def write_results(folder: Path, header: Header, records: Sequence[EpisodeRecord]) -> dict[str, Any]:
    """Write `results.json` and `episodes.csv`, each beside its target, then renamed."""
    document = results_document(header, records)
    text = json.dumps(document, indent=1, allow_nan=False) + "\n"
    for name, content in ((EPISODES, episodes_csv(header, records)), (RESULTS, text)):
        write_file(folder / name, content)
    return document


def episodes_csv(header: Header, records: Sequence[EpisodeRecord]) -> str:
    """One line per episode, faults included, in the order in which they ended."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["robot", *(_HEADINGS.get(name, name) for name in COLUMNS)])
    for record in records:
        values = [getattr(record, name) for name in COLUMNS]
        writer.writerow([header.robot, *(int(v) if isinstance(v, bool) else v for v in values)])
    return file.getvalue()
