"""Where commands from another process arrive: checked as they come, handed out as the loop asks.

Nothing is kept but the newest command; whatever is refused is counted by its cause.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim2real.contract.joint_io import Command


@dataclass(frozen=True, kw_only=True, eq=False)
class Targets:
    """What somebody asks for: the fields of JointTargets.msg."""

    reading_ns: int
    """the measurement that it answers, on the host's monotonic clock"""
    lifespan_s: float
    """how old it may become, counted from the measurement"""
    names: Sequence[str]
    """joints in any order"""
    position_rad: NDArray[np.float64]
    """in the order of `names`"""


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Why targets are not followed."""

    cause: str
    """one word, for counters"""
    detail: str
    """values and limits, for a person"""


class TargetInbox:
    """The newest command that may be followed. Closed until `open`.

    `counts`: `accepted`, `overwritten` (accepted, and a newer one came before it was taken), and
    every refusal by its cause.
    """

    def __init__(
        self,
        joint_names: Sequence[str],
        *,
        longest_life_s: float,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """`longest_life_s` caps every lifespan: the robot's own limit."""
        self.counts: Counter[str] = Counter()
        self.is_open = False
        self._joint_names, self._clock_ns = tuple(joint_names), clock_ns
        self._longest_life_s = longest_life_s
        self._order = {name: index for index, name in enumerate(joint_names)}
        self._latest_ns = self._opened_ns = 0
        self._command: Command | None = None
        self._lock = threading.Lock()

    def open(self) -> None:
        """From now on commands are followed that answer what is measured from now on."""
        with self._lock:
            self._command, self._opened_ns, self.is_open = None, self._clock_ns(), True

    def close(self) -> None:
        with self._lock:
            self._command, self.is_open = None, False

    def offer(self, targets: Targets) -> Refusal | None:
        """Take targets in; says why not where they are refused."""
        with self._lock:
            refusal = self._refusal(targets)
            if refusal is not None:
                self.counts[refusal.cause] += 1
                return refusal
            self.counts["accepted"] += 1
            self.counts["overwritten"] += self._command is not None
            self._latest_ns = targets.reading_ns
            self._command = self._in_order(targets)
            return None

    def is_answered(self, reading_ns: int) -> bool:
        """Whether nothing better can come than what `take` returns now."""
        command = self._command
        return not self.is_open or (command is not None and command.stamp_ns >= reading_ns)

    def take(self) -> Command | None:
        """What has come since the last call; it may answer an earlier reading than the latest."""
        with self._lock:
            command, self._command = self._command, None
            return command

    def _refusal(self, targets: Targets) -> Refusal | None:
        names, now_ns = list(targets.names), self._clock_ns()
        age_s = (now_ns - targets.reading_ns) * 1e-9
        latest_ns = self._latest_ns
        if not self.is_open:
            return Refusal(cause="not_active", detail="torque is off: no command is followed")
        if sorted(names) != sorted(self._joint_names):
            detail = f"{names}, expected each of {list(self._joint_names)} once"
            return Refusal(cause="wrong_names", detail=detail)
        if targets.position_rad.shape != (len(names),):
            detail = f"{targets.position_rad.shape} for {len(names)} joints"
            return Refusal(cause="wrong_size", detail=detail)
        if not np.isfinite(targets.position_rad).all():
            return Refusal(cause="not_finite", detail=f"{targets.position_rad.tolist()} rad")
        if not 0.0 < targets.lifespan_s < np.inf:
            detail = f"lifespan {targets.lifespan_s} s, expected more than 0"
            return Refusal(cause="bad_lifespan", detail=detail)
        if age_s < 0.0:
            detail = f"answers what will be measured in {-age_s:.3f} s"
            return Refusal(cause="from_the_future", detail=detail)
        life_s = min(targets.lifespan_s, self._longest_life_s)
        if age_s > life_s:
            detail = f"{age_s:.3f} s old, lives {life_s:.3f} s"
            return Refusal(cause="expired", detail=detail)
        if targets.reading_ns < self._opened_ns:
            return Refusal(cause="overruled", detail="the hand was told to hold since that reading")
        if targets.reading_ns == latest_ns:
            return Refusal(cause="duplicate", detail="this reading has been answered already")
        if targets.reading_ns < latest_ns:
            detail = f"answers a reading {(latest_ns - targets.reading_ns) * 1e-9:.3f} s before it"
            return Refusal(cause="reordered", detail=detail)
        return None

    def _in_order(self, targets: Targets) -> Command:
        position_rad = np.empty(len(self._joint_names))
        position_rad[[self._order[name] for name in targets.names]] = targets.position_rad
        return Command(
            stamp_ns=targets.reading_ns,
            position_rad=position_rad,
            lifespan_s=targets.lifespan_s,
        )
