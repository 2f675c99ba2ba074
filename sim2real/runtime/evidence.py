"""The evidence gate: which readings may be acted on, and which transitions the belief may see.

A belief takes a stale, repeated or late reading for a statement about the task. So a transition
counts only where both of its readings are fresh and new, lie one trained control period apart
within a stated tolerance, and the action that led from one to the other is known. Everything
else is counted by cause.
"""

from __future__ import annotations

import enum

from sim2real.contract.joint_io import Reading


class Rejection(enum.StrEnum):
    """Why a reading did not become evidence."""

    STALE = "stale"
    """older than allowed when it was to be acted on"""
    DUPLICATE = "duplicate"
    """the same measurement as the one before"""
    REORDERED = "reordered"
    """measured before the one before"""
    LATE = "late"
    """more than a control period, and its tolerance, after the one before"""
    EARLY = "early"
    """less than a control period, and its tolerance, after the one before"""
    EPISODE_BOUNDARY = "episode_boundary"
    """the first of an episode: nothing that happened before belongs to it"""
    FILTERED = "filtered"
    """what was applied is unknown, or no action of the policy leads to it"""
    FROZEN = "frozen"
    """somebody froze the belief"""
    FRAME_MISSING = "frame_missing"
    """the policy sees, and there was no frame to see"""
    FRAME_MISSHAPEN = "frame_misshapen"
    """the frame has another size or type than the policy was trained on"""
    FRAME_AHEAD = "frame_ahead"
    """the frame was taken later than now"""
    FRAME_STALE = "frame_stale"
    """the frame is older than the camera allows"""
    FRAME_REPEATED = "frame_repeated"
    """the frame was acted on before, or is older than one that was"""


OF_FRAMES = frozenset(
    {
        Rejection.FRAME_MISSING,
        Rejection.FRAME_MISSHAPEN,
        Rejection.FRAME_AHEAD,
        Rejection.FRAME_STALE,
        Rejection.FRAME_REPEATED,
    }
)
"""what was wrong is the frame that came with the reading"""
UNUSABLE = frozenset({Rejection.STALE, Rejection.DUPLICATE, Rejection.REORDERED}) | OF_FRAMES
"""a reading rejected for one of these is not acted on either: the last command is held"""


class EvidenceGate:
    """Judges one reading after the other; counts since the trial began."""

    def __init__(self, *, control_period_s: float, tolerance: float, stale_after_s: float) -> None:
        """`tolerance` is the fraction of the period by which two readings may be off."""
        self._earliest_ns = round(control_period_s * (1.0 - tolerance) * 1e9)
        self._latest_ns = round(control_period_s * (1.0 + tolerance) * 1e9)
        self._stale_after_ns = round(stale_after_s * 1e9)
        self.begin_trial()

    def begin_trial(self) -> None:
        """Start counting anew, perhaps on another robot, whose clock says something else."""
        self.counts = dict.fromkeys(Rejection, 0)
        self.num_accepted = 0
        self.accepted_stamp_ns: int | None = None
        self._last_stamp_ns: int | None = None
        self._last_sequence = 0
        self.begin_episode()

    def begin_episode(self) -> None:
        """The next reading has no predecessor."""
        self._has_predecessor = False

    def judge(
        self,
        reading: Reading,
        now_ns: int,
        *,
        is_action_known: bool,
        is_frozen: bool,
        frame_defect: Rejection | None = None,
    ) -> Rejection | None:
        """Why this reading is no evidence; None where it completes a transition.

        `now_ns` is when it is about to be acted on, `is_action_known` whether the action since
        the reading before is, `frame_defect` what is wrong with the frame that came with it.
        A reading rejected as `UNUSABLE` is forgotten again.
        """
        rejection = self._unusable(reading, now_ns) or frame_defect
        if rejection is None:
            rejection = self._unpaired(reading)
            if rejection is None and not is_action_known:
                rejection = Rejection.FILTERED
            if rejection is None and is_frozen:
                rejection = Rejection.FROZEN
            self._last_stamp_ns, self._last_sequence = reading.stamp_ns, reading.sequence
            self._has_predecessor = True
        if rejection is None:
            self.num_accepted += 1
            self.accepted_stamp_ns = reading.stamp_ns
        else:
            self.counts[rejection] += 1
        return rejection

    def reject(self, rejection: Rejection) -> None:
        """Count a reading that somebody else found to be none, and that is not to be judged."""
        self.counts[rejection] += 1

    def _unusable(self, reading: Reading, now_ns: int) -> Rejection | None:
        if now_ns - reading.stamp_ns > self._stale_after_ns:
            return Rejection.STALE
        if self._last_stamp_ns is None:
            return None
        if reading.sequence == self._last_sequence or reading.stamp_ns == self._last_stamp_ns:
            return Rejection.DUPLICATE
        if reading.sequence < self._last_sequence or reading.stamp_ns < self._last_stamp_ns:
            return Rejection.REORDERED
        return None

    def _unpaired(self, reading: Reading) -> Rejection | None:
        if not self._has_predecessor or self._last_stamp_ns is None:
            return Rejection.EPISODE_BOUNDARY
        interval_ns = reading.stamp_ns - self._last_stamp_ns
        if interval_ns > self._latest_ns:
            return Rejection.LATE
        if interval_ns < self._earliest_ns:
            return Rejection.EARLY
        return None
