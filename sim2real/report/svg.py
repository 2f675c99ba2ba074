"""Line figures as SVG text, with no library: axes, lines, bands, points, bars.

Marks carry class names only; colours are the page's, so that one figure serves light, dark and
paper. Places are in user units of a `viewBox`: figures are laid out for a width of 440, in which
text keeps a readable size from a phone to a sheet of paper.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

WIDTH, HEIGHT = 440, 262
_TOP, _BOTTOM, _LEFT, _BESIDE = 14, 42, 48, 8


@dataclass(frozen=True, kw_only=True)
class Axis:
    """From values to shares of an axis."""

    label: str
    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    """places and what is written there"""
    is_log: bool = False

    def share(self, value: float) -> float:
        """0 at the low end, 1 at the high end."""
        if self.is_log:
            low, high = math.log(self.low), math.log(self.high)
            value = math.log(max(value, self.low))
        else:
            low, high = self.low, self.high
        return (value - low) / ((high - low) or 1.0)


def linear_axis(
    label: str,
    values: Iterable[float],
    *,
    num_ticks: int = 5,
    margin: float = 0.04,
    scale: float = 1.0,
    unit: str = "",
) -> Axis:
    """An axis that holds all finite values, with round ticks.

    They say `scale` times the value and `unit`; `margin` is the share left free at both ends.
    """
    finite = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    low, high = min(finite), max(finite)
    if high - low < 1e-9 * max(1.0, abs(high)):
        spread = 0.5 * abs(low) or 0.5 / scale
        low, high = low - spread, high + spread
    spare = margin * (high - low)
    low, high = low - spare, high + spare
    step = _round_step((high - low) * scale / num_ticks)
    first = math.ceil(low * scale / step - 1e-9)
    last = math.floor(high * scale / step + 1e-9)
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    ticks = tuple(
        (number * step / scale, _tick(number * step, decimals) + unit)
        for number in range(first, last + 1)
    )
    return Axis(label=label, low=low, high=high, ticks=ticks)


def percent_axis(label: str) -> Axis:
    ticks = tuple((tenth / 10, f"{tenth * 10} %") for tenth in (0, 2, 4, 6, 8, 10))
    return Axis(label=label, low=-0.03, high=1.03, ticks=ticks)


def whole_axis(label: str, last: int, *, spare: float = 0.3) -> Axis:
    """0, 1, … `last`, each written where there is room."""
    stride = max(1, math.ceil((last + 1) / 10))
    ticks = tuple((float(number), str(number)) for number in range(0, last + 1, stride))
    return Axis(label=label, low=-spare, high=last + spare, ticks=ticks)


def duration_axis(label: str, low_s: float, high_s: float) -> Axis:
    """A logarithmic axis of seconds."""
    return log_axis(label, low_s, high_s, _short_duration)


def log_axis(
    label: str, low: float, high: float, text: Callable[[float], str] = "{:g}".format
) -> Axis:
    """A logarithmic axis with a tick per decade, or finer where there are few."""
    share = high / low
    mantissas: tuple[float, ...] = (1.0,) if share > 300 else (1.0, 2.0, 5.0)
    if share < 4:
        mantissas = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0)
    if share < 1.6:
        steps = linear_axis(label, [low, high], margin=0.0, num_ticks=4).ticks
        places = [value for value, _ in steps]
    else:
        exponents = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
        places = [m * 10.0**exponent for exponent in exponents for m in mantissas]
    ticks = tuple((value, text(value)) for value in places if low <= value * 1.001 <= high * 1.002)
    return Axis(label=label, low=low, high=high, ticks=ticks, is_log=True)


class Plot:
    """One panel: marks are added, `svg` closes it."""

    def __init__(
        self, x: Axis, y: Axis, *, width: int = WIDTH, height: int = HEIGHT, right: int = 14
    ) -> None:
        self.x_axis, self.y_axis, self.width, self.height = x, y, width, height
        self.x_end = width - right
        self._inside: list[str] = []
        """what is cut off where it leaves the panel"""
        self._marks: list[str] = []

    def x(self, value: float) -> float:
        return _LEFT + self.x_axis.share(value) * (self.x_end - _LEFT)

    def y(self, value: float) -> float:
        end = self.height - _BOTTOM
        return end - self.y_axis.share(value) * (end - _TOP)

    def line(self, xs: Iterable[float], ys: Iterable[float], kind: str, title: str = "") -> None:
        """A line through all finite points; `title` is what a pointer that rests on it is told."""
        places = " ".join(self._places(xs, ys))
        self._inside.append(_element(f'<polyline class="line {kind}" points="{places}"', title))

    def band(
        self, xs: Sequence[float], lows: Sequence[float], highs: Sequence[float], kind: str
    ) -> None:
        there = self._places(xs, highs)
        back = self._places(xs[::-1], lows[::-1])
        places = " ".join([*there, *back])
        self._inside.append(_element(f'<polygon class="band {kind}" points="{places}"'))

    def point(self, x: float, y: float, kind: str, title: str = "", radius: float = 4.0) -> None:
        place = f'cx="{self.x(x):.1f}" cy="{self.y(y):.1f}"'
        self._mark(f'<circle class="point {kind}" {place} r="{radius:g}"', title)

    def whisker(self, x: float, low: float, high: float, kind: str, title: str = "") -> None:
        self._segment(self.x(x), self.y(low), self.x(x), self.y(high), f"whisker {kind}", title)

    def across(self, y: float, kind: str) -> None:
        """A line over the whole width."""
        self._segment(_LEFT, self.y(y), self.x_end, self.y(y), f"reference {kind}")

    def upright(self, x: float, kind: str) -> None:
        """A line over the whole height."""
        self._segment(self.x(x), _TOP, self.x(x), self.height - _BOTTOM, kind)

    def bar(self, low: float, high: float, y: float, kind: str, title: str = "") -> None:
        """A bar from the bottom to `y`."""
        left, right, top, bottom = self.x(low), self.x(high), self.y(y), self.height - _BOTTOM
        size = f'width="{max(right - left - 0.8, 0.6):.2f}" height="{bottom - top:.2f}"'
        self._mark(f'<rect class="bar {kind}" x="{left:.2f}" y="{top:.2f}" {size}', title)

    def outside(
        self, number: int, interval: Mapping[str, float], kind: str, title: str = ""
    ) -> None:
        """A mean with its interval, right of the panel, `number` places out."""
        x, y = self.x_end + 8 + _BESIDE * number, self.y(interval["mean"])
        low, high = self.y(interval["low"]), self.y(interval["high"])
        self._segment(x, low, x, high, f"whisker {kind}", title)
        self._mark(f'<circle class="point {kind}" cx="{x}" cy="{y:.1f}" r="3"', title)

    def names(self, names: Sequence[tuple[float, str, str]], *, gap: float = 14.0) -> None:
        """Names (y, text, kind) of what is outside, moved apart where they would overlap."""
        ordered = sorted(names, key=lambda name: self.y(name[0]))
        places = _apart([self.y(y) for y, _, _ in ordered], gap, _TOP, self.height - _BOTTOM)
        left = self.x_end + 8 + _BESIDE * len(names)
        for place, (_, text, kind) in zip(places, ordered, strict=True):
            self.text(left, place + 4, text, f"name {kind}")

    def text(self, left: float, top: float, text: str, kind: str, anchor: str = "start") -> None:
        """Text at a place of the figure."""
        self._marks.append(
            f'<text class="{kind}" x="{left:.1f}" y="{top:.1f}" text-anchor="{anchor}">'
            f"{escape(text)}</text>"
        )

    def svg(self, title: str, description: str, *, name: str = "") -> Markup:
        """The figure, with what it shows in words for whoever cannot see it."""
        identity = f' data-figure="{escape(name)}"' if name else ""
        return Markup(
            f'<svg class="plot" viewBox="0 0 {self.width} {self.height}" role="img"{identity} '
            f'aria-label="{escape(title)}. {escape(description)}">'
            f"{''.join(self._frame())}{self._cut()}{''.join(self._marks)}</svg>"
        )

    def _cut(self) -> str:
        """What is inside, in a view of its own that hides what leaves it."""
        width, height = self.x_end - _LEFT, self.height - _BOTTOM - _TOP
        place = f'x="{_LEFT}" y="{_TOP}" width="{width}" height="{height}"'
        view = f"{_LEFT} {_TOP} {width} {height}"
        return f'<svg {place} viewBox="{view}">{"".join(self._inside)}</svg>'

    def _frame(self) -> list[str]:
        bottom, middle = self.height - _BOTTOM, (_LEFT + self.x_end) / 2
        parts = []
        for value, text in self.y_axis.ticks:
            y = self.y(value)
            parts.append(f'<path class="grid" d="M{_LEFT} {y:.1f}H{self.x_end}"/>')
            parts.append(_tick_text(_LEFT - 7, y + 4, text, "end"))
        for value, text in self.x_axis.ticks:
            x = self.x(value)
            parts.append(f'<path class="tick" d="M{x:.1f} {bottom}v4"/>')
            parts.append(_tick_text(x, bottom + 17, text, "middle"))
        parts.append(f'<path class="axis" d="M{_LEFT} {bottom}H{self.x_end}"/>')
        label = escape(self.x_axis.label)
        parts.append(
            f'<text class="label" x="{middle:.1f}" y="{self.height - 6}" '
            f'text-anchor="middle">{label}</text>'
        )
        return parts

    def _places(self, xs: Iterable[float], ys: Iterable[float]) -> list[str]:
        return [
            f"{self.x(x):.1f},{self.y(y):.1f}"
            for x, y in zip(xs, ys, strict=True)
            if math.isfinite(x) and math.isfinite(y)
        ]

    def _segment(
        self, left: float, top: float, right: float, bottom: float, kind: str, title: str = ""
    ) -> None:
        ends = f'x1="{left:.1f}" y1="{top:.1f}" x2="{right:.1f}" y2="{bottom:.1f}"'
        self._mark(f'<line class="{kind}" {ends}', title)

    def _mark(self, opening: str, title: str = "") -> None:
        self._marks.append(_element(opening, title))


def _element(opening: str, title: str = "") -> str:
    """`<name attributes` closed, with what a pointer that rests on it is told."""
    name = opening[1 : opening.index(" ")]
    return f"{opening}><title>{escape(title)}</title></{name}>" if title else f"{opening}/>"


def _apart(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """The nearest places at least `gap` apart, in order, within the panel where they fit."""
    moved: list[float] = []
    for place in places:
        moved.append(max(place, moved[-1] + gap) if moved else max(place, low))
    end = high
    for index in range(len(moved) - 1, -1, -1):
        moved[index] = min(moved[index], end)
        end = moved[index] - gap
    return moved


def _round_step(step: float) -> float:
    power = 10.0 ** math.floor(math.log10(step))
    return next(m * power for m in (1.0, 2.0, 5.0, 10.0) if m * power >= step * 0.999)


def _tick(value: float, decimals: int) -> str:
    return f"{value + 0.0:.{decimals}f}".replace("-", "−")


def _short_duration(value_s: float) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if value_s * scale >= 0.999:
            return f"{value_s * scale:.4g} {unit}"
    return f"{value_s * 1e9:g} ns"


def _tick_text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text class="tick-text" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{text}</text>'
