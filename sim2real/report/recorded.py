"""What recordings add to the results: readings and beliefs over time, and the loop's timing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sim2real.recording.reader import RecordingData, read_recording
from sim2real.report.episode_trace import EpisodeTrace
from sim2real.report.latency import Timing, timing_of
from sim2real.skills.goal import GoalSignal

_POLICY_TOPICS = ("bundle_info", "episode_start", "hand_reading", "policy_step", "belief")
_TICK_FIELDS = ("number", "started_ns", "reading_ns", "written_ns", "answers_ns", "num_missed")


@dataclass(frozen=True, kw_only=True, eq=False)
class Recorded:
    """All recordings of an evaluation together."""

    traces: Sequence[EpisodeTrace]
    """episodes that came to their end; of one that was run again, the last"""
    timing: Timing


def read_recordings(paths: Sequence[Path]) -> Recorded:
    """Raises `BadInput` for a file that is no recording."""
    traces: dict[tuple[str, str, int, int], tuple[int, EpisodeTrace]] = {}
    ticks = []
    for path in paths:
        recording = read_recording(path)
        ticks.append(_ticks(recording))
        for log_ns, trace in _episodes(recording):
            if trace.key not in traces or traces[trace.key][0] <= log_ns:
                traces[trace.key] = (log_ns, trace)
    return Recorded(traces=[trace for _, trace in traces.values()], timing=timing_of(ticks))


def _ticks(recording: RecordingData) -> dict[str, Any]:
    rows = [
        [getattr(item.message, name) for name in _TICK_FIELDS]
        for item in recording.messages("control_tick")
    ]
    table = np.array(rows, np.int64).reshape(-1, len(_TICK_FIELDS))
    return dict(zip(_TICK_FIELDS, table.T, strict=True))


@dataclass(kw_only=True)
class _Episode:
    """One that is being read."""

    start: Any
    """its EpisodeStart"""
    log_ns: int
    steps: list[Any] = field(default_factory=list)
    """its PolicySteps"""


def _episodes(recording: RecordingData) -> Iterator[tuple[int, EpisodeTrace]]:
    """When each complete episode began, and its trace.

    Stamps of a simulation begin anew with every episode, so readings and beliefs are looked up as
    soon as an episode is over.
    """
    readings: dict[int, Any] = {}
    beliefs: dict[int, Any] = {}
    skill, episode = "", None
    for topic, log_ns, message in recording.messages(*_POLICY_TOPICS):
        if topic == "bundle_info":
            skill = message.skill
        elif topic == "hand_reading":
            readings[message.reading_ns] = message
        elif topic == "belief":
            beliefs[message.reading_ns] = message
        elif topic == "policy_step":
            if episode is not None:
                episode.steps.append(message)
        else:
            yield from _finished(episode, readings, beliefs, skill)
            episode = _Episode(start=message, log_ns=log_ns)
    yield from _finished(episode, readings, beliefs, skill)


def _finished(
    episode: _Episode | None, readings: dict[int, Any], beliefs: dict[int, Any], skill: str
) -> Iterable[tuple[int, EpisodeTrace]]:
    """The episode, unless it was cut short."""
    if episode is None or not episode.steps or not episode.steps[-1].is_last:
        return []
    steps = [s for s in episode.steps if s.reading_ns in readings and s.reading_ns in beliefs]
    if len(steps) < 2:
        return []
    hands = [readings[step.reading_ns] for step in steps]
    believed = [beliefs[step.reading_ns] for step in steps]
    start = episode.start
    goal = GoalSignal(
        centre=np.array(start.goal_centre),
        amplitude=np.array(start.goal_amplitude),
        frequency_rad_s=np.array(start.goal_frequency_rad_s),
    )
    elapsed_s = np.array([step.reading_ns - steps[0].reading_ns for step in steps]) * 1e-9
    trace = EpisodeTrace(
        task=start.task,
        condition=start.condition,
        trial=start.trial,
        episode=start.episode,
        skill=skill,
        elapsed_s=elapsed_s,
        position_rad=np.array([hand.position_rad for hand in hands]),
        object_position_rad=np.array([hand.object_position_rad for hand in hands]),
        goal=np.array([goal(float(elapsed)) for elapsed in elapsed_s]),
        belief_mean=np.array([belief.mean for belief in believed], np.float64),
        belief_variance=np.array([belief.variance for belief in believed], np.float64),
        num_transitions=np.array([belief.num_transitions for belief in believed], np.int64),
        kl_from_prior=np.array([belief.kl_from_prior for belief in believed]),
        is_success=np.array([step.is_success for step in steps], np.bool_),
    )
    return [(episode.log_ns, trace)]
