"""The evaluation of a bundle: adapted behaviour beside what it would be without the belief.

* `adapted`: the last episode of a trial that began with the prior;
* `episode_0`: its first episode, before anything was learnt;
* `frozen_prior`: the last episode had no evidence ever arrived;
* `wrong_task`: the last episode on what was learnt about another task.

If the belief matters, the latter two are worse than `adapted`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sim2real.contract.robot_spec import RobotSpec
from sim2real.evaluation.metrics import bootstrap_interval, latency_summary, wilson_interval
from sim2real.evaluation.trial import (
    Arena,
    EpisodeResult,
    Ledger,
    Trial,
    TrialProtocol,
    run_frozen_prior,
    run_trial,
    run_wrong_task,
)
from sim2real.runtime.bundle import Bundle
from sim2real.runtime.controller import Controller
from sim2real.runtime.trace import Trace, write_trace

OpenArena = Callable[[], AbstractContextManager[Arena]]
"""makes one task's robot ready, and lets go of it afterwards"""
Rows = list[list[EpisodeResult]]
"""one list per task, one result per trial"""


@dataclass(frozen=True, kw_only=True, eq=False)
class Evaluation:
    """Every result of every condition."""

    protocol: TrialProtocol
    task_names: tuple[str, ...]
    by_episode: tuple[Rows, ...]
    """adapted behaviour, from the first episode of a trial to the last"""
    frozen_prior: Rows
    wrong_task: Rows
    """empty where there was one task only"""
    traces: tuple[tuple[Trace, ...], ...]
    """of the adapted trials, by task and trial"""
    ledger: Ledger

    @property
    def conditions(self) -> dict[str, Rows]:
        """By the names of results.json."""
        conditions = {
            "adapted": self.by_episode[-1],
            "episode_0": self.by_episode[0],
            "frozen_prior": self.frozen_prior,
        }
        return conditions | ({"wrong_task": self.wrong_task} if self.wrong_task else {})

    def summary(self) -> dict[str, Any]:
        """Means with intervals over tasks."""
        return {
            "tasks": len(self.task_names),
            "trials": self.protocol.num_trials,
            "episodes": self.protocol.num_episodes,
            "conditions": {name: _intervals(rows) for name, rows in self.conditions.items()},
            "adapted_by_episode": [_intervals(rows) for rows in self.by_episode],
        }


def evaluate_bundle(
    bundle: Bundle,
    spec: RobotSpec,
    arenas: Sequence[OpenArena],
    protocol: TrialProtocol,
    *,
    advance: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Run every condition on every task; `wrong_task` needs two tasks and is left out for one.

    `advance` is called after each of the `num_rounds`, for whoever shows progress.
    """
    controller, ledger = Controller(bundle, spec), Ledger()
    protocols = [protocol.for_trial(trial) for trial in range(protocol.num_trials)]
    names: list[str] = []
    trials: list[list[Trial]] = []
    frozen: Rows = []
    for open_arena in arenas:
        with open_arena() as arena:
            names.append(arena.name)
            trials.append([run_trial(controller, arena, each, ledger) for each in protocols])
            frozen.append([run_frozen_prior(controller, arena, each, ledger) for each in protocols])
        advance()
    wrong = _on_the_wrong_task(controller, arenas, protocols, trials, ledger, advance)
    return Evaluation(
        protocol=protocol,
        task_names=tuple(names),
        by_episode=tuple(
            [[trial.episodes[episode] for trial in of_task] for of_task in trials]
            for episode in range(protocol.num_episodes)
        ),
        frozen_prior=frozen,
        wrong_task=wrong,
        traces=tuple(tuple(trial.trace for trial in of_task) for of_task in trials),
        ledger=ledger,
    )


def _on_the_wrong_task(
    controller: Controller,
    arenas: Sequence[OpenArena],
    protocols: Sequence[TrialProtocol],
    trials: Sequence[Sequence[Trial]],
    ledger: Ledger,
    advance: Callable[[], None],
) -> Rows:
    """Every task once more, with what a trial learnt on the task before it."""
    rows: Rows = []
    for task, open_arena in enumerate(arenas if len(arenas) > 1 else []):
        with open_arena() as arena:
            rows.append(
                [
                    run_wrong_task(controller, arena, other.memory, protocol, ledger)
                    for protocol, other in zip(protocols, trials[task - 1], strict=True)
                ]
            )
        advance()
    return rows


def num_rounds(num_tasks: int) -> int:
    """How often `evaluate_bundle` advances."""
    return num_tasks if num_tasks < 2 else 2 * num_tasks


def results_document(
    bundle: Bundle, evaluation: Evaluation, *, robot: str, safety_events: dict[str, int]
) -> dict[str, Any]:
    """What `results.json` holds; `robot` says what kind of robot measured it."""
    provenance = bundle.manifest.provenance
    return {
        "bundle": {"name": bundle.manifest.name, "digest": bundle.digest},
        "robot": robot,
        **evaluation.summary(),
        "latency_s": latency_summary(np.array(evaluation.ledger.latencies_s)),
        "safety_events": safety_events,
        "evidence": dict(evaluation.ledger.evidence),
        "provenance": {
            "recipe": provenance.recipe,
            "task_set_sha256": provenance.task_set_sha256,
            "task_names": list(evaluation.task_names),
            "seed": evaluation.protocol.seed,
            "intervals": "95 % over tasks; Wilson for success, bootstrap for the rest",
        },
    }


def write_results(path: Path, document: dict[str, Any]) -> None:
    """Written beside, then renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".part")
    beside.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    beside.replace(path)


def write_traces(folder: Path, evaluation: Evaluation) -> None:
    """One file per adapted trial, named after the task and the number of the trial."""
    for name, traces in zip(evaluation.task_names, evaluation.traces, strict=True):
        for trial, trace in enumerate(traces):
            write_trace(folder / f"{name.replace('/', '-')}-trial-{trial}.npz", trace)


def _intervals(rows: Rows) -> dict[str, dict[str, float]]:
    def per_task(field: str) -> np.ndarray[Any, np.dtype[np.float64]]:
        return np.array([np.mean([getattr(result, field) for result in row]) for row in rows])

    return {
        "success": wilson_interval(per_task("is_success"))._asdict(),
        "return": bootstrap_interval(per_task("total_reward"))._asdict(),
        "success_fraction": bootstrap_interval(per_task("success_fraction"))._asdict(),
    }
