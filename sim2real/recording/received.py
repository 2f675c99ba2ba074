"""Back from messages to what the loops know: of a ROS topic or of a recording.

A message has its fields as attributes, as generated ROS messages and `read_recording` have them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim2real.contract.camera import NUM_CHANNELS, Frame
from sim2real.contract.errors import BadInput
from sim2real.contract.joint_io import Reading
from sim2real.runtime.hand_state import HandState
from sim2real.runtime.kinds.kind import Memory
from sim2real.runtime.policy_runner import EpisodeOutcome, EpisodeStart
from sim2real.runtime.target_inbox import Targets
from sim2real.skills.goal import GoalSignal

_OUTCOME_FIELDS = (
    "bundle_name",
    "bundle_digest",
    "robot",
    "task",
    "condition",
    "trial",
    "episode",
    "episode_seed",
    "total_reward",
    "is_success",
    "success_fraction",
    "num_steps",
    "num_transitions",
    "kl_from_prior",
    "outcome",
    "reason",
)
_START_FIELDS = (*_OUTCOME_FIELDS[:8], "trial_seed", "num_steps", "is_frozen")


def reading_of(message: Any) -> Reading:
    """Of a HandReading."""
    return Reading(
        stamp_ns=message.reading_ns,
        sequence=message.sequence,
        position_rad=_array(message.position_rad),
        velocity_rad_s=_array(message.velocity_rad_s),
        current_ma=_array(message.current_ma),
        object_position_rad=np.asarray(message.object_position_rad),
        object_velocity_rad_s=np.asarray(message.object_velocity_rad_s),
    )


def hand_state_of(message: Any) -> HandState:
    """Of a HandReading."""
    applied = _array(message.applied_rad)
    return HandState(
        reading=reading_of(message),
        applied_rad=applied if applied.size else None,
        applied_answers_ns=message.applied_answers_ns,
        is_following=message.is_following,
    )


def frame_of(message: Any) -> Frame:
    """Of a PolicyFrame. Raises `ValueError` where pixels are missing or left over."""
    pixels = np.frombuffer(bytes(message.data), np.uint8)
    return Frame(
        stamp_ns=message.frame_ns,
        sequence=message.sequence,
        pixels=pixels.reshape(message.height, message.width, NUM_CHANNELS),
    )


def targets_of(message: Any) -> Targets:
    """Of JointTargets."""
    return Targets(
        reading_ns=message.reading_ns,
        lifespan_s=message.lifespan_s,
        period_s=message.period_s,
        names=tuple(message.names),
        position_rad=_array(message.position_rad),
    )


def goal_of(message: Any) -> GoalSignal:
    """Of an EpisodeStart, or a request to begin one. Raises `ValueError` for what is no goal."""
    return GoalSignal(
        centre=_array(message.goal_centre),
        amplitude=_array(message.goal_amplitude),
        frequency_rad_s=_array(message.goal_frequency_rad_s),
    )


def memory_of(message: Any, prefix: str = "") -> Memory:
    """Of a request to set the belief, or with the prefix `memory_` of an EpisodeStart.

    Raises `ValueError` for sizes that do not fit the values.
    """
    names, sizes, values = (getattr(message, f"{prefix}{n}") for n in ("names", "sizes", "values"))
    if len(names) != len(sizes) or sum(sizes) != len(values):
        found = f"{len(names)} names, {len(sizes)} sizes of {sum(sizes)}, {len(values)} values"
        expected = "a size for every name, and as many values as they add up to"
        raise BadInput("memory", f"{prefix}sizes", found=found, expected=expected)
    parts = np.split(_array(values), np.cumsum(sizes, dtype=np.int64)[:-1]) if len(names) else []
    return dict(zip(names, parts))


def episode_start_of(message: Any) -> EpisodeStart:
    """Of an EpisodeStart."""
    return EpisodeStart(
        **{name: getattr(message, name) for name in _START_FIELDS},
        goal=goal_of(message),
        target_rad=_array(message.target_rad),
        memory=memory_of(message, "memory_"),
    )


def episode_outcome_of(message: Any) -> EpisodeOutcome:
    """Of a TrialResult."""
    return EpisodeOutcome(**{name: getattr(message, name) for name in _OUTCOME_FIELDS})


def _array(values: Any) -> NDArray[np.float64]:
    return np.array(values, np.float64)
