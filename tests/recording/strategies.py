"""Random messages of any type that is recorded."""

from __future__ import annotations

import string

from hypothesis import strategies as st

from sim2real.recording.schemas import Field, fields
from sim2real.recording.topics import TOPICS

TYPES = sorted({topic.type for topic in TOPICS.values()})
INTEGERS = {
    "byte": (0, 2**8 - 1),
    "uint8": (0, 2**8 - 1),
    "uint32": (0, 2**32 - 1),
    "uint64": (0, 2**64 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
}


def messages(name: str):
    """Values of the message `name`."""
    return st.fixed_dictionaries({field: _field(kind) for field, kind in fields(name).items()})


def _field(kind: Field):
    return st.lists(_one(kind.type), max_size=4) if kind.is_array else _one(kind.type)


def _one(kind: str):
    if "/" in kind:
        return messages(kind)
    if kind in INTEGERS:
        return st.integers(*INTEGERS[kind])
    return {
        "bool": st.booleans(),
        "string": st.text(string.printable + "αµ°", max_size=9),
        "float32": st.floats(width=32, allow_nan=False),
        "float64": st.floats(allow_nan=False),
    }[kind]


def zeros(name: str) -> dict:
    """A message of zeros and nothings."""
    plain = {"string": "", "bool": False}
    return {
        field: []
        if kind.is_array
        else zeros(kind.type)
        if kind.is_message
        else plain.get(kind.type, 0)
        for field, kind in fields(name).items()
    }
