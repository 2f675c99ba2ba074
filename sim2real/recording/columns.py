"""From the messages of a topic to one array per field."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Columns = Mapping[str, NDArray[Any]]


def columns_of(recorded: Iterable[Any]) -> Columns:
    """Every field as an array whose axis 0 is the message; `log_ns` is when it was recorded.

    Fields of nested messages are called as in "header.stamp"; stamps are ns since the epoch.
    An array field is (T, N) with the largest N of all messages, padded with NaN where there are
    fewer numbers; lists of text or of messages with lists in them are objects. The fields of a
    list of messages are called as in "servos.temperature_c", (T, N) too.
    """
    rows: list[dict[str, Any]] = []
    for item in recorded:
        row = {"log_ns": item.log_ns}
        _flatten("", item.message, row)
        rows.append(row)
    names = dict.fromkeys(name for row in rows for name in row)
    lists = {name.partition(".")[0] for name in names if "." in name}
    # A list of messages that is empty has no parts to name its columns.
    return {
        name: _column([row.get(name, []) for row in rows]) for name in names if name not in lists
    }


def _flatten(prefix: str, message: Any, into: dict[str, Any]) -> None:
    for name in message.__slots__:
        value, at = getattr(message, name), f"{prefix}{name}"
        if hasattr(value, "nanosec"):
            into[at] = stamp_ns(value)
        elif _is_message(value):
            _flatten(f"{at}.", value, into)
        elif isinstance(value, list) and value and _is_message(value[0]):
            for part in value[0].__slots__:
                into[f"{at}.{part}"] = [getattr(item, part) for item in value]
        else:
            into[at] = list(value) if isinstance(value, bytes) else value


def stamp_ns(stamp: Any) -> int:
    """ns since the epoch of a builtin_interfaces/Time."""
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


def _is_message(value: Any) -> bool:
    return hasattr(value, "__slots__")


def _column(values: Sequence[Any]) -> NDArray[Any]:
    if not isinstance(values[0], list):
        return np.array(values)
    if any(not isinstance(item, int | float) for items in values for item in items):
        column = np.empty(len(values), object)
        for row, items in enumerate(values):
            column[row] = items
        return column
    table = np.full((len(values), max(map(len, values))), np.nan)
    for row, items in enumerate(values):
        table[row, : len(items)] = items
    return table
