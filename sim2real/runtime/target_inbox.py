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

from sim2real.contract.joint_io import Command, Reading
from sim2real.runtime.turns import Turns

LONGEST_PERIOD_S = 10.0
"""slower than any policy acts"""


@dataclass(frozen=True, kw_only=True, eq=False)
class Targets:
    """What somebody asks for: the fields of JointTargets.msg."""

    reading_ns: int
    """the measurement that it answers, on the host's monotonic clock"""
    lifespan_s: float
    """how old it may become, counted from the measurement"""
    period_s: float
    """from that measurement to the next one that is answered; 0: every one is"""
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
        self._turns: Turns | None = None
        """of whoever commands, since he said what his rhythm is"""
        self._period_s = 0.0
        self._lock = threading.Lock()

    def open(self) -> None:
        """From now on commands are followed that answer what is measured from now on."""
        with self._lock:
            self._command, self._opened_ns, self.is_open = None, self._clock_ns(), True
            self._turns, self._period_s = None, 0.0

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
            self._note_rhythm(targets)
            return None

    def _note_rhythm(self, targets: Targets) -> None:
        if targets.period_s != self._period_s:
            self._period_s = targets.period_s
            self._turns = Turns(targets.period_s) if targets.period_s else None
        if self._turns is not None:
            self._turns.acted(targets.reading_ns)

    def is_due(self, reading: Reading) -> bool:
        """Whether this reading, the latest, may be answered before the next one is there.

        All may until the first command; then those that lie its `period_s` apart. To be asked of
        every reading.
        """
        with self._lock:
            turns = self._turns
            if turns is not None:
                turns.defect(reading)  # how often the hand is read is seen from all of them
            return self.is_open and (turns is None or turns.is_due(reading))

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
        if not 0.0 <= targets.period_s <= LONGEST_PERIOD_S:
            detail = f"period {targets.period_s} s, expected 0 to {LONGEST_PERIOD_S}"
            return Refusal(cause="bad_period", detail=detail)
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
