"""Two evaluations of one policy, condition by condition."""

from __future__ import annotations

from sim2real.report.adaptation import REFERENCES
from sim2real.report.grid import Grid
from sim2real.report.headline import robot_label
from sim2real.report.shown import Shown, pointer, words


def side_by_side(ours: Shown, other: Shown) -> Grid:
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
    labels = tuple(robot_label(each.document["robot"]) for each in (ours, other))
    return Grid(
        caption="Two evaluations side by side: mean and 95 % interval over tasks",
        groups=(("", 1), ("success", 2), ("return", 2)),
        columns=("condition", *labels, *labels),
        rows=[
            [
                name,
                *(
                    each.interval(f"{at}/{metric}", form)
                    for metric, form in (("success", "percent"), ("return", "decimal"))
                    for each in (ours, other)
                ),
            ]
            for name, at in places
        ],
    )
