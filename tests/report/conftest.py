"""A small evaluation on disk, as `taskbelief evaluate` leaves it, with numbers that are made up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim2real.contract.robot_spec import load_robot_spec
from sim2real.evaluation.header import Header
from sim2real.evaluation.records import EpisodeRecord
from sim2real.evaluation.results import write_results
from sim2real.recording.metadata import RecordingMetadata
from sim2real.recording.schemas import fields
from sim2real.recording.writer import Recording

NUM_EPISODES, NUM_STEPS, PERIOD_NS = 3, 6, 100_000_000
HELD_STEP = 4
"""at which nobody had an answer"""
TASKS = {
    "test/0": {"target_angle": (-0.6,), "servo_stiffness": (1.1, 0.9, 1.2)},
    "test/1": {"target_angle": (0.4,), "servo_stiffness": (0.7, 1.3, 0.8)},
    "test/10": {"target_angle": (0.5,), "servo_stiffness": (1.0, 1.0, 1.0)},
}
J, L = 9, 2


@pytest.fixture
def make_evaluation(tmp_path) -> Callable[..., Path]:
    """Write an evaluation; keywords change what is in it."""

    def make(name: str = "evaluation", **changes: Any) -> Path:
        folder = tmp_path / name
        (folder / "recordings").mkdir(parents=True)
        records_of = changes.pop("records", records)
        has_recordings = changes.pop("recordings", True)
        manifest_json = changes.pop("manifest_json", "")
        header = Header(**{**HEADER, **changes})
        write_results(folder, header, records_of(header, has_recordings))
        if has_recordings:
            for task in header.tasks:
                path = folder / "recordings" / recording_name(task)
                record_trial(path, task, manifest_json=manifest_json)
        return folder

    return make


@pytest.fixture
def evaluation(make_evaluation) -> Path:
    return make_evaluation()


HEADER: dict[str, Any] = {
    "bundle_name": "valve_turn",
    "bundle_digest": "541472a56eb23cab",
    "robot": "emulated",
    "num_trials": 1,
    "num_episodes": NUM_EPISODES,
    "seed": 0,
    "tasks": TASKS,
    "not_available": {"oracle": "it runs in training only"},
    "provenance": {"recipe": "pearl-valve-turn", "command": "taskbelief evaluate a <b>"},
    "git_commit": "0123abcd",
}


def recording_name(task: str) -> str:
    return f"{task.replace('/', '-')}.mcap"


def records(header: Header, has_recordings: bool = True) -> list[EpisodeRecord]:
    """Adapted episodes that get better, and two other conditions; one attempt ended in a fault."""
    rng = np.random.default_rng(1)
    made = []
    for task in header.tasks:
        last = header.num_episodes - 1
        plan = [("adapted", episode) for episode in range(header.num_episodes)]
        plan += [("frozen_prior", last), ("wrong_task", last)]
        for trial in range(header.num_trials):
            for condition, episode in plan:
                is_good = condition == "adapted" and episode > 0
                made.append(
                    EpisodeRecord(
                        task=task,
                        condition=condition,
                        trial=trial,
                        episode=episode,
                        seed=7 + episode,
                        total_reward=float(rng.normal(9.0 if is_good else -7.0, 2.0)),
                        is_success=is_good,
                        success_fraction=float(rng.uniform(0.6, 1.0) if is_good else 0.1),
                        num_steps=NUM_STEPS,
                        num_transitions=NUM_STEPS * (episode + 1),
                        kl_from_prior=float(rng.uniform(3.0, 8.0)),
                        outcome="completed",
                        reason="",
                        evidence={"accepted": NUM_STEPS, "episode_boundary": 1, "late": episode},
                        safety_events={"read_timeout": 1} if episode == 1 else {},
                        latency_ns={"age": (3_100_000, 4_200_000), "period": (9_900_000,)},
                        recording=recording_name(task) if has_recordings else "",
                    )
                )
    return [*made, fault(header)]


def fault(header: Header) -> EpisodeRecord:
    return EpisodeRecord(
        task=next(iter(header.tasks)),
        condition="adapted",
        trial=0,
        episode=1,
        seed=8,
        total_reward=0.0,
        is_success=False,
        success_fraction=0.0,
        num_steps=2,
        num_transitions=8,
        kl_from_prior=1.0,
        outcome="fault",
        reason="bus_silent: motor 12 <gone>",
    )


# ---- recordings --------------------------------------------------------------------------------


def blank(kind: str, /, **values: Any) -> dict[str, Any]:
    """A message with every field: zero, empty, or as given."""
    message: dict[str, Any] = {}
    for field, declared in fields(kind).items():
        if field in values:
            message[field] = values.pop(field)
        elif declared.is_array:
            message[field] = []
        elif declared.is_message:
            message[field] = blank(declared.type)
        else:
            message[field] = {"string": "", "bool": False}.get(declared.type, 0)
    assert not values, f"{kind} has no {', '.join(values)}"
    return message


def ours(kind: str, /, **values: Any) -> dict[str, Any]:
    return blank(f"taskbelief_interfaces/{kind}", **values)


class TrialRecorder:
    """Writes the messages of a trial, episode by episode; stamps begin anew with each."""

    def __init__(
        self,
        recording: Recording,
        task: str,
        *,
        has_evidence: bool = True,
        manifest_json: str = "",
    ) -> None:
        self.recording, self.task, self._log_ns = recording, task, 1_000_000_000
        self._has_evidence = has_evidence
        told = {"name": "valve_turn", "skill": "valve_turn", "manifest_json": manifest_json}
        self.write("bundle_info", ours("BundleInfo", **told))

    def write(self, topic: str, message: Mapping[str, Any]) -> None:
        self._log_ns += 1_000
        self.recording.write(topic, message, self._log_ns)

    def episode(self, episode: int, *, end: int = NUM_STEPS, valve_rad: float = 0.1) -> None:
        """`end` below `NUM_STEPS` cuts it short."""
        goal = TASKS[self.task]["target_angle"]
        self.write(
            "episode_start",
            ours(
                "EpisodeStart",
                task=self.task,
                condition="adapted",
                episode=episode,
                num_steps=NUM_STEPS,
                goal_centre=np.array(goal),
            ),
        )
        for step in range(end + 1):
            self._step(episode, step, valve_rad)
        self.write(
            "trial_result",
            ours(
                "TrialResult",
                task=self.task,
                condition="adapted",
                episode=episode,
                outcome="completed" if end == NUM_STEPS else "fault",
            ),
        )

    def _step(self, episode: int, step: int, valve_rad: float) -> None:
        reading_ns = (step + 1) * PERIOD_NS
        transitions = (episode * NUM_STEPS + step) * self._has_evidence
        self.write(
            "hand_reading",
            ours(
                "HandReading",
                reading_ns=reading_ns,
                position_rad=np.full(J, 0.01 * step),
                object_position_rad=valve_rad * step,
            ),
        )
        self.write(
            "policy_step",
            ours(
                "PolicyStep",
                reading_ns=reading_ns,
                episode=episode,
                tick=step,
                is_last=step == NUM_STEPS,
                is_success=episode > 0 and step > 2,
            ),
        )
        self.write(
            "belief",
            ours(
                "TaskBelief",
                reading_ns=reading_ns,
                episode=episode,
                tick=step,
                mean=np.array([0.1 * transitions, -1.0]),
                variance=np.array([1.0, 1.0]) / (1 + transitions),
                num_transitions=transitions,
                kl_from_prior=0.2 * transitions,
            ),
        )
        self.write(
            "control_tick",
            ours(
                "ControlTick",
                number=step,
                started_ns=reading_ns - 500_000,
                reading_ns=reading_ns,
                answers_ns=0 if step == HELD_STEP else reading_ns,
                written_ns=reading_ns + 2_000_000 + 10_000 * step,
                num_missed=int(step == 3),
            ),
        )


def open_recording(path: Path) -> Recording:
    return Recording(path, RecordingMetadata.of(load_robot_spec(), robot="emulated"))


def record_trial(
    path: Path, task: str, *, has_evidence: bool = True, manifest_json: str = ""
) -> None:
    with open_recording(path) as recording:
        recorder = TrialRecorder(
            recording, task, has_evidence=has_evidence, manifest_json=manifest_json
        )
        for episode in range(NUM_EPISODES):
            recorder.episode(episode)
