"""Values set on a generated ROS message, by field name; needs nothing of ROS but the message."""

from __future__ import annotations

import importlib
import re
from array import array
from typing import Any, TypeVar

import numpy as np

from sim2real.recording.cdr import Values

T = TypeVar("T")

_SEQUENCE = re.compile(r"sequence<(.+)>")
_ARRAY_CODES = {
    "float": "f",
    "double": "d",
    "uint8": "B",
    "int32": "i",
    "uint32": "I",
    "int64": "q",
    "uint64": "Q",
}
"""of the arrays that ROS keeps numbers in, by the name of their type"""


def fill(message: T, values: Values) -> T:
    """Set every field of a generated message, nested ones too; returns it.

    Raises `ValueError` unless exactly its fields are given, and ROS's own `AssertionError` for a
    value of another type.
    """
    kinds: dict[str, str] = message.get_fields_and_field_types()  # type: ignore[attr-defined]
    if kinds.keys() != values.keys():
        missing, unknown = kinds.keys() - values.keys(), values.keys() - kinds.keys()
        where = type(message).__name__
        raise ValueError(f"{where}: missing {sorted(missing)}, unknown {sorted(unknown)}")
    for name, kind in kinds.items():
        setattr(message, name, _value(kind, values[name], getattr(message, name)))
    return message


def _value(kind: str, value: Any, current: Any) -> Any:
    sequence = _SEQUENCE.fullmatch(kind)
    if sequence:
        return _values(sequence[1], value)
    if "/" in kind:
        return fill(current, value)
    if kind == "octet":
        return bytes([value])
    return value.item() if isinstance(value, np.generic) else value


def _values(kind: str, values: Any) -> Any:
    if kind in _ARRAY_CODES:
        numbers = array(_ARRAY_CODES[kind])
        numbers.frombytes(np.asarray(values, numbers.typecode).tobytes())
        return numbers
    if "/" in kind:
        make = _message_class(kind)
        return [fill(make(), value) for value in values]
    return list(values)


def _message_class(name: str) -> Any:
    """The class of a message as fields name it, "std_msgs/Header"."""
    package, _, message = name.partition("/")
    return getattr(importlib.import_module(f"{package}.msg"), message)
