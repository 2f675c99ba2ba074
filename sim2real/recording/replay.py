"""A recording's policy steps, computed once more from its readings alone.

What a policy did on a robot is what the same bundle does here, vector for vector: observation,
belief, latent, action and targets.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from sim2real.contract.errors import BadInput
from sim2real.contract.robot_spec import RobotSpec
from sim2real.recording.columns import Columns, columns_of
from sim2real.recording.episodes import Episode, episodes
from sim2real.recording.messages import belief_message, policy_step_message
from sim2real.recording.reader import Recorded, RecordingData
from sim2real.runtime.bundle import Bundle
from sim2real.runtime.hand_state import HandState
from sim2real.runtime.kinds.kind import Memory
from sim2real.runtime.policy_runner import EpisodeOutcome, PolicyRunner, Step, TrialLabels
from sim2real.runtime.turns import Turns

STEP_FIELDS = (
    "reading_ns",
    "sequence",
    "episode",
    "tick",
    "is_last",
    "rejection",
    "observation",
    "reward",
    "is_success",
    "action",
    "previous_applied_action",
    "desired_rad",
)
"""of `policy_step` that readings decide; the others are times"""
BELIEF_FIELDS = ("reading_ns", "mean", "variance", "shown", "num_transitions", "kl_from_prior")
LEARNT_FIELDS = ("digest", "figures")
"""of `belief`, which recordings of earlier versions have not"""


@dataclass(frozen=True, kw_only=True, eq=False)
class Replayed:
    """An episode as it was recorded, and as it is computed from its readings."""

    episode: Episode
    steps: Columns
    """as `episode.steps`"""
    beliefs: Columns
    """as `episode.beliefs`"""
    outcome: EpisodeOutcome | None
    """as `episode.result`; None where the recording ends before it"""
    memory: Memory | None
    """as `episode.start.memory`: what the episodes before it left; None where none was replayed"""
    learnt: Memory
    """what it left itself"""

    def differences(self) -> dict[str, float]:
        """By field, the largest difference between what was recorded and what is computed.

        Infinite where one has what the other has not, or where texts differ.
        """
        steps = {name: _difference(self.episode.steps, self.steps, name) for name in STEP_FIELDS}
        beliefs = {
            f"belief.{name}": _difference(self.episode.beliefs, self.beliefs, name)
            for name in BELIEF_FIELDS
        }
        learnt = {
            f"belief.{name}": _difference(self.episode.beliefs, self.beliefs, name)
            for name in LEARNT_FIELDS
            if name in self.episode.beliefs
        }
        return steps | beliefs | learnt | {"memory": self._memory_difference()}

    def _memory_difference(self) -> float:
        """What was learnt between episodes is compared here: it is told at the start of one."""
        recorded = self.episode.start.memory
        if self.memory is None:
            return 0.0
        if recorded.keys() != self.memory.keys():
            return float("inf")
        return max(_difference(recorded, self.memory, name) for name in recorded)


def replay(recording: RecordingData, bundle: Bundle, spec: RobotSpec) -> Iterator[Replayed]:
    """Every episode of this bundle in the recording, computed by a fresh policy.

    A trial begins anew, from what was remembered then, wherever the recording does not hold the
    episode before. Raises `BadInput` where the bundle did not act in this recording, or the
    reading is missing that an episode began with.
    """
    policy = _Policy(bundle, spec)
    previous: Episode | None = None
    for episode in episodes(recording):
        if episode.start.bundle_digest != bundle.digest:
            continue
        _require_first_reading(episode, str(recording.path))
        yield policy.run(episode, previous)
        previous = episode
    if previous is None:
        expected = f"an episode of bundle {bundle.digest}"
        raise BadInput(str(recording.path), "episodes", found="none of it", expected=expected)


class _Policy:
    """A policy that is told what was recorded."""

    def __init__(self, bundle: Bundle, spec: RobotSpec) -> None:
        manifest = bundle.manifest
        self._bundle, self._steps = bundle, list[Step]()
        self._outcomes: list[EpisodeOutcome] = []
        self._runner = PolicyRunner(
            bundle, spec, on_step=self._steps.append, on_episode_end=self._outcomes.append
        )
        self._period_s = manifest.control_period_s

    def run(self, episode: Episode, previous: Episode | None) -> Replayed:
        runner, start = self._runner, episode.start
        self._steps.clear()
        self._outcomes.clear()
        memory = runner.memory if _goes_on(episode, previous) else None
        if memory is None:
            labels = TrialLabels(
                robot=start.robot, task=start.task, condition=start.condition, trial=start.trial
            )
            runner.begin_trial(seed=start.trial_seed, first_episode=start.episode, labels=labels)
        runner.memory, runner.is_frozen = start.memory, start.is_frozen
        runner.begin_episode(goal=start.goal, seed=start.episode_seed)
        for state in self._told(episode):
            runner.take(state, _acted_on_ns(state))
        outcome = self._outcomes[0] if self._outcomes else None
        if runner.is_running:  # it ended early: by a fault, or with the recording
            runner.end_episode("the readings end here")
        return Replayed(
            episode=episode,
            steps=columns_of(Recorded("", 0, policy_step_message(step, 0)) for step in self._steps),
            beliefs=columns_of(
                Recorded("", 0, belief_message(step, self._bundle, 0)) for step in self._steps
            ),
            outcome=outcome,
            memory=memory,
            learnt=runner.memory,
        )

    def _told(self, episode: Episode) -> Iterator[HandState]:
        """What the policy was told; it was frozen or thawed at the same steps.

        Somebody who records may have got a reading that the policy missed, or that came to it too
        late: one that it would have acted on and did not is left out.
        """
        acted_on = set(episode.steps["reading_ns"].tolist())
        beliefs, nobody = episode.beliefs, np.zeros(0)
        frozen = dict(
            zip(
                beliefs.get("reading_ns", nobody).tolist(),
                beliefs.get("is_frozen", nobody).tolist(),
            )
        )
        turns = Turns(self._period_s)
        for state in episode.states:
            stamp_ns, is_new = state.reading.stamp_ns, turns.defect(state.reading) is None
            if stamp_ns in acted_on:
                turns.acted(state.reading.stamp_ns)
            elif is_new and turns.is_due(state.reading):
                continue
            self._runner.is_frozen = frozen.get(stamp_ns, self._runner.is_frozen)
            yield replace(state, frame=episode.frames.get(stamp_ns))


def _acted_on_ns(state: HandState) -> int:
    """The earliest time at which this can have been acted on: a frame may be newer."""
    stamp_ns = state.reading.stamp_ns
    return stamp_ns if state.frame is None else max(stamp_ns, state.frame.stamp_ns)


def _goes_on(episode: Episode, previous: Episode | None) -> bool:
    """Whether the trial of the episode before goes on, without anything in between."""
    if previous is None or previous.trial_count != episode.trial_count:
        return False
    one, other = previous.start, episode.start
    names = ("robot", "task", "condition", "trial", "trial_seed")
    is_same_trial = all(getattr(one, name) == getattr(other, name) for name in names)
    return is_same_trial and other.episode == one.episode + 1


def _require_first_reading(episode: Episode, where: str) -> None:
    first = int(episode.steps["reading_ns"][0])
    found = [state.reading.stamp_ns for state in episode.states[:1]]
    if found != [first]:
        start = episode.start
        at = f"{start.task} {start.condition} trial {start.trial} episode {start.episode}"
        expected = f"the hand_reading of {first} ns, with which it began"
        raise BadInput(where, at, found=found, expected=expected)


def _difference(recorded: Columns, computed: Columns, name: str) -> float:
    if name not in recorded or name not in computed:
        return float("inf") if (name in recorded) != (name in computed) else 0.0
    one, other = recorded[name], computed[name]
    if one.shape != other.shape:
        return float("inf")
    if one.dtype.kind in "US":
        return 0.0 if (one == other).all() else float("inf")
    one, other = one.astype(np.float64), other.astype(np.float64)
    if (np.isnan(one) != np.isnan(other)).any():
        return float("inf")
    return float(np.nan_to_num(np.abs(one - other)).max(initial=0.0))
