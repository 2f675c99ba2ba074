"""The results of an evaluation from its recordings alone: what was shown can be checked.

Rewards and successes are added up again from the steps of the policy, and have to agree with what
was noted when the episode ended; where steps are known to be missing, what was noted counts. What
was never on a bench is in no recording: an oracle's episodes, and a bench that could not be made
ready.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from sim2real.contract.errors import BadInput
from sim2real.evaluation.header import Header
from sim2real.evaluation.recorder import HEADER_RECORD
from sim2real.evaluation.records import EpisodeRecord
from sim2real.evaluation.results import results_document
from sim2real.evaluation.tally import TallyKeeper
from sim2real.recording.episodes import episodes
from sim2real.recording.losses import Losses, joint_notes, losses_of
from sim2real.recording.reader import RecordingData, read_recording
from sim2real.recording.writer import PART, SUFFIX

TOPICS = ("episode_start", "policy_step", "belief", "control_tick", "safety_event", "trial_result")


def recompute_results(folder: Path) -> dict[str, Any]:
    """What `results.json` holds, from the recordings in a folder.

    What is known to be missing is in its `notes`. Raises `BadInput` where there are no recordings,
    where they are of different evaluations, and where one contradicts itself.
    """
    read = read_records(folder)
    return results_document(read.header, read.records, read.notes)


class ReadRecords(NamedTuple):
    """What the recordings of an evaluation hold."""

    header: Header
    records: list[EpisodeRecord]
    """episodes in the order in which they ended"""
    notes: list[str]
    """what is known to be missing in the recordings"""


def read_records(folder: Path) -> ReadRecords:
    """What was measured, and its episodes. See above."""
    paths = [*folder.glob(f"*{SUFFIX}"), *folder.glob(f"*{SUFFIX}{PART}")]
    if not paths:
        raise BadInput(str(folder), "recordings", found="none", expected=f"files called *{SUFFIX}")
    headers, ended, lost = set[str](), list[_Ended](), dict[str, Losses]()
    for path in sorted(paths):
        recording = read_recording(path)
        headers.add(recording.more.get(HEADER_RECORD, {}).get("header", ""))
        lost[path.name] = losses = losses_of(recording, list(episodes(recording)))
        ended += _ended(recording, losses)
    if len(headers) != 1 or "" in headers:
        found = f"{len(headers)} evaluations, or none named"
        raise BadInput(str(folder), "header", found=found, expected="the same in all recordings")
    ended.sort(key=lambda one: one.log_ns)
    header = Header.from_json(headers.pop(), str(folder))
    records = _once([one.record for one in ended])
    return ReadRecords(header, records, joint_notes(lost))


def _once(records: list[EpisodeRecord]) -> list[EpisodeRecord]:
    """Without completed episodes that were run again: a kill came before the journal's line."""
    last = {record.key: record for record in records if record.is_completed}
    return [one for one in records if not one.is_completed or last[one.key] is one]


class _Ended(NamedTuple):
    record: EpisodeRecord
    log_ns: int
    """when that was recorded"""


def _ended(recording: RecordingData, losses: Losses) -> Iterator[_Ended]:
    """The episodes of one trial that have ended, completed or not."""
    keeper, rewards, successes = TallyKeeper(), list[float](), list[bool]()
    for topic, log_ns, message in recording.messages(*TOPICS):
        if topic == "episode_start":
            rewards, successes = [], []
            keeper.episode_begins()
        elif topic == "policy_step":
            keeper.step(message, is_evidence=not message.rejection)
            if message.tick > 0:
                rewards.append(message.reward)
                successes.append(message.is_success)
        elif topic == "belief":
            counts = zip(message.rejection_causes, message.rejection_counts, strict=True)
            keeper.rejections(dict(counts))
        elif topic == "control_tick":
            keeper.tick(message)
        elif topic == "safety_event":
            keeper.event(message.cause)
        else:
            keeper.episode_ends()
            if "policy_step" not in losses.messages:
                _require_agreement(recording, message, rewards, successes)
            yield _Ended(_record(recording, message, keeper), log_ns)
            rewards, successes = [], []


def _require_agreement(
    recording: RecordingData, result: Any, rewards: list[float], successes: list[bool]
) -> None:
    """Raise `BadInput` where the steps do not add up to the result."""
    share = sum(successes) / len(successes) if successes else 0.0
    last = bool(successes) and successes[-1]
    for field, value in (
        ("total_reward", sum(rewards)),
        ("success_fraction", share),
        ("is_success", last),
    ):
        stated = getattr(result, field)
        if stated != value:
            where = f"{field} of episode {result.episode}"
            expected = f"{value}, which its steps add up to"
            raise BadInput(str(recording.path), where, found=stated, expected=expected)


def _record(recording: RecordingData, result: Any, keeper: TallyKeeper) -> EpisodeRecord:
    tally = keeper.take()
    return EpisodeRecord(
        task=result.task,
        condition=result.condition,
        trial=result.trial,
        episode=result.episode,
        seed=result.episode_seed,
        total_reward=result.total_reward,
        is_success=result.is_success,
        success_fraction=result.success_fraction,
        num_steps=result.num_steps,
        num_transitions=result.num_transitions,
        kl_from_prior=result.kl_from_prior,
        outcome="completed" if result.outcome == "completed" else "fault",
        reason=result.reason,
        evidence=dict(tally.evidence),
        safety_events=dict(tally.safety_events),
        latency_ns={stage: tuple(values) for stage, values in tally.latency_ns.items()},
        recording=recording.path.name.removesuffix(PART),
    )
