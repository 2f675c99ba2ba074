"""What was refused and what went wrong: readings that were no evidence, safety events, faults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from sim2real.report.figure import Table
from sim2real.report.shown import Shown, pointer, words

ACCEPTED = "accepted"
MEANINGS: Mapping[str, str] = {
    ACCEPTED: "became evidence about the task",
    "episode_boundary": "the first of an episode: no transition leads there",
    "stale": "too old when it was to be acted on",
    "duplicate": "the same measurement as the one before",
    "reordered": "measured before the one before",
    "late": "more than a control period after the one before",
    "early": "less than a control period after the one before",
    "filtered": "the action that led there is unknown, or is none of the policy's",
    "frozen": "the belief was frozen on purpose, as in frozen_prior and wrong_task",
    "frame_missing": "the policy sees, and there was no frame",
    "frame_misshapen": "its frame had another size or type than in training",
    "frame_ahead": "its frame was taken later than now",
    "frame_stale": "its frame was too old",
    "frame_repeated": "its frame had been acted on, or was older than one that had",
}
"""what the evidence gate says of a reading"""


@dataclass(frozen=True, kw_only=True)
class CountRow:
    """How often something happened."""

    cause: str
    meaning: str
    count: Markup
    share: float
    """of all of them, 0 to 1"""
    kind: str = ""
    """class names"""


@dataclass(frozen=True, kw_only=True)
class CountTable:
    """Counts by cause."""

    name: str
    """of its CSV"""
    rows: Sequence[CountRow]
    table: Table


def count_table(shown: Shown, field: str, meanings: Mapping[str, str]) -> CountTable:
    """The counts of one field of the results, most frequent first; `accepted` leads."""
    counts: Mapping[str, int] = shown.document.get(field, {})
    total = sum(counts.values()) or 1
    ordered = sorted(counts, key=lambda cause: (cause != ACCEPTED, -counts[cause], cause))
    return CountTable(
        name=field.replace("_", "-"),
        rows=[
            CountRow(
                cause=words(cause),
                meaning=meanings.get(cause, ""),
                count=shown.number(pointer(field, cause), "count"),
                share=counts[cause] / total,
                kind="yes" if cause == ACCEPTED else "",
            )
            for cause in ordered
        ],
        table=Table(columns=("cause", "count"), rows=[(cause, counts[cause]) for cause in ordered]),
    )
