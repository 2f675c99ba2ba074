"""What recordings add to the results: readings and beliefs over time, and the loop's timing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sim2real.contract.quantity import Quantity
from sim2real.recording.episodes import Episode, episodes
from sim2real.recording.losses import Losses, joint_notes, losses_of
from sim2real.recording.reader import RecordingData, read_recording
from sim2real.report.episode_trace import EpisodeTrace
from sim2real.report.latency import Timing, timing_of
from sim2real.report.seen import seen_in
from sim2real.runtime.kinds.registry import quantities_told


@dataclass(frozen=True, kw_only=True, eq=False)
class Recorded:
    """All recordings of an evaluation together."""

    traces: Sequence[EpisodeTrace]
    """completed episodes; of one that was run again, the last"""
    timing: Timing
    recorded_at: tuple[str, ...]
    """when each recording began, ISO 8601, in order"""
    notes: Sequence[str] = ()
    """what is known to be missing in them"""


def read_recordings(paths: Sequence[Path], namespace: str | None = None) -> Recorded:
    """`namespace` is the robot's where recordings hold several.

    Raises `BadInput` for a file that is no recording.
    """
    latest: dict[tuple[str, str, int, int], tuple[int, EpisodeTrace]] = {}
    ticks, steps, moments, lost = [], [], [], dict[str, Losses]()
    for path in paths:
        recording = read_recording(path, namespace)
        if recording.metadata is not None:
            moments.append(recording.metadata.recorded_at)
        skill, quantities = _told(recording)
        found = list(episodes(recording))
        lost[path.name] = losses_of(recording, found)
        for episode in found:
            ticks.append(episode.ticks)
            steps.append(episode.steps)
            trace = _trace(episode, skill, quantities)
            if trace is not None:
                when = int(episode.steps["log_ns"][-1])
                latest[trace.key] = max(latest.get(trace.key, (0, trace)), (when, trace), key=_when)
    return Recorded(
        traces=[trace for _, trace in latest.values()],
        timing=timing_of(ticks, steps),
        recorded_at=tuple(sorted(moments)),
        notes=joint_notes(lost),
    )


def _when(entry: tuple[int, EpisodeTrace]) -> int:
    return entry[0]


def _told(recording: RecordingData) -> tuple[str, tuple[Quantity, ...]]:
    """What the policy was asked to do, and of what it believes; empty where nobody said."""
    for item in recording.messages("bundle_info"):
        return str(item.message.skill), quantities_told(str(item.message.manifest_json))
    return "", ()


def _trace(episode: Episode, skill: str, quantities: tuple[Quantity, ...]) -> EpisodeTrace | None:
    """None for an episode that was not completed, or of which too little was recorded."""
    if episode.result is None or episode.result.outcome != "completed":
        return None
    rows = _rows_with_everything(episode)
    if len(rows[0]) < 2:
        return None
    steps, believed, hands = (
        {name: column[place] for name, column in columns.items()}
        for columns, place in zip((episode.steps, episode.beliefs, episode.hand), rows, strict=True)
    )
    elapsed_s = (steps["reading_ns"] - steps["reading_ns"][0]) * 1e-9
    return EpisodeTrace(
        task=episode.start.task,
        condition=episode.start.condition,
        trial=episode.start.trial,
        episode=episode.start.episode,
        skill=skill,
        elapsed_s=elapsed_s,
        position_rad=hands["position_rad"],
        object_position_rad=hands["object_position_rad"],
        goal=np.array([episode.start.goal(float(elapsed)) for elapsed in elapsed_s]),
        belief_mean=believed["mean"],
        belief_variance=believed["variance"],
        num_transitions=believed["num_transitions"].astype(np.int64),
        kl_from_prior=believed["kl_from_prior"],
        is_success=steps["is_success"],
        seen=seen_in(episode),
        quantities=quantities if believed["mean"].shape[1:] == (len(quantities),) else (),
    )


def _rows_with_everything(episode: Episode) -> list[list[int]]:
    """Rows of steps, beliefs and readings that are about the same measurements."""
    places = [
        {int(stamp): row for row, stamp in enumerate(columns.get("reading_ns", []))}
        for columns in (episode.steps, episode.beliefs, episode.hand)
    ]
    shared = [stamp for stamp in places[0] if all(stamp in place for place in places)]
    return [[place[stamp] for stamp in shared] for place in places]
