"""From the messages of a topic to one array per field."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Columns = Mapping[str, NDArray[Any]]


def columns_of(recorded: Iterable[Any]) -> Columns:
    """Every field as an array whose axis 0 is the message; `log_ns` is when it was recorded.

    Messages have their fields as attributes, or are plain values as `messages` makes them.
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
    for name, value in _fields(message):
        at = f"{prefix}{name}"
        if _is_message(value):
            inner = dict(_fields(value))
            if inner.keys() == {"sec", "nanosec"}:
                into[at] = int(inner["sec"]) * 1_000_000_000 + int(inner["nanosec"])
            else:
                _flatten(f"{at}.", value, into)
        elif isinstance(value, list) and value and _is_message(value[0]):
            parts = [dict(_fields(item)) for item in value]
            for part in parts[0]:
                into[f"{at}.{part}"] = [item[part] for item in parts]
        else:
            into[at] = value if isinstance(value, str | int | float) else _numbers(value)


def _fields(message: Any) -> Iterable[tuple[str, Any]]:
    if isinstance(message, Mapping):
        return message.items()
    return ((name, getattr(message, name)) for name in message.__slots__)


def _numbers(value: Any) -> Any:
    """Lists, of whatever else holds numbers; a number that numpy holds as one."""
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else list(value)


def _is_message(value: Any) -> bool:
    return isinstance(value, Mapping) or hasattr(value, "_full_text")


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
