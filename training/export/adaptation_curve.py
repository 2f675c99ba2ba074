"""The figure of a model card: return per episode of a trial, as SVG without any library."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

CURVE = "adaptation.svg"
_WIDTH, _HEIGHT, _MARGIN = 480, 280, 56
_BLUE = "#1f6fb4"
_ABLATIONS = {"frozen_prior": "#888888", "wrong_task": "#c44e1d"}


def adaptation_curve(summary: Mapping[str, Any]) -> str:
    """Means with intervals over tasks, episode by episode, and the ablations as dashed lines."""
    points = [metrics["return"] for metrics in summary["adapted_by_episode"]]
    ablations = {
        name: summary["conditions"][name]["return"]["mean"]
        for name in _ABLATIONS
        if name in summary["conditions"]
    }
    ends = [point[end] for point in points for end in ("low", "high")]
    ends += ablations.values()
    scale = _Scale(min(ends), max(ends), len(points))
    places = " ".join(f"{scale.x(k):.1f},{scale.y(p['mean']):.1f}" for k, p in enumerate(points))
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
            'font-family="sans-serif" font-size="12">',
            f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
            *(_text(_MARGIN - 6, scale.y(v), f"{v:.1f}", "end") for v in (scale.low, scale.high)),
            *(_ablation(scale.y(value), name) for name, value in ablations.items()),
            f'<polyline points="{places}" fill="none" stroke="{_BLUE}" stroke-width="2"/>',
            *(_episode(scale, number, point) for number, point in enumerate(points)),
            _text(_WIDTH / 2, _HEIGHT - 12, "return by episode of a trial (mean, 95 %)", "middle"),
            "</svg>\n",
        ]
    )


class _Scale:
    """From values to places in the figure."""

    def __init__(self, low: float, high: float, num_episodes: int) -> None:
        self.low, self.high, self._num_episodes = low, high, num_episodes

    def x(self, episode: int) -> float:
        return _MARGIN + (episode + 0.5) * (_WIDTH - 1.5 * _MARGIN) / self._num_episodes

    def y(self, value: float) -> float:
        share = (value - self.low) / ((self.high - self.low) or 1.0)
        return _HEIGHT - _MARGIN - share * (_HEIGHT - 1.6 * _MARGIN)


def _episode(scale: _Scale, number: int, point: Mapping[str, float]) -> str:
    x, mean = scale.x(number), scale.y(point["mean"])
    low, high = scale.y(point["low"]), scale.y(point["high"])
    return (
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{low:.1f}" y2="{high:.1f}" stroke="{_BLUE}"/>'
        f'<circle cx="{x:.1f}" cy="{mean:.1f}" r="3.5" fill="{_BLUE}"/>'
        + _text(x, _HEIGHT - _MARGIN + 22, str(number), "middle")
    )


def _ablation(y: float, name: str) -> str:
    right, colour = _WIDTH - _MARGIN / 2, _ABLATIONS[name]
    return (
        f'<line x1="{_MARGIN}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}" stroke="{colour}" '
        'stroke-dasharray="5 4"/>' + _text(right, y - 4, name.replace("_", " "), "end", colour)
    )


def _text(x: float, y: float, text: str, anchor: str, colour: str = "black") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{text}</text>'
