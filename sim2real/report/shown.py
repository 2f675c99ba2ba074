"""Numbers as a page shows them: each says in its markup which entry of which document it is.

A `data` element holds the exact value and, as a JSON pointer (RFC 6901), where it comes from. So a
program can compare the page with `results.json`, number by number; a test does.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from markupsafe import Markup, escape

_DATA = Markup('<data value="{}" data-from="{}" data-at="{}" data-form="{}">{}</data>')
_INTERVAL = Markup('{} <span class="interval">[{}, {}]</span>')
MINUS, DASH = "−", "–"
_NARROW = "\u202f"
"""a narrow space at which lines do not break"""


def percent(value: float) -> str:
    return f"{_signed(100.0 * value, 0)}{_NARROW}%"


def hundredths(value: float) -> str:
    """As `percent`, where the sign of it stands beside."""
    return _signed(100.0 * value, 0)


def points(value: float) -> str:
    """A difference of two shares, in percentage points."""
    return f"{'+' if value > 0 else ''}{_signed(100.0 * value, 0)}{_NARROW}points"


def plain(value: float) -> str:
    """Three digits that matter."""
    return digits(value, 3)


def decimal(value: float) -> str:
    return _signed(value, 2)


def tenths(value: float) -> str:
    return _signed(value, 1)


def change(value: float) -> str:
    return f"{'+' if value > 0 else ''}{_signed(value, 2)}"


def count(value: float) -> str:
    return f"{value:,.0f}".replace(",", _NARROW)


def exact(value: float) -> str:
    """Every digit, as of a seed."""
    return str(value)


def duration(value: float) -> str:
    """Seconds, in the unit that suits their size."""
    for unit, scale in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if abs(value) * scale >= 1.0 or unit == "µs":
            return f"{plain(value * scale)}{_NARROW}{unit}"
    raise AssertionError("every duration has a unit")


def angle(value: float) -> str:
    """Radians, as they suit errors of joints."""
    return f"{digits(value * 1e3, 3)}{_NARROW}mrad"


FORMS: Mapping[str, Callable[[float], str]] = {
    form.__name__: form
    for form in (
        percent,
        hundredths,
        points,
        plain,
        decimal,
        tenths,
        change,
        count,
        exact,
        duration,
        angle,
    )
}


def digits(value: float, number: int) -> str:
    """So many digits that matter, and no exponent."""
    if value == 0.0 or not math.isfinite(value):
        return f"{value:g}"
    decimals = max(0, number - 1 - math.floor(math.log10(abs(value))))
    text = _signed(value, min(decimals, number + 2))
    return text if text.strip("0.") else "0"


def _signed(value: float, decimals: int) -> str:
    text = f"{value:.{decimals}f}"
    is_zero = float(text) == 0.0
    return text.lstrip("-") if is_zero else text.replace("-", MINUS)


class Shown:
    """One document's numbers as markup."""

    def __init__(self, document: Mapping[str, Any], name: str) -> None:
        self.document, self.name = document, name

    def has(self, at: str) -> bool:
        """Whether the document has a number at a JSON pointer."""
        try:
            return isinstance(resolve(self.document, at), int | float)
        except LookupError:
            return False

    def value(self, at: str) -> Any:
        """What stands at a JSON pointer. Raises `LookupError` where nothing does."""
        return resolve(self.document, at)

    def number(self, at: str, form: str) -> Markup:
        """The number at a JSON pointer; a dash where the document has none there."""
        if not self.has(at):
            return Markup(DASH)
        value = resolve(self.document, at)
        return Markup(
            '<data value="{}" data-from="{}" data-at="{}" data-form="{}">{}</data>'
        ).format(json.dumps(value), self.name, at, form, FORMS[form](value))

    def interval(self, at: str, form: str) -> Markup:
        """{"mean", "low", "high"} at a JSON pointer."""
        return self.middle(f"{at}/mean", at, form)

    def difference(self, at: str, form: str) -> Markup:
        """{"difference", "low", "high"} at a JSON pointer."""
        return self.middle(f"{at}/difference", at, form)

    def middle(self, at: str, ends: str, form: str) -> Markup:
        """A number with its interval: `low` and `high` at `ends`, where they are there."""
        number = self.number(at, form)
        if not (self.has(f"{ends}/low") and self.has(f"{ends}/high")):
            return number
        bare = "hundredths" if form in ("percent", "points") else form
        low, high = (self.number(f"{ends}/{end}", bare) for end in ("low", "high"))
        return _INTERVAL.format(number, low, high)


def resolve(document: Any, at: str) -> Any:
    """What stands at a JSON pointer. Raises `LookupError` where nothing does."""
    for part in at.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(document, list):
            if not key.isdigit():
                raise KeyError(at)
            document = document[int(key)]
        elif isinstance(document, Mapping):
            document = document[key]
        else:
            raise KeyError(at)
    return document


def pointer(*parts: object) -> str:
    """The JSON pointer to an entry."""
    escaped = (str(part).replace("~", "~0").replace("/", "~1") for part in parts)
    return "".join(f"/{part}" for part in escaped)


def embedded(document: object) -> Markup:
    """JSON that may stand inside a script element: nothing in it can end the element."""
    text = json.dumps(document, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    return Markup(
        text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    )


def words(name: str) -> str:
    """A field's name as a person writes it."""
    return str(escape(name.replace("_", " ")))
