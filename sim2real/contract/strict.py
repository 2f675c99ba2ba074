"""Frozen dataclasses from parsed YAML or JSON, refusing everything that does not fit.

A missing key must never become a default on a robot: every field has to be there, no other may be,
and types are taken literally (only a whole number may stand for a number).
"""

from __future__ import annotations

import dataclasses
import math
import sys
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from sim2real.contract.errors import BadInput

T = TypeVar("T")
NOT_IN_FILE: Mapping[str, bool] = {"is_in_file": False}
"""metadata of a field that is not read, and has a default"""
_PLAIN = {float: "a finite number", int: "a whole number", str: "text", bool: "true or false"}


def build(
    cls: type[T], value: Any, where: str, at: str = "", *, types: Mapping[str, type] | None = None
) -> T:
    """An instance of the dataclass `cls` from a mapping read from the file `where`.

    `at` is the place inside the file, for messages. `types` are those of fields that the class does
    not say, as of settings that depend on another field. Fields may be numbers, text, booleans,
    `Literal`s, optional values, one of several plain types, tuples, string-keyed mappings, further
    dataclasses and `Any`, which is left as it is for whoever knows its type.
    Raises `BadInput` naming the field for anything missing, unknown or ill-typed.
    """
    if not isinstance(value, dict):
        raise BadInput(where, at or "file", found=value, expected="a mapping")
    hints = {**typing.get_type_hints(cls), **(types or {})}
    names = [
        field.name
        for field in dataclasses.fields(cls)  # type: ignore[arg-type]
        if field.metadata.get("is_in_file", True)
    ]
    prefix = f"{at}." if at else ""
    for name in value:
        if name not in names:
            raise BadInput(
                where, f"{prefix}{name}", found=name, expected=f"one of {', '.join(names)}"
            )
    for name in names:
        if name not in value:
            raise BadInput(where, f"{prefix}{name}", found="nothing", expected="a value")
    fields = {name: _coerce(hints[name], value[name], where, prefix + name) for name in names}
    try:
        return cls(**fields)
    except ValueError as error:  # the dataclass's own checks
        place = at or "file"
        raise BadInput(where, place, found=str(error), expected="consistent values") from None


def _coerce(hint: Any, value: Any, where: str, at: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if origin is types.UnionType or origin is typing.Union:
        if value is None and type(None) in arguments:
            return None
        inner = [argument for argument in arguments if argument is not type(None)]
        same = [argument for argument in inner if argument is type(value)]
        return _coerce((same or inner)[0], value, where, at)
    if origin is tuple:
        if not isinstance(value, list):
            raise BadInput(where, at, found=value, expected="a list")
        return tuple(_coerce(arguments[0], v, where, f"{at}[{i}]") for i, v in enumerate(value))
    if origin is Mapping:
        if not isinstance(value, dict):
            raise BadInput(where, at, found=value, expected="a mapping")
        return {str(k): _coerce(arguments[1], v, where, f"{at}.{k}") for k, v in value.items()}
    if origin is typing.Literal:
        if value not in arguments or type(value) not in map(type, arguments):
            choices = ", ".join(map(str, arguments))
            raise BadInput(where, at, found=value, expected=f"one of {choices}")
        return value
    if hint is Any:
        return value
    if dataclasses.is_dataclass(hint):
        return build(typing.cast(type, hint), value, where, at)
    return _plain(hint, value, where, at)


def _plain(hint: type, value: Any, where: str, at: str) -> Any:
    if hint is float and type(value) is int and abs(value) <= sys.float_info.max:
        return float(value)
    if type(value) is not hint or (isinstance(value, float) and not math.isfinite(value)):
        raise BadInput(where, at, found=value, expected=_PLAIN[hint])
    return value
