"""One episode as everything else is worked out from: journal, results, tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim2real.runtime.kinds.kind import Memory

PlainMemory = Mapping[str, tuple[float, ...]]
"""a memory as JSON can hold it, losing nothing"""


class EpisodeKey(NamedTuple):
    """Which episode of an evaluation it is."""

    task: str
    condition: str
    trial: int
    episode: int
    """of the trial; episodes with equal numbers start alike under every condition"""


@dataclass(frozen=True, kw_only=True)
class EpisodeRecord:
    """What came of one episode, or of the attempt at one."""

    task: str
    condition: str
    trial: int
    episode: int
    seed: int
    """of where it started"""
    total_reward: float
    """sum over its steps"""
    is_success: bool
    """whether the skill's condition held at the end"""
    success_fraction: float
    """share of the steps at which it held"""
    num_steps: int
    num_transitions: int
    """evidence in the trial so far"""
    kl_from_prior: float
    """nats, after the episode"""
    outcome: Literal["completed", "fault"]
    reason: str
    """why it was not completed; empty if it was"""
    evidence: Mapping[str, int] = field(default_factory=dict)
    """transitions accepted and readings rejected by cause, in this episode"""
    safety_events: Mapping[str, int] = field(default_factory=dict)
    """by cause, since the episode before ended"""
    latency_ns: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """by stage, in this episode"""
    memory: PlainMemory = field(default_factory=dict)
    """what was remembered about the task afterwards"""
    recording: str = ""
    """file that it is in"""

    @property
    def key(self) -> EpisodeKey:
        return EpisodeKey(self.task, self.condition, self.trial, self.episode)

    @property
    def is_completed(self) -> bool:
        return self.outcome == "completed"


def plain_memory(memory: Memory) -> dict[str, tuple[float, ...]]:
    return {name: tuple(map(float, values)) for name, values in memory.items()}


def memory_from(plain: PlainMemory) -> dict[str, NDArray[np.float64]]:
    """The memory that `plain_memory` was given."""
    return {name: np.array(values, np.float64) for name, values in plain.items()}
