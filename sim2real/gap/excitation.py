"""A script that shows how each joint follows its goals: steps to and fro, then a swing.

One joint moves at a time, around home and by little, within the limits of robot.yaml. No two steps
are of the same size: where a joint comes to rest its encoder rounds in the same direction for as
long as it rests, and only different places average that out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sim2real.contract.require import require_not_negative, require_positive, require_some
from sim2real.contract.robot_spec import RobotSpec
from sim2real.contract.text_file import parse_json
from sim2real.gap.motion import Float
from sim2real.recording.metadata import SCRIPT
from sim2real.recording.reader import RecordingData

CONDITION = "excitation"
"""under which a script's motion is kept"""
RECORD = SCRIPT
"""name of the metadata record that a script's recording has"""


@dataclass(frozen=True, kw_only=True)
class Script:
    """What every joint does in turn."""

    amplitude_rad: float = 0.12
    """largest distance from home; less where a joint's range is smaller"""
    num_steps: int = 4
    """steps: out, back, out to the other side, back, and so on"""
    hold_s: float = 0.6
    """how long a step's goal holds"""
    swing_hz: tuple[float, ...] = (0.5, 1.5)
    """frequencies of the swing, one after the other, two turns each"""
    approach_s: float = 2.0
    """how long the hand takes from where it is to home"""
    rest_s: float = 0.5
    """at home before the first joint moves"""

    def __post_init__(self) -> None:
        require_positive(
            amplitude_rad=self.amplitude_rad,
            hold_s=self.hold_s,
            approach_s=self.approach_s,
            rest_s=self.rest_s,
        )
        for hz in self.swing_hz:
            require_positive(swing_hz=hz)
        require_not_negative(num_steps=self.num_steps)
        if self.num_steps == 0:
            require_some(swing_hz=self.swing_hz)  # or no joint would move

    @property
    def joint_s(self) -> float:
        """How long one joint takes."""
        return self.num_steps * self.hold_s + sum(2.0 / hz for hz in self.swing_hz)


class Excitation:
    """The goals of a script for a robot, as a function of time."""

    def __init__(self, spec: RobotSpec, script: Script, start_rad: Float) -> None:
        """`start_rad` (J,): where the hand is when it begins."""
        self._script = script
        lower, upper = spec.joint_array("lower_rad"), spec.joint_array("upper_rad")
        self._home = spec.joint_array("home_rad")
        self._start = np.clip(start_rad, lower, upper)
        room = np.minimum(upper - self._home, self._home - lower)
        self._amplitude = np.minimum(script.amplitude_rad, room)
        self._begin_s = script.approach_s + script.rest_s
        self.duration_s = self._begin_s + len(self._home) * script.joint_s
        """until the last joint is home again"""

    def goal(self, elapsed_s: float) -> Float:
        """(J,) at a time since the beginning."""
        script = self._script
        goal = self._home.copy()
        if elapsed_s < script.approach_s:
            share = 0.5 - 0.5 * np.cos(np.pi * max(elapsed_s, 0.0) / script.approach_s)
            return np.asarray(self._start + share * (self._home - self._start))
        joint, since_s = divmod(elapsed_s - self._begin_s, script.joint_s)
        if 0 <= joint < len(goal):
            goal[int(joint)] += self._amplitude[int(joint)] * self._offset(int(joint), since_s)
        return goal

    def _offset(self, joint: int, since_s: float) -> float:
        """How far a joint is from home, as a share of its amplitude."""
        script = self._script
        step = int(since_s / script.hold_s)
        if step < script.num_steps:
            varied = (_GOLDEN * (joint * script.num_steps + step + 1)) % 1.0
            out, back = 0.6 + 0.4 * varied, 0.3 * varied
            return (out, back, -out, -back)[step % 4]
        since_s -= script.num_steps * script.hold_s
        for hz in script.swing_hz:
            if since_s < 2.0 / hz:
                return float(np.sin(2.0 * np.pi * hz * since_s))
            since_s -= 2.0 / hz
        return 0.0


def excitation_record(task: str, parameters: Mapping[str, tuple[float, ...]]) -> dict[str, str]:
    """The metadata record of a recording."""
    return {"task": task, "parameters": json.dumps(parameters)}


def excited_task(recording: RecordingData) -> tuple[str, dict[str, tuple[float, ...]]]:
    """The task on the bench, and what was known of its parameters."""
    record = recording.more[RECORD]
    known = parse_json(record["parameters"], RECORD, "parameters of a task")
    return record["task"], {name: tuple(map(float, value)) for name, value in known.items()}


_GOLDEN = 0.6180339887498949
"""multiples of it, modulo one, fill the unit interval evenly"""
