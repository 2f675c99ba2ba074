"""Random messages and requests of any type, made from their definitions alone."""

from __future__ import annotations

import importlib
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from tests.ros.graph import HOME, SPEC

_SEQUENCE = re.compile(r"sequence<(?P<item>[^,>]+)(?:, *(?P<most>\d+))?>")
_ARRAY = re.compile(r"(?P<item>[^\[]+)\[(?P<size>\d+)\]")
_INTEGER = re.compile(r"(?P<sign>u?)int(?P<bits>\d+)")
STRANGE = (float("nan"), float("inf"), -float("inf"), 1e300, -1e300, 1e39, 28.0, -0.0, 5e-324)
WORDS = (
    "",
    "sideways",
    "adapted",
    "frozen_prior",
    "emulated",
    "precision",
    "num_transitions",
    "weighted_mean",
    "test/0",
    "line\nbreak",
    "x" * 2000,
    "ünï\u202ecode",
    "robot",
    "rate_hz",
    *SPEC.joint_names,
)


MOST_NESTED = 3
"""of messages in a message: the numbers in them are what takes time"""
LENGTHS = (0, 1, 2, 5, 8, len(HOME), len(HOME), 10, 40)
NAMES, STILL = list(SPEC.joint_names), [0.0] * len(HOME)
MEANT: Mapping[str, Any] = {
    "BeginTrial_Request.robot": "emulated",
    "BeginTrial_Request.task": "test/0",
    "BeginTrial_Request.condition": "adapted",
    "BeginTrial_Request.first_episode": 0,
    "BeginEpisode_Request.goal_centre": [0.5],
    "BeginEpisode_Request.goal_amplitude": [0.1],
    "BeginEpisode_Request.goal_frequency_rad_s": [1.0],
    "SetBelief_Request.names": ["precision", "weighted_mean", "num_transitions"],
    "SetBelief_Request.sizes": [5, 5, 1],
    "SetBelief_Request.values": [2.0] * 5 + [0.3] * 5 + [4.0],
    "PlaceHand_Request.joint_rad": HOME.tolist(),
    "PlaceHand_Request.object_rad": 0.1,
    "HandReading.names": NAMES,
    "HandReading.position_rad": HOME.tolist(),
    "HandReading.velocity_rad_s": STILL,
    "HandReading.current_ma": STILL,
    "HandReading.applied_rad": HOME.tolist(),
    "HandReading.object_position_rad": 0.1,
    "HandReading.object_velocity_rad_s": 0.0,
    "JointTargets.names": NAMES,
    "JointTargets.position_rad": HOME.tolist(),
    "JointTargets.lifespan_s": 0.1,
    "JointTargets.period_s": 0.1,
}
"""values that make sense together, of fields whose messages would else hardly ever do; a message
that is not here is drawn all the same"""
SHARE_OF_MEANT = 0.85
T = TypeVar("T")


class RandomMessages:
    """Draws fields: about half of them could be meant, the others could not."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def one_of(self, choices: Sequence[T]) -> T:
        return choices[int(self.rng.integers(len(choices)))]

    def fill(self, message: Any) -> Any:
        """Every field of it, and of what it is made of."""
        for name, kind in message.get_fields_and_field_types().items():
            setattr(message, name, self._drawn(f"{type(message).__name__}.{name}", kind))
        return message

    def _drawn(self, field: str, kind: str) -> Any:
        is_meant = self.rng.random() < SHARE_OF_MEANT
        if is_meant and field in MEANT:
            return MEANT[field]
        if is_meant and field.endswith("_ns"):
            return time.monotonic_ns()
        return self._value(kind)

    def _value(self, kind: str) -> Any:
        if sequence := _SEQUENCE.fullmatch(kind):
            most = int(sequence["most"] or (MOST_NESTED if "/" in sequence["item"] else 40))
            return self._values(sequence["item"], min(self._length(), most))
        if array := _ARRAY.fullmatch(kind):
            return self._values(array["item"], int(array["size"]))
        if "/" in kind:
            package, name = kind.split("/")
            return self.fill(getattr(importlib.import_module(f"{package}.msg"), name)())
        if kind == "boolean":
            return bool(self.rng.integers(2))
        if kind == "octet":
            return bytes([self.rng.integers(256)])
        if kind.startswith(("string", "wstring")):
            return self.one_of(WORDS)
        if kind in ("double", "float"):
            return self._number(kind)
        return self._whole(kind)

    def _values(self, item: str, size: int) -> Any:
        if item == "double" and size == len(HOME) and self.rng.random() < 0.5:
            return HOME.tolist()
        if item == "string" and size == len(HOME) and self.rng.random() < 0.5:
            return list(SPEC.joint_names)
        values = [self._value(item) for _ in range(size)]
        return b"".join(values) if item == "octet" and values else values

    def _length(self) -> int:
        return self.one_of(LENGTHS)

    def _number(self, kind: str) -> float:
        """What fits the type; a float32 holds no 1e300."""
        value = self.one_of(STRANGE) if self.rng.random() < 0.3 else self.rng.normal()
        return float(np.float32(value)) if kind == "float" and abs(value) < 1e38 else value

    def _whole(self, kind: str) -> int:
        found = _INTEGER.fullmatch(kind)
        assert found, f"a field of the unknown type {kind}"
        bits, is_signed = int(found["bits"]), not found["sign"]
        low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if is_signed else (0, 2**bits - 1)
        ends = (low, high, 0, 1, max(low, -5))
        if self.rng.random() < 0.5:
            return self.one_of(ends)
        return int(self.rng.integers(0, 100))
