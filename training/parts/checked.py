"""Settings that check themselves: the kinds of numbers they hold, and one check for all of them.

A setting says in its type what it may be (`num_worlds: Count = 16`), and every dataclass of
settings derives from `Settings`, so that a new one is checked by being there. The same types tell
the command line how a value is written and what to say of one that does not fit.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from dataclasses import dataclass
from typing import Annotated, Any, Literal


@dataclass(frozen=True)
class Range:
    """Which numbers are allowed; of a tuple, for each of its elements."""

    low: float
    high: float = math.inf
    excludes_low: bool = False
    excludes_high: bool = False

    def holds(self, value: float) -> bool:
        above = value > self.low if self.excludes_low else value >= self.low
        below = value < self.high if self.excludes_high else value <= self.high
        return above and below

    def __str__(self) -> str:
        lower = f"above {self.low:g}" if self.excludes_low else f"of at least {self.low:g}"
        if math.isinf(self.high):
            return lower
        return f"{lower} and {'below' if self.excludes_high else 'at most'} {self.high:g}"


Count = Annotated[int, Range(1)]
"""at least one of something"""
CountOrNone = Annotated[int, Range(0)]
"""a number of something that need not be there"""
Positive = Annotated[float, Range(0.0, excludes_low=True)]
NonNegative = Annotated[float, Range(0.0)]
Share = Annotated[float, Range(0.0, 1.0, excludes_low=True)]
"""a part of the whole, the whole included"""
Weight = Annotated[float, Range(0.0, 1.0)]
"""from none to all"""
Discount = Annotated[float, Range(0.0, 1.0, excludes_low=True, excludes_high=True)]
Sizes = Annotated[tuple[int, ...], Range(1)]
"""units of hidden layers, from first to last"""


class Settings:
    """What dataclasses of settings derive from: their numbers and choices are checked when made."""

    def __post_init__(self) -> None:
        """Raises `ValueError`, naming the field, for the first value that does not fit its type."""
        for name, hint in hints_of(type(self)).items():
            value = getattr(self, name)
            if not fits(hint, value):
                raise ValueError(f"{name}: found {shown(value)}, expected {expectation(hint)}")


def hints_of(settings: type) -> dict[str, Any]:
    """Every field's type with its range, in the order of the fields."""
    hints = typing.get_type_hints(settings, include_extras=True)
    return {field.name: hints[field.name] for field in dataclasses.fields(settings)}


def read_setting(hint: Any, text: str) -> Any:
    """The value that `text` from the command line stands for.

    Raises `ValueError` where it is not of that type; its range is checked by the settings.
    """
    base, optional = _base(hint)
    text = text.strip()
    if optional and text.lower() == "none":
        return None
    origin = typing.get_origin(base)
    if base is bool:
        return {"true": True, "false": False}[text.lower()]
    if origin is Literal:
        return {str(choice): choice for choice in typing.get_args(base)}[text]
    if origin is tuple:
        element = typing.get_args(base)[0]
        parts = text.strip("()").rstrip(",").split(",")
        return tuple(element(part) for part in parts)
    return base(text)


def shown(value: Any) -> str:
    """A value as the command line takes it, so that what a message shows can be typed."""
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value)


def expectation(hint: Any) -> str:
    """What a field of this type may be, in words and as the command line takes it."""
    base, optional = _base(hint)
    bounds = _bounds(hint)
    within = f" {bounds}" if bounds else ""
    origin = typing.get_origin(base)
    if origin is Literal:
        words = f"one of {', '.join(map(str, typing.get_args(base)))}"
    elif origin is tuple:
        words = f"whole numbers{within}, as in 64,64"
    else:
        plain = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
        words = f"{plain[base]}{within}"
    return f"{words}, or none" if optional else words


def _base(hint: Any) -> tuple[Any, bool]:
    """A hint without range and `None`, and whether `None` is allowed."""
    if typing.get_origin(hint) is Annotated:
        return _base(typing.get_args(hint)[0])
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        arguments = typing.get_args(hint)
        inner = next(argument for argument in arguments if argument is not type(None))
        return _base(inner)[0], True
    return hint, False


def _bounds(hint: Any) -> Range | None:
    if typing.get_origin(hint) is Annotated:
        return next((mark for mark in typing.get_args(hint)[1:] if isinstance(mark, Range)), None)
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        return next(filter(None, map(_bounds, typing.get_args(hint))), None)
    return None


def fits(hint: Any, value: Any) -> bool:
    """Whether a value is of a field's type and within its range."""
    base, optional = _base(hint)
    if value is None:
        return optional
    bounds, origin = _bounds(hint), typing.get_origin(base)
    if origin is Literal:
        return value in typing.get_args(base)
    if origin is tuple:
        element = typing.get_args(base)[0]
        of_type = isinstance(value, tuple) and len(value) > 0
        return of_type and all(fits(element, v) and (not bounds or bounds.holds(v)) for v in value)
    if base is float:
        is_number = isinstance(value, float | int) and not isinstance(value, bool)
        return is_number and math.isfinite(value) and (bounds is None or bounds.holds(value))
    if base is int:
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        return is_whole and (bounds is None or bounds.holds(value))
    return isinstance(value, base)
