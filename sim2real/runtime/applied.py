"""What became of a command, told from what the hand says that its servos held."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim2real.contract.joint_io import Command
from sim2real.runtime.hand_state import HandState

Joints = NDArray[np.float64]


class Verdict(NamedTuple):
    """What to report of a command that was not simply applied."""

    applied_rad: Joints | None
    """(J,) goals that the servos held at the end; None: unknown"""
    is_steady: bool
    """whether they are the answer to the policy's reading, and were held all the time"""


class AppliedGoals:
    """Watches the goals between a command and the reading that it leads to.

    A hand that is read more often than the policy acts says in between what its servos hold. Within
    the tolerance after its reading a command has to be there, and then stay until the next turn.
    """

    def __init__(self, tolerance_s: float) -> None:
        self._tolerance_ns = tolerance_s * 1e9
        self.forget()

    def forget(self) -> None:
        """No command is out."""
        self._command: Command | None = None
        self._held: Joints | None = None
        self._is_steady = True

    def expect(self, command: Command) -> None:
        """This one has just been sent."""
        self.forget()
        self._command = command

    def watch(self, state: HandState) -> None:
        """A reading between the command's and the next that is acted on."""
        command = self._command
        if command is None:
            return
        if state.reading.stamp_ns - command.stamp_ns <= self._tolerance_ns:
            return
        is_answer = state.applied_answers_ns == command.stamp_ns
        if not is_answer or state.applied_rad is None:
            self._is_steady = False
        elif self._held is None:
            self._held = state.applied_rad
        elif not np.array_equal(self._held, state.applied_rad):
            self._is_steady = False

    def verdict(self, state: HandState) -> Verdict | None:
        """At the next turn: None where the command was applied as it was sent."""
        command = self._command
        if command is None:
            return None
        self.watch(state)
        applied = state.applied_rad
        is_steady = self._is_steady and state.applied_answers_ns == command.stamp_ns
        if applied is not None and is_steady and np.array_equal(applied, command.position_rad):
            return None
        return Verdict(applied, is_steady)
