"""A recording cut into episodes.

A recorder gets every topic in order, but not one topic in step with another, and simulated stamps
may begin anew with every task. So messages are put together by what they say: a step belongs to
the latest start of its episode, a reading to the steps that name its stamp.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from sim2real.contract.camera import Frame
from sim2real.contract.joint_io import Reading
from sim2real.recording.columns import Columns, columns_of
from sim2real.recording.reader import Recorded, RecordingData
from sim2real.recording.received import (
    episode_outcome_of,
    episode_start_of,
    frame_of,
    hand_state_of,
)
from sim2real.runtime.hand_state import HandState
from sim2real.runtime.policy_runner import EpisodeOutcome, EpisodeStart


@dataclass(frozen=True, kw_only=True, eq=False)
class Episode:
    """One episode of a recording, from the reading that it starts at to the one that ended it."""

    start: EpisodeStart
    result: EpisodeOutcome | None
    """None where the recording ends before it"""
    trial_count: int
    """as the policy counts trials: equal numbers in a row are one trial"""
    steps: Columns
    """of `policy_step`, (T, ...): every tick, the one that decided nothing included"""
    beliefs: Columns
    """of `belief`, after each of these ticks"""
    hand: Columns
    """of `hand_reading`: all readings of the episode, also those between two ticks"""
    states: tuple[HandState, ...]
    """the same as the policy was told them"""
    ticks: Columns
    """of `control_tick`, from the one that took the first of these readings"""
    targets: Columns
    """of `joint_targets`, in answer to these readings; empty in one process"""
    frames: Mapping[int, Frame]
    """what the policy saw, by the stamp of the reading that it was acted on with; empty where it
    is blind"""

    @property
    def readings(self) -> tuple[Reading, ...]:
        return tuple(state.reading for state in self.states)


def episodes(recording: RecordingData) -> Iterator[Episode]:
    """Every episode of which the start and at least one step were recorded, in order."""
    policy = list(recording.messages("episode_start", "policy_step", "trial_result"))
    streams = {name: _Stream(list(recording.messages(name))) for name in _STREAMS}
    for start, steps, result in _grouped(policy):
        stamps = [item.message.reading_ns for item in steps]
        found = {name: stream.take(stamps) for name, stream in streams.items()}
        yield Episode(
            start=episode_start_of(start.message),
            result=None if result is None else episode_outcome_of(result.message),
            trial_count=steps[0].message.trial,
            steps=columns_of(steps),
            beliefs=columns_of(found["belief"]),
            hand=columns_of(found["hand_reading"]),
            states=tuple(hand_state_of(item.message) for item in found["hand_reading"]),
            ticks=columns_of(found["control_tick"]),
            targets=columns_of(found["joint_targets"]),
            frames={
                item.message.reading_ns: frame_of(item.message) for item in found["policy_frame"]
            },
        )


_STREAMS = ("hand_reading", "belief", "control_tick", "joint_targets", "policy_frame")


class _Stream:
    """The messages of a topic that name a reading, handed out episode by episode."""

    def __init__(self, items: list[Recorded]) -> None:
        self._items, self._next = items, 0

    def take(self, stamps: list[int]) -> list[Recorded]:
        """From the first message about one of these readings to the last one about any up to
        the last of them; messages about no reading at all are in between.
        """
        numbers = [item.message.reading_ns for item in self._items[self._next :]]
        wanted, last = set(stamps), stamps[-1]
        begin = next((row for row, number in enumerate(numbers) if number in wanted), len(numbers))
        end, latest = begin, 0
        for number in numbers[begin:]:
            # A stamp that is earlier than the one before is of another task's simulation.
            if number > last or latest > number > 0 or (number == 0 and latest == last):
                break
            latest = max(latest, number)
            end += 1
        found = self._items[self._next + begin : self._next + end]
        self._next += end if found else 0
        return found


class _Run(NamedTuple):
    """Steps of one episode, in a row."""

    steps: list[Recorded]
    end: int
    """place of the last one in the recording"""


def _grouped(
    policy: list[Recorded],
) -> Iterator[tuple[Recorded, list[Recorded], Recorded | None]]:
    """Start, steps and result of every episode; `policy` is in the order of the recording."""
    places = [row for row, item in enumerate(policy) if item.topic == "episode_start"]
    owned: dict[int, _Run] = {}
    for run in _runs(policy):
        # Its start may come in after its first steps, but not after its last.
        before = [row for row in places if row < run.end]
        if before and policy[before[-1]].message.episode == run.steps[0].message.episode:
            owned.setdefault(before[-1], run)
    for place, following in zip(places, [*places[1:], len(policy)]):
        if place in owned:
            start = policy[place]
            results = (
                item
                for item in policy[place:following]
                if item.topic == "trial_result" and _key(item) == _key(start)
            )
            yield start, owned[place].steps, next(results, None)


def _runs(policy: list[Recorded]) -> list[_Run]:
    runs: list[_Run] = []
    for row, item in enumerate(policy):
        if item.topic != "policy_step":
            continue
        if not runs or not _follows(runs[-1].steps[-1].message, item.message):
            runs.append(_Run([], row))
        runs[-1].steps.append(item)
        runs[-1] = runs[-1]._replace(end=row)
    return runs


def _follows(one: Any, other: Any) -> bool:
    """Whether a step may be of the same episode as the one before; in between some may be lost."""
    is_same = (one.trial, one.episode) == (other.trial, other.episode)
    return is_same and bool(other.tick > one.tick)


def _key(item: Recorded) -> tuple[Any, ...]:
    message = item.message
    return tuple(getattr(message, name) for name in (*_LABELS, "episode", "episode_seed"))


_LABELS = ("robot", "task", "condition", "trial")
