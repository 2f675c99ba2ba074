"""What figures need of one recorded episode, whichever way it was recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim2real.contract.camera import Frame
from sim2real.contract.quantity import Quantity

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]


class Seen(NamedTuple):
    """A frame of an episode."""

    elapsed_s: float
    """since its first reading, when it was acted on"""
    age_s: float
    """how much older than that reading it was"""
    frame: Frame


@dataclass(frozen=True, kw_only=True, eq=False)
class EpisodeTrace:
    """One episode, reading by reading; T readings, the one that ended it included."""

    task: str
    condition: str
    trial: int
    episode: int
    """of the trial, from 0"""
    skill: str
    """what it was asked to do"""
    elapsed_s: Floats
    """(T,) since its first reading"""
    position_rad: Floats
    """(T, J)"""
    object_position_rad: Floats
    """(T,)"""
    goal: Floats
    """(T, G) what was asked for at that time"""
    belief_mean: Floats
    """(T, L)"""
    belief_variance: Floats
    """(T, L); (T, 0) where the belief has none"""
    num_transitions: Whole
    """(T,) evidence so far in the trial"""
    kl_from_prior: Floats
    """(T,) nats"""
    is_success: NDArray[np.bool_]
    """(T,) whether the skill's condition held"""
    quantities: tuple[Quantity, ...] = ()
    """(L,) what is believed of; empty for a latent, whose dimensions have no names"""
    seen: tuple[Seen, ...] = ()
    """frames of it; none where the policy was blind"""

    @property
    def key(self) -> tuple[str, str, int, int]:
        return self.task, self.condition, self.trial, self.episode


def adapted_trials(traces: Sequence[EpisodeTrace], trial: int = 0) -> dict[str, list[EpisodeTrace]]:
    """The adapted episodes of one trial per task, in order."""
    trials: dict[str, list[EpisodeTrace]] = {}
    for trace in sorted(traces, key=lambda trace: trace.episode):
        if trace.condition == "adapted" and trace.trial == trial:
            trials.setdefault(trace.task, []).append(trace)
    return trials


def joined(episodes: Sequence[EpisodeTrace], field: str) -> NDArray[Any]:
    """A column of a whole trial."""
    return np.concatenate([getattr(episode, field) for episode in episodes])
