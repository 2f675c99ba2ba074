"""How a node's topics, services and parameters are written down, and the table that they make."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rclpy.duration import Duration
from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    LivelinessPolicy,
    QoSProfile,
    ReliabilityPolicy,
)

WIDTH = 100
"""of a table's lines"""
RECORDER_DEPTH = 500
"""how far a recorder may fall behind before it loses something: half a second at 1 kHz"""


def quality(
    depth: int,
    *,
    is_reliable: bool = True,
    is_latched: bool = False,
    deadline_s: float | None = None,
    lifespan_s: float | None = None,
) -> QoSProfile:
    """Keep the last `depth` messages. `is_latched`: they reach whoever joins late as well."""
    profile = QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE if is_reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if is_latched else DurabilityPolicy.VOLATILE,
        liveliness=LivelinessPolicy.AUTOMATIC,
    )
    if deadline_s is not None:
        profile.deadline = Duration(nanoseconds=round(deadline_s * 1e9))
    if lifespan_s is not None:
        profile.lifespan = Duration(nanoseconds=round(lifespan_s * 1e9))
    return profile


@dataclass(frozen=True, kw_only=True)
class Topic:
    """A topic. Its name is relative: a namespace makes it one robot's."""

    name: str
    type: type
    offered: QoSProfile
    """by whoever publishes"""
    requested: QoSProfile
    """by whoever acts on it; never more than is offered"""
    purpose: str

    @property
    def recorded(self) -> QoSProfile:
        """What a recorder requests, which wants every message there is."""
        return quality(
            RECORDER_DEPTH,
            is_reliable=self.offered.reliability is ReliabilityPolicy.RELIABLE,
            is_latched=self.offered.durability is DurabilityPolicy.TRANSIENT_LOCAL,
        )


@dataclass(frozen=True, kw_only=True)
class Service:
    """A service. Its name is relative."""

    name: str
    type: Any
    """the class that rosidl generated, with `Request` and `Response`"""
    purpose: str


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A parameter with all that its descriptor says. It is given at the start, never set later."""

    name: str
    default: str | int | float
    purpose: str
    """with the unit"""
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    is_required: bool = False
    """there is no default: an empty one means that none was given"""


@dataclass(frozen=True, kw_only=True)
class NodeInterface:
    """All that a node offers and uses."""

    publishes: tuple[Topic, ...]
    subscribes: tuple[Topic, ...]
    services: tuple[Service, ...]
    parameters: tuple[Parameter, ...]
    calls: tuple[Service, ...] = ()
    """services of other nodes"""

    def table(self) -> str:
        """One line each, as the node's docstring has it."""
        out, into = self.publishes, self.subscribes
        rows = [
            *(("publishes", t.name, t.type.__name__, _quality(t.offered)) for t in out),
            *(("subscribes", t.name, t.type.__name__, _quality(t.requested)) for t in into),
            *(("serves", s.name, s.type.__name__, s.purpose) for s in self.services),
            *(("calls", s.name, s.type.__name__, s.purpose) for s in self.calls),
            *(("parameter", p.name, repr(p.default), p.purpose) for p in self.parameters),
        ]
        return "\n".join(_aligned(rows))


def _quality(profile: QoSProfile) -> str:
    words = [
        "reliable" if profile.reliability is ReliabilityPolicy.RELIABLE else "best effort",
        "latched" if profile.durability is DurabilityPolicy.TRANSIENT_LOCAL else "",
        f"last {profile.depth}",
    ]
    return ", ".join(word for word in words if word)


def _aligned(rows: list[tuple[str, str, str, str]]) -> Iterable[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for *cells, last in rows:
        start = "  ".join([*(f"{cell:<{width}}" for cell, width in zip(cells, widths)), ""])
        yield textwrap.fill(last, WIDTH, initial_indent=start, subsequent_indent=" " * len(start))
