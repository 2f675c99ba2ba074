"""`taskbelief report`: one self-contained page about an evaluation, and a CSV per figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

from sim2real.contract.robot_spec import load_robot_spec
from sim2real.report.adaptation import adaptation_figure
from sim2real.report.animation import MAX_TASKS, animation_data, motion_figure
from sim2real.report.beliefs import belief_figure, kl_figure
from sim2real.report.episode_trace import EpisodeTrace, adapted_trials
from sim2real.report.evaluation_folder import EvaluationFolder, read_evaluation
from sim2real.report.events import MEANINGS, count_table
from sim2real.report.figure import Figure, Table, write_csv
from sim2real.report.headline import robot_label
from sim2real.report.latency import latency_figure
from sim2real.report.page import Content, Motion, render
from sim2real.report.provenance import commands, provenance_rows
from sim2real.report.recorded import Recorded, read_recordings
from sim2real.report.shown import Shown
from sim2real.report.side_by_side import side_by_side
from sim2real.report.tasks_table import task_table, tasks_csv

REPORT, FIGURES = "report.html", "figures"
_SIMULATED_TIME = (
    "Simulated time stands still while the policy works, so that there are no ages or deadlines."
)


def report(
    folder: Annotated[Path, tyro.conf.Positional],
    compare: Path | None = None,
) -> None:
    """Write FOLDER/report.html about the evaluation in FOLDER, and FOLDER/figures/*.csv.

    Args:
        folder: what `taskbelief evaluate --out` wrote.
        compare: another evaluation of the same bundle, as in simulation, to draw beside it.
    """
    print(write_report(folder, compare=compare))


def write_report(folder: Path, *, compare: Path | None = None) -> Path:
    """Write the page and its figures' numbers, each beside its target and renamed.

    Returns the page's path. Raises `BadInput` for results or recordings that cannot be read.
    """
    evaluation = read_evaluation(folder)
    content, tables = _content(evaluation, compare)
    for name, table in tables.items():
        write_csv(folder / FIGURES, name, table)
    page = folder / REPORT
    beside = page.with_name(page.name + ".part")
    beside.write_text(render(content), encoding="utf-8")
    beside.replace(page)
    return page


def _content(
    evaluation: EvaluationFolder, compare: Path | None
) -> tuple[Content, dict[str, Table]]:
    """What the page holds, and the tables behind it by name."""
    results = evaluation.results
    compared = None if compare is None else read_evaluation(compare).results
    recorded = read_recordings(evaluation.recordings)
    trials = adapted_trials(recorded.traces)
    in_real_time = results["robot"] != "simulated"
    kl, belief = _belief_figures(trials, evaluation)
    motion = _motion(trials)
    figures = {
        "adaptation": _adaptation(results, compared),
        "belief": belief,
        "kl": kl,
        "latency": latency_figure(recorded.timing, in_real_time=in_real_time),
    }
    shown = Shown(results, "results")
    evidence, safety = (
        count_table(shown, "evidence", MEANINGS),
        count_table(shown, "safety_events", {}),
    )
    faults = _faults(results["faults"])
    content = Content(
        shown=shown,
        date=recorded.recorded_at[0][:10] if recorded.recorded_at else "",
        **figures,
        tasks=task_table(shown) if results["per_task"] else None,
        tasks_csv=tasks_csv(results),
        gap=None,
        compared=side_by_side(shown, Shown(compared, "compared")) if compared else None,
        missed=_missed(recorded) if in_real_time else "",
        timing_note="" if in_real_time else _SIMULATED_TIME,
        evidence=evidence,
        safety=safety,
        faults=faults,
        motion=motion,
        provenance=provenance_rows(results, recorded.recorded_at),
        commands=commands(results, evaluation.path.as_posix()),
        warnings=_warnings(evaluation, recorded),
        documents={"results": results, **({"compared": compared} if compared else {})},
        has_episodes=evaluation.has_episodes,
        no_recordings=_no_recordings(evaluation),
    )
    drawn = [*figures.values(), motion.figure if motion else None]
    tables = {figure.name: figure.table for figure in drawn if figure is not None}
    tables |= {counts.name: counts.table for counts in (evidence, safety) if counts.rows}
    tables |= {"tasks": content.tasks_csv} if content.tasks else {}
    return content, tables | ({"faults": faults} if faults else {})


def _adaptation(results: Mapping[str, Any], compared: Mapping[str, Any] | None) -> Figure | None:
    if not results["adapted_by_episode"]:
        return None
    names = [robot_label(each["robot"]) for each in (results, compared) if each]
    return adaptation_figure(results, compared, names=names)


def _belief_figures(
    trials: Mapping[str, list[EpisodeTrace]], evaluation: EvaluationFolder
) -> tuple[Figure | None, Figure | None]:
    """KL and latents; none without recordings, and none for a policy that believes nothing."""
    believing = {task: trial for task, trial in trials.items() if trial[0].belief_mean.shape[1] > 0}
    if not believing:
        return None, None
    return kl_figure(believing), belief_figure(believing, evaluation.parameters)


def _motion(trials: Mapping[str, list[EpisodeTrace]]) -> Motion | None:
    chosen = dict(list(trials.items())[:MAX_TASKS])
    if not chosen:
        return None
    data, note = animation_data(chosen, load_robot_spec())
    return Motion(figure=motion_figure(chosen), data=data, note=note, first=_most_changed(chosen))


def _most_changed(trials: Mapping[str, list[EpisodeTrace]]) -> int:
    """The task in which success was held longest in the last episode, compared with the first."""
    gains = [trial[-1].is_success.mean() - trial[0].is_success.mean() for trial in trials.values()]
    return int(np.argmax(gains))


def _faults(faults: Sequence[Mapping[str, Any]]) -> Table | None:
    if not faults:
        return None
    columns = tuple(dict.fromkeys(name for fault in faults for name in fault))
    return Table(
        columns=columns, rows=[[str(fault.get(name, "")) for name in columns] for fault in faults]
    )


def _missed(recorded: Recorded) -> str:
    timing = recorded.timing
    if not timing.num_ticks:
        return ""
    return f"{timing.num_missed} of {timing.num_ticks + timing.num_missed} deadlines were missed"


def _warnings(evaluation: EvaluationFolder, recorded: Recorded) -> list[str]:
    """What a reader has to know before believing the rest."""
    warnings, results = [], evaluation.results
    num_tasks = [int(row.get("tasks", results["tasks"])) for row in results["adapted_by_episode"]]
    num_whole = min(num_tasks, default=0)
    if num_whole < results["tasks"]:
        warnings.append(
            f"The evaluation is not finished: {num_whole} of {results['tasks']} tasks are."
        )
    if evaluation.missing:
        names = ", ".join(evaluation.missing[:3])
        more = "" if len(evaluation.missing) <= 3 else f" and {len(evaluation.missing) - 3} more"
        warnings.append(f"Recordings are missing: {names}{more}.")
    num_episodes = sum(len(row["episodes"]) for row in results["per_task"])
    num_traces = sum(trace.condition == "adapted" for trace in recorded.traces)
    if evaluation.recordings and num_traces < num_episodes:
        warnings.append(
            "Figures over time are of the recorded episodes only: "
            f"{num_traces} of {num_episodes} adapted ones."
        )
    return warnings


def _no_recordings(evaluation: EvaluationFolder) -> str:
    if evaluation.recordings:
        return "The policy keeps no belief."
    return "Nothing was recorded: there are no beliefs over time and no motion to show."
