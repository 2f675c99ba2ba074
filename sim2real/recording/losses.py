"""What is known to be missing in a recording, so that whoever uses it can say so.

Known are: a file that was torn off, files of a bag that are not there, messages that the recorder
counted or that the file's own numbers leave out, and what is missing in between: readings, ticks
and steps are numbered by those who made them, and a policy says when an episode begins and ends.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim2real.recording.columns import Columns
from sim2real.recording.episodes import Episode
from sim2real.recording.metadata import SCRIPT
from sim2real.recording.reader import Recorded, RecordingData

NUM_SHOWN = 4
"""recordings that are named one by one, and episodes of one"""


@dataclass(frozen=True, kw_only=True)
class Losses:
    """What one recording lacks, as far as it is known."""

    torn_after_s: float | None
    """seconds from its first message to its last, where it was torn off; None where it is whole"""
    messages: Mapping[str, int]
    """at least so many are missing, by topic"""
    episodes: tuple[str, ...]
    """what is missing of which episodes, a sentence each"""
    files: tuple[str, ...]
    """names of files of the bag that are not there"""

    def __bool__(self) -> bool:
        return bool(self.notes)

    @property
    def notes(self) -> list[str]:
        """For a person, a sentence each; none where everything is here."""
        notes = []
        if self.torn_after_s is not None:
            notes.append(f"torn off or damaged after {self.torn_after_s:.1f} s: the rest is lost")
        if self.files:
            notes.append(f"files of the bag are not there: {', '.join(self.files)}")
        if self.messages:
            counts = ", ".join(f"{count} {topic}" for topic, count in self.messages.items())
            notes.append(f"messages are missing: {counts}")
        notes += self.episodes[:NUM_SHOWN]
        if len(self.episodes) > NUM_SHOWN:
            notes.append(f"and {len(self.episodes) - NUM_SHOWN} more episodes lack something")
        return notes

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "torn_after_s": self.torn_after_s,
            "messages": dict(self.messages),
            "episodes": list(self.episodes),
            "files": list(self.files),
        }


def losses_of(recording: RecordingData, found: Sequence[Episode]) -> Losses:
    """`found` are the episodes of this recording."""
    inside = Counter[str]()
    for episode in found:
        inside.update(_lost_in_episode(episode))
    if SCRIPT in recording.more:
        inside.update(_lost_in_script(recording))
    # A message that the recorder missed is missing in its episode too: it counts once.
    topics = [*recording.missing, *(topic for topic in inside if topic not in recording.missing)]
    messages = {name: max(recording.missing.get(name, 0), inside[name]) for name in topics}
    seconds = (recording.end_ns - recording.start_ns) * 1e-9
    return Losses(
        torn_after_s=None if recording.is_whole else seconds,
        # What was not recorded at all is not lost.
        messages={
            name: count
            for name, count in messages.items()
            if count > 0 and (name in recording.missing or recording.counts.get(name))
        },
        episodes=tuple(_broken_episodes(recording, found)),
        files=recording.absent,
    )


def joint_notes(losses: Mapping[str, Losses]) -> list[str]:
    """Of several recordings by name: the first ones, and how many more there are."""
    lossy = {name: one for name, one in losses.items() if one}
    notes = [
        f"{name}: {note}" for name, one in list(lossy.items())[:NUM_SHOWN] for note in one.notes
    ]
    if len(lossy) > NUM_SHOWN:
        counts = Counter[str]()
        for one in lossy.values():
            counts.update(one.messages)
        shown = ", ".join(f"{count} {topic}" for topic, count in counts.items()) or "no messages"
        num_torn = sum(one.torn_after_s is not None for one in lossy.values())
        notes.append(
            f"{len(lossy) - NUM_SHOWN} more recordings lack something; "
            f"all {len(lossy)} together: {num_torn} torn off or damaged, missing {shown}"
        )
    return notes


# ---- numbered messages -------------------------------------------------------------------------


def _lost_in_episode(episode: Episode) -> dict[str, int]:
    """Between the first reading and the last one. Nothing else has the hand meanwhile, so that
    every reading and every tick is told.
    """
    steps = np.unique(episode.steps["tick"].astype(np.int64))
    whole = len(steps)
    if episode.result is not None and episode.result.outcome == "completed":
        whole = episode.result.num_steps + 1
    about = {int(stamp) for stamp in episode.steps["reading_ns"]}
    read = {int(stamp) for stamp in episode.hand.get("reading_ns", ())}
    believed = {int(stamp) for stamp in episode.beliefs.get("reading_ns", ())}
    return {
        "policy_step": max(whole - len(steps), int(steps[-1]) + 1 - len(steps)),
        "belief": len(about - believed),
        "hand_reading": max(len(about - read), _left_out(episode.hand, "sequence")),
        "control_tick": _left_out(episode.ticks, "number", explained="num_missed"),
    }


def _lost_in_script(recording: RecordingData) -> dict[str, int]:
    """A script moves the hand from the first message to the last."""
    lost = {}
    for topic, number, explained in (
        ("hand_reading", "sequence", ""),
        ("control_tick", "number", "num_missed"),
    ):
        if recording.counts.get(topic):
            lost[topic] = _left_out(recording.columns(topic), number, explained=explained)
    return lost


def _left_out(columns: Columns, name: str, *, explained: str = "") -> int:
    """Numbers that are skipped on the way up; those that another column explains are not."""
    if name not in columns:
        return 0
    numbers: NDArray[np.int64] = columns[name].astype(np.int64)
    steps = numbers[1:] - numbers[:-1] - 1
    if explained:
        steps = steps - columns[explained][1:].astype(np.int64)
    return int(np.maximum(steps, 0).sum())


# ---- episodes ----------------------------------------------------------------------------------


def _broken_episodes(recording: RecordingData, found: Sequence[Episode]) -> list[str]:
    """Which episodes are not here from their beginning to their end."""
    starts = list(recording.messages("episode_start"))
    results = list(recording.messages("trial_result"))
    begun, ended = map(_named, (starts, results))
    here = Counter(_name(one.start) for one in found)
    closed = Counter(_name(one.start) for one in found if one.result is not None)
    stopped = {name for name, result in ended.items() if result.outcome != "completed"}
    broken = [
        f"{name}: its steps are not here"
        for name in begun
        if not here[name] and name not in stopped  # by a fault before the first one
    ]
    broken += [f"{name}: its end is not here" for name in here if here[name] > closed[name]]
    broken += [
        f"{name}: its beginning is not here"
        for name, result in ended.items()
        if result.outcome == "completed" and name not in begun
    ]
    return broken + _left_out_episodes(starts)


def _left_out_episodes(starts: Sequence[Recorded]) -> list[str]:
    """Episodes of a trial follow each other."""
    broken = []
    for one, other in itertools.pairwise(starts):
        before, after = one.message, other.message
        if _trial(before) == _trial(after) and after.episode > before.episode + 1:
            first, last = before.episode + 1, after.episode - 1
            numbers = f"episode {first}" if first == last else f"episodes {first} to {last}"
            broken.append(f"{_trial_name(after)}: {numbers} not here")
    return broken


def _named(recorded: Sequence[Recorded]) -> dict[str, Any]:
    return {_name(item.message): item.message for item in recorded}


def _name(start: Any) -> str:
    return f"{_trial_name(start)}.{start.episode}"


def _trial_name(start: Any) -> str:
    return f"{start.task or 'no task'} {start.condition} {start.trial}"


def _trial(start: Any) -> tuple[Any, ...]:
    names = ("robot", "task", "condition", "trial", "trial_seed")
    return tuple(getattr(start, name) for name in names)
