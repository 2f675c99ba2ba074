"""Two evaluations of one policy, condition by condition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from sim2real.report.adaptation import REFERENCES
from sim2real.report.headline import robot_label
from sim2real.report.shown import Shown, pointer, words


@dataclass(frozen=True, kw_only=True)
class SideBySide:
    """What both of them measured."""

    labels: tuple[str, str]
    rows: Sequence[tuple[str, Sequence[Markup]]]
    """condition; success of both, return of both"""


def side_by_side(ours: Shown, other: Shown) -> SideBySide:
    """Rows of all that either has."""
    episodes = max(len(each.document["adapted_by_episode"]) for each in (ours, other))
    places = [
        (f"adapted, episode {episode}", pointer("adapted_by_episode", episode))
        for episode in range(episodes)
    ]
    places += [
        (words(name), pointer("conditions", name))
        for name in REFERENCES
        if any(name in each.document["conditions"] for each in (ours, other))
    ]
    forms = {"success": "percent", "return": "decimal"}
    return SideBySide(
        labels=(robot_label(ours.document["robot"]), robot_label(other.document["robot"])),
        rows=[
            (
                name,
                [
                    each.interval(f"{at}/{metric}", form)
                    for metric, form in forms.items()
                    for each in (ours, other)
                ],
            )
            for name, at in places
        ],
    )
