"""What a page holds, worked out from everything that was read for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sim2real.contract.robot_spec import RobotSpec
from sim2real.report.adaptation import adaptation_figure
from sim2real.report.animation import MAX_TASKS, animation_data, motion_figure
from sim2real.report.beliefs import belief_figure, kl_figure
from sim2real.report.believed import believed_at_the_end
from sim2real.report.episode_trace import EpisodeTrace, adapted_trials
from sim2real.report.evaluation_folder import EvaluationFolder
from sim2real.report.events import MEANINGS, count_table
from sim2real.report.figure import Figure, Table
from sim2real.report.gap import Gap
from sim2real.report.grid import Grid
from sim2real.report.headline import robot_label
from sim2real.report.latency import Timing, latency_figure
from sim2real.report.page import Content, Motion
from sim2real.report.provenance import commands, provenance_rows
from sim2real.report.recorded import Recorded
from sim2real.report.seen import MAX_TASKS_SEEN, seen_figure
from sim2real.report.shown import Shown
from sim2real.report.side_by_side import side_by_side
from sim2real.report.tasks_table import task_table, tasks_csv

Results = Mapping[str, Any]
_SIMULATED_TIME = (
    "Simulated time stands still while the policy works, so that there are no ages or deadlines."
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Sources:
    """Everything that a page is made of."""

    evaluation: EvaluationFolder
    recorded: Recorded
    compared: Results | None
    """results of another evaluation"""
    gap: Gap | None
    spec: RobotSpec
    """the hand, whose fingers are drawn"""


def page_content(sources: Sources) -> Content:
    """All parts of the page."""
    evaluation, recorded = sources.evaluation, sources.recorded
    results, compared, gap = evaluation.results, sources.compared, sources.gap
    in_real_time = results["robot"] != "simulated"
    trials = adapted_trials(recorded.traces)
    kl, belief, believed = _beliefs(trials, evaluation)
    shown = Shown(results, "results")
    documents = {"results": results}
    documents |= {} if compared is None else {"compared": compared}
    documents |= {} if gap is None else {"gap": gap.document}
    return Content(
        shown=shown,
        date=recorded.recorded_at[0][:10] if recorded.recorded_at else "",
        adaptation=_adaptation(results, compared),
        belief=belief,
        kl=kl,
        believed=believed,
        tasks=task_table(shown) if results["per_task"] else None,
        tasks_csv=tasks_csv(results),
        gap=gap,
        compared=None if compared is None else side_by_side(shown, Shown(compared, "compared")),
        latency=latency_figure(recorded.timing, in_real_time=in_real_time),
        missed=_missed(recorded.timing) if in_real_time else "",
        timing_note="" if in_real_time else _SIMULATED_TIME,
        evidence=count_table(shown, "evidence", MEANINGS),
        safety=count_table(shown, "safety_events", {}),
        faults=_faults(results["faults"]),
        motion=_motion(trials, sources.spec),
        seen=seen_figure(dict(list(trials.items())[:MAX_TASKS_SEEN])),
        provenance=provenance_rows(results, recorded.recorded_at),
        commands=commands(results, evaluation.path.as_posix()),
        warnings=_warnings(evaluation, recorded),
        documents=documents,
        has_episodes=evaluation.has_episodes,
        no_recordings=_no_recordings(evaluation, recorded),
    )


def _adaptation(results: Results, compared: Results | None) -> Figure | None:
    if not results["adapted_by_episode"]:
        return None
    names = [robot_label(each["robot"]) for each in (results, compared) if each]
    return adaptation_figure(results, compared, names=names)


def _beliefs(
    trials: Mapping[str, list[EpisodeTrace]], evaluation: EvaluationFolder
) -> tuple[Figure | None, Figure | None, Grid | None]:
    """KL, what is believed, and how it ends beside the truth.

    None without recordings or for a policy that believes nothing; no end where a belief has no
    words. Of a real hand's task nobody knows the truth, whatever the task set says.
    """
    believing = {
        task: trial
        for task, trial in trials.items()
        if trial[0].belief_mean.shape[1] > 0 and trial[-1].num_transitions[-1] > 0
    }
    if not believing:
        return None, None, None
    parameters = evaluation.parameters
    known = {} if evaluation.results["robot"] == "serial" else parameters
    figure = belief_figure(believing, parameters, known)
    return kl_figure(believing), figure, believed_at_the_end(believing, known)


def _motion(trials: Mapping[str, list[EpisodeTrace]], spec: RobotSpec) -> Motion | None:
    chosen = dict(list(trials.items())[:MAX_TASKS])
    if not chosen:
        return None
    data, note = animation_data(chosen, spec)
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


def _missed(timing: Timing) -> str:
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
    warnings += [f"{note[:1].upper()}{note[1:]}." for note in results.get("notes", ())]
    warnings += [f"In {note}." for note in recorded.notes]
    num_episodes = sum(len(row["episodes"]) for row in results["per_task"])
    num_traces = sum(trace.condition == "adapted" for trace in recorded.traces)
    if evaluation.recordings and num_traces < num_episodes:
        warnings.append(
            "Figures over time are of the recorded episodes only: "
            f"{num_traces} of {num_episodes} adapted ones."
        )
    return warnings


def _no_recordings(evaluation: EvaluationFolder, recorded: Recorded) -> str:
    """Why there is nothing to show over time."""
    if not evaluation.recordings:
        return "Nothing was recorded: there are no beliefs over time and no motion to show."
    if not recorded.traces:
        return "No episode was recorded to its end."
    return "The policy keeps no belief, or nothing became evidence."
