"""From a message's values to the bytes that DDS sends and a recording keeps: CDR, little-endian.

Strict: a missing or unknown field, a fraction where a whole number belongs or a number out of its
type's range is refused, never replaced. (OMG CORBA 3.3 part 2, 9.3: every value is aligned to its
size, counted from after the four bytes of encapsulation.)
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

from sim2real.recording.schemas import Field, fields

Values = Mapping[str, Any]
"""A message as {field: value}: numbers, text, numpy arrays, lists; nested messages are mappings."""

_ENCAPSULATION = b"\x00\x01\x00\x00"
_CODES = {
    "bool": "?",
    "byte": "B",
    "int8": "b",
    "int16": "h",
    "int32": "i",
    "int64": "q",
    "uint8": "B",
    "uint16": "H",
    "uint32": "I",
    "uint64": "Q",
    "float32": "f",
    "float64": "d",
}
"""as `struct` and numpy both call them"""
_SCALARS = {name: struct.Struct(f"<{code}") for name, code in _CODES.items()}
_DTYPES = {name: np.dtype(f"<{code}") for name, code in _CODES.items()}


def encode(name: str, values: Values) -> bytes:
    """The message called `name`, as in "std_msgs/Header", with exactly its fields.

    Raises `ValueError` naming message and field for whatever does not fit.
    """
    data = bytearray(_ENCAPSULATION)
    _put_message(data, name, values)
    return bytes(data)


def _put_message(data: bytearray, name: str, values: Values) -> None:
    expected = fields(name)
    if values.keys() != expected.keys():
        missing, unknown = expected.keys() - values.keys(), values.keys() - expected.keys()
        raise ValueError(f"{name}: missing {sorted(missing)}, unknown {sorted(unknown)}")
    for field, kind in expected.items():
        try:
            put = _put_array if kind.is_array else _put_value
            put(data, kind, values[field])
        except (TypeError, ValueError, OverflowError, AttributeError, struct.error) as error:
            raise ValueError(f"{name}.{field}: {error}") from None


def _put_value(data: bytearray, kind: Field, value: Any) -> None:
    if kind.is_message:
        _put_message(data, kind.type, value)
    elif kind.type == "string":
        text = value.encode() + b"\0"
        _put_count(data, len(text))
        data += text
    else:
        if kind.type == "bool" and not isinstance(value, bool | np.bool_):
            raise TypeError(f"{value!r} is neither true nor false")
        scalar = _SCALARS[kind.type]
        _align(data, scalar.size)
        data += scalar.pack(value)


def _put_array(data: bytearray, kind: Field, values: Any) -> None:
    _put_count(data, len(values))
    if kind.is_message or kind.type == "string":
        for value in values:
            _put_value(data, kind, value)
    elif len(values):
        dtype, found = _DTYPES[kind.type], np.asarray(values)
        if found.ndim != 1:
            raise ValueError(f"shape {found.shape}, expected one axis")
        array = found.astype(dtype)
        if dtype.kind != "f" and not np.array_equal(array, found):
            raise ValueError(f"{found.tolist()} do not fit {kind.type}")
        _align(data, dtype.itemsize)
        data += array.tobytes()


def _put_count(data: bytearray, count: int) -> None:
    _align(data, 4)
    data += count.to_bytes(4, "little")


def _align(data: bytearray, size: int) -> None:
    """Pad to a multiple of `size`; the four bytes of encapsulation do not count."""
    data += bytes(-(len(data) - len(_ENCAPSULATION)) % size)
