"""What is wanted of a meta-learner, measured: rows with a number and an interval behind each mark.

The four are those of the lecture that this project follows (CS330, on exploration and PEARL):
*consistent*, *expressive*, *structured exploration*, and *efficient and off-policy*. It says them
of kinds of learners, by argument; here each is one stated experiment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from sim2real.evaluation.metrics import Interval


class Desideratum(StrEnum):
    """What is wanted."""

    CONSISTENT = "consistent"
    EXPRESSIVE = "expressive"
    STRUCTURED = "structured"
    EFFICIENT = "efficient"


class Mark(StrEnum):
    """What a number comes to."""

    YES = "yes"
    NO = "no"
    UNCLEAR = "unclear"
    """the interval lies on both sides of the threshold"""
    NOT_MEASURED = "not measured"


class Experiment(NamedTuple):
    """How a desideratum is measured, and from which number on it counts as fulfilled."""

    families: tuple[str, ...]
    """on points, and on the claw where there is one"""
    measures: str
    """what the number is, for a table"""
    threshold: float
    is_better_above: bool = True
    """false: the number has to stay at the threshold or below"""


EXPERIMENTS: Mapping[Desideratum, Experiment] = {
    Desideratum.CONSISTENT: Experiment(
        ("point_robot", "valve_turn"),
        "share of what is missing on tasks outside of training that eight times the data removes",
        0.25,
    ),
    Desideratum.EXPRESSIVE: Experiment(
        ("shown_goal",),
        "share of goals met that are shown and not paid for",
        0.5,
    ),
    Desideratum.STRUCTURED: Experiment(
        ("sparse_point_robot", "valve_turn"),
        "cells seen in the first episodes, over those of noise of equal energy",
        1.5,
    ),
    Desideratum.EFFICIENT: Experiment(
        ("point_robot", "valve_turn"),
        "environment steps to a stated return, over those of the learner that needs fewest",
        3.0,
        is_better_above=False,
    ),
}

LECTURE: Mapping[str, Mapping[Desideratum, Mark]] = {
    "rl2": {
        Desideratum.CONSISTENT: Mark.NO,
        Desideratum.EXPRESSIVE: Mark.YES,
        Desideratum.EFFICIENT: Mark.NO,
    },
    "maml": {
        Desideratum.CONSISTENT: Mark.YES,
        Desideratum.EXPRESSIVE: Mark.NO,
        Desideratum.STRUCTURED: Mark.NO,
        Desideratum.EFFICIENT: Mark.NO,
    },
    "promp": {
        Desideratum.CONSISTENT: Mark.YES,
        Desideratum.EXPRESSIVE: Mark.NO,
        Desideratum.STRUCTURED: Mark.NO,
        Desideratum.EFFICIENT: Mark.NO,
    },
    "maesn": {Desideratum.STRUCTURED: Mark.YES, Desideratum.EFFICIENT: Mark.NO},
    "pearl": {Desideratum.STRUCTURED: Mark.YES, Desideratum.EFFICIENT: Mark.YES},
}
"""What it says of each, by algorithm; nothing where it says nothing, which is not a no.

Recurrent learners are "expressive" and "not consistent", learners that adapt by gradients the
reverse; noise in every action fails to explore, a latent that is held for an episode explores;
PEARL needs 20 to 100 times fewer steps than ProMP, MAML and RL², and fewer than MAESN."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One desideratum of one learner in one place."""

    learner: str
    """its algorithm"""
    place: str
    """`points` or `claw`"""
    desideratum: Desideratum
    mark: Mark
    value: float | None = None
    low: float | None = None
    high: float | None = None
    """95 % over tasks; of steps to a return the range over seeds. None, also of the value: beyond
    what was tried, or not measured"""
    threshold: float
    lecture: Mark | None
    """None where it says nothing"""
    detail: Mapping[str, Any] = field(default_factory=dict)
    """what the number came from"""


def row(
    learner: str,
    place: str,
    desideratum: Desideratum,
    interval: Interval | None,
    detail: Mapping[str, Any],
) -> Row:
    """With its mark; no interval: it was tried, and is on the wrong side of any threshold."""
    experiment = EXPERIMENTS[desideratum]
    return Row(
        learner=learner,
        place=place,
        desideratum=desideratum,
        mark=Mark.NO if interval is None else marked(interval, experiment),
        threshold=experiment.threshold,
        lecture=LECTURE.get(learner, {}).get(desideratum),
        detail=detail,
        **({} if interval is None else dict(zip(("value", "low", "high"), interval, strict=True))),
    )


def not_measured(learner: str, place: str, desideratum: Desideratum, why: str) -> Row:
    """The row of what no run says."""
    return Row(
        learner=learner,
        place=place,
        desideratum=desideratum,
        mark=Mark.NOT_MEASURED,
        threshold=EXPERIMENTS[desideratum].threshold,
        lecture=LECTURE.get(learner, {}).get(desideratum),
        detail={"why": why},
    )


def marked(interval: Interval, experiment: Experiment) -> Mark:
    """Yes or no where the whole interval is on one side of the threshold; it itself fulfils."""
    low, high = interval.low, interval.high
    if experiment.is_better_above:
        is_fulfilled, is_missed = low >= experiment.threshold, high < experiment.threshold
    else:
        is_fulfilled, is_missed = high <= experiment.threshold, low > experiment.threshold
    return Mark.YES if is_fulfilled else Mark.NO if is_missed else Mark.UNCLEAR
