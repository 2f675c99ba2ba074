"""What an evaluation needs of a bench: one task on it, and a policy that runs episodes there.

The same evaluation runs over any `Session`: in one process over a simulated, an emulated or a real
hand (`direct`), or over the services of a ROS 2 graph.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sim2real.contract.errors import WorkFailed
from sim2real.runtime.bundle import Bundle
from sim2real.runtime.kinds.kind import Memory
from sim2real.runtime.policy_runner import EpisodeOutcome, TrialLabels
from sim2real.skills.goal import GoalSignal


@dataclass(frozen=True, kw_only=True, eq=False)
class EpisodePlan:
    """Where one episode starts and what it asks for. Equal seeds of a task, equal plans."""

    seed: int
    """what all of it was drawn from"""
    goal: GoalSignal
    joint_rad: NDArray[np.float64]
    """(J,) goals that the servos hold at the start, and where a simulated hand is at rest"""
    valve_rad: float
    """angle of the object"""
    noise: np.random.Generator
    """of the encoders of a simulated robot, from the start on; a real one brings its own"""


@dataclass(frozen=True, kw_only=True, eq=False)
class BenchTask:
    """One task as a bench needs it, whoever drew it."""

    name: str
    """as in "test/3" """
    parameters: Mapping[str, tuple[float, ...]]
    """what defines it, for tables; of a real object only the goal is known"""
    plan: Callable[[int], EpisodePlan]
    """the episode of a seed"""
    reference: str = ""
    """FILE:INDEX, as `taskbelief emulate --task` takes it"""
    make_model: Callable[[], Any] | None = None
    """the compiled MuJoCo model with the task's dynamics in it, for the simulated robot"""


@dataclass(kw_only=True)
class Tally:
    """What happened in an episode beside its result."""

    evidence: Counter[str] = field(default_factory=Counter)
    """transitions `accepted`, and readings rejected by cause"""
    safety_events: Counter[str] = field(default_factory=Counter)
    """what the safety ladder and the driver counted, by cause"""
    latency_ns: dict[str, list[int]] = field(default_factory=dict)
    """of the episode's ticks and steps, by stage; see `latency`"""


class EpisodeFault(WorkFailed):
    """An episode ended otherwise than completed. Torque is off, or the hand is on its way there.

    `cause` is one word for counters, `reason` is for a person, `outcome` what was done until then.
    """

    def __init__(self, cause: str, reason: str, outcome: EpisodeOutcome | None = None) -> None:
        self.cause, self.reason, self.outcome = cause, reason, outcome
        super().__init__(f"{cause}: {reason}")


class Session(Protocol):
    """A bench with one task on it, and one policy. One thread at a time.

    All methods raise `EpisodeFault` when bench or policy cannot go on.
    """

    def begin_trial(self, *, seed: int, labels: TrialLabels, first_episode: int = 0) -> None:
        """Forget the task. `seed` decides all that is drawn; thaws the belief.

        `first_episode` above 0 goes on with a trial whose `memory` is set afterwards.
        """

    @property
    def memory(self) -> Memory:
        """All that is carried about the task; to be asked for between episodes."""

    @memory.setter
    def memory(self, memory: Memory) -> None: ...

    @property
    def is_frozen(self) -> bool:
        """Whether nothing becomes evidence."""

    @is_frozen.setter
    def is_frozen(self, is_frozen: bool) -> None: ...

    def run_episode(self, plan: EpisodePlan) -> EpisodeOutcome:
        """Put hand and object where it starts, and run one episode to its end.

        What became of it is recorded for good before this returns, where anything is recorded.
        Raises `EpisodeFault` when it ended otherwise than completed.
        """

    def take_tally(self) -> Tally:
        """What happened in the episode that ended last, and in placing the hand for it."""

    @property
    def recording(self) -> str:
        """Name of the file that the running trial is recorded in; empty where none is."""


OpenSession = Callable[[BenchTask, Bundle], AbstractContextManager[Session]]
"""Puts a task on the bench and a policy before it; on every way out torque goes off first.

Raises `EpisodeFault` when the bench cannot be made ready."""
