"""The gap between two robots, or a robot and its simulation, from what `taskbelief gap` wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from sim2real.contract.errors import BadInput
from sim2real.contract.text_file import read_json
from sim2real.gap.tables import gap_tables
from sim2real.report.figure import Figure, Table
from sim2real.report.gap_figures import (
    belief_agreement_figure,
    gap_latency_figure,
    replay_figure,
    returns_figure,
)
from sim2real.report.grid import Grid
from sim2real.report.shown import Shown, pointer, words

SCHEMA_VERSION = 1
"""of `sim2real.gap.measure`, which would bring MuJoCo along"""


@dataclass(frozen=True, kw_only=True)
class Gap:
    """What the page says about the gap."""

    document: Mapping[str, Any]
    sentences: Sequence[Markup]
    notes: Sequence[str]
    """what a reader has to know before believing the rest"""
    grids: Sequence[tuple[Grid, tuple[str, ...]]]
    """tables, and the CSVs that hold them"""
    figures: Sequence[Figure]
    tables: Mapping[str, Table]
    """by the name of the CSV"""


def read_gap(path: Path) -> Gap:
    """Raises `BadInput` for anything but a gap of this schema."""
    document = read_json(path, "a gap.json", remedy="`taskbelief gap A B --out FOLDER` writes it")
    version = document.get("schema_version")
    if version != SCHEMA_VERSION:
        raise BadInput(str(path), "schema_version", found=version, expected=str(SCHEMA_VERSION))
    try:
        return _gap(document)
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        expected = "the layout that `taskbelief gap` writes"
        raise BadInput(str(path), "layout", found=repr(error), expected=expected) from None


def _gap(document: Mapping[str, Any]) -> Gap:
    shown = Shown(document, "gap")
    labels = document["a"]["label"], document["b"]["label"]
    tables = {
        f"gap-{name.replace('_', '-')}": _table(rows) for name, rows in gap_tables(document).items()
    }
    figures = [
        returns_figure(document, labels, tables),
        replay_figure(document, labels, tables),
        belief_agreement_figure(document, labels, tables),
        gap_latency_figure(document, labels, tables),
    ]
    grids = [
        (_closed_loop(shown, labels), ("gap-closed-loop",)),
        (_joints(shown, labels), ("gap-replay", "gap-delay", "gap-steps")),
        (_identified(shown), ("gap-identification",)),
        (_contributions(shown), ("gap-identification-shares",)),
    ]
    placed = [
        (grid, tuple(name for name in names if name in tables))
        for grid, names in grids
        if grid is not None
    ]
    drawn = [figure for figure in figures if figure is not None]
    shown_names = {name for _, names in placed for name in names} | {each.name for each in drawn}
    return Gap(
        document=document,
        sentences=[each for each in (_success(shown), _beliefs(shown)) if each],
        notes=[
            *document["notes"],
            *(f"{words(name)}: {reason}" for name, reason in document["left_out"].items()),
        ],
        grids=placed,
        figures=drawn,
        tables={name: table for name, table in tables.items() if name in shown_names},
    )


def _success(shown: Shown) -> Markup:
    document = shown.document
    adapted = pointer("closed_loop", "conditions", "adapted")
    if not shown.has(f"{adapted}/num_tasks"):
        return Markup("")
    success = f"{adapted}/success"
    return Markup(
        "On the {} tasks that both met, adapted behaviour succeeds in {} ({}) and in {} ({}): "
        "a difference of {}; the return differs by {}."
    ).format(
        shown.number(f"{adapted}/num_tasks", "count"),
        shown.number(f"{success}/a", "percent"),
        document["a"]["label"],
        shown.number(f"{success}/b", "percent"),
        document["b"]["label"],
        shown.difference(success, "points"),
        shown.difference(f"{adapted}/return", "change"),
    )


def _beliefs(shown: Shown) -> Markup:
    at = pointer("beliefs", "wasserstein_2")
    if not shown.has(f"{at}/normalised/mean"):
        return Markup("")
    return Markup(
        "Final beliefs of both about the same task are {} as far apart as beliefs about different "
        "tasks; for {} of the tasks the nearest belief is the right one."
    ).format(
        shown.interval(f"{at}/normalised", "percent"),
        shown.number(f"{at}/nearest_is_same_task", "percent"),
    )


def _closed_loop(shown: Shown, labels: tuple[str, str]) -> Grid | None:
    loop = shown.document["closed_loop"]
    if loop is None:
        return None
    places = [
        (f"adapted, episode {row['episode']}", pointer("closed_loop", "adapted_by_episode", index))
        for index, row in enumerate(loop["adapted_by_episode"])
    ]
    places += [
        (words(name), pointer("closed_loop", "conditions", name))
        for name in loop["conditions"]
        if name != "adapted"
    ]
    forms = (("success", "percent", "points"), ("return", "decimal", "change"))
    return Grid(
        caption="The same episodes on both: means, and paired differences with 95 % intervals",
        groups=(("", 1), ("success", 3), ("return", 3)),
        columns=("condition", *(*labels, "difference") * 2),
        rows=[
            [
                name,
                *(
                    cell
                    for metric, form, difference in forms
                    for cell in (
                        shown.number(f"{at}/{metric}/a", form),
                        shown.number(f"{at}/{metric}/b", form),
                        shown.difference(f"{at}/{metric}", difference),
                    )
                ),
            ]
            for name, at in places
        ],
    )


def _joints(shown: Shown, labels: tuple[str, str]) -> Grid | None:
    """How each joint follows its goals, in all the ways in which that was measured."""
    document = shown.document
    columns = _joint_columns(document)
    joints = _joint_names(document)
    if not columns or not joints:
        return None
    return Grid(
        caption="Joint by joint",
        groups=(("", 1), *((title, 2) for title, _, _ in columns)),
        columns=("joint", *labels * len(columns)),
        rows=[
            [
                words(joint),
                *(
                    shown.number(place.format(side=side, index=index), form)
                    for _, place, form in columns
                    for side in "ab"
                ),
            ]
            for index, joint in enumerate(joints)
        ],
    )


def _joint_columns(document: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Title, place of a joint's number on one side, and its form."""
    columns = [
        (f"replay error, {kind}", f"/replay/{kind}/{{side}}/per_joint/{{index}}/rmse_rad", "angle")
        for kind in document["replay"] or {}
    ]
    if document["delay"] is not None:
        columns.append(("lag", "/delay/per_joint/{index}/{side}/lag_s", "duration"))
    if document["steps"] is not None:
        columns += [
            ("step: half way", "/steps/{index}/delay_s/{side}", "duration"),
            ("step: rise", "/steps/{index}/rise_s/{side}", "duration"),
            ("step: overshoot", "/steps/{index}/overshoot/{side}", "percent"),
        ]
    return columns


def _joint_names(document: Mapping[str, Any]) -> list[str]:
    """In the robot's order, from whatever section has them."""
    sides = [section[side] for section in (document["replay"] or {}).values() for side in "ab"]
    sections = [side["per_joint"] for side in sides if side is not None]
    sections += [(document["delay"] or {}).get("per_joint"), document["steps"]]
    return next(([row["joint"] for row in section] for section in sections if section), [])


def _identified(shown: Shown) -> Grid | None:
    """What dynamics explain the recordings, beside what was assumed."""
    found = shown.document["identification"]
    if not found:
        return None
    rows: list[list[Markup | str]] = []
    for task, fit in found["tasks"].items():
        for index, row in enumerate(fit["parameters"]):
            at = pointer("identification", "tasks", task, "parameters", index)
            rows.append(
                [
                    task,
                    f"{words(row['parameter'])}, {row['unit']}",
                    shown.middle(f"{at}/estimate", at, "plain"),
                    shown.number(f"{at}/assumed", "plain"),
                    "inside" if row["is_assumed_inside"] else "outside",
                ]
            )
    if not rows:
        return None
    return Grid(
        caption="Dynamics that explain the recordings best, with 95 % intervals",
        columns=("task", "parameter", "identified", "assumed", "assumed value lies"),
        rows=rows,
    )


def _contributions(shown: Shown) -> Grid | None:
    """What each identified parameter alone explains."""
    found = shown.document["identification"]
    if not found or not found["contributors"]:
        return None
    return Grid(
        caption="Share of the squared replay error that goes away with an identified value",
        columns=("parameter", "share"),
        rows=[
            [
                words(row["parameter"]),
                shown.number(pointer("identification", "contributors", index, "share"), "percent"),
            ]
            for index, row in enumerate(found["contributors"])
        ],
    )


def _table(rows: Sequence[Mapping[str, Any]]) -> Table:
    columns = tuple(dict.fromkeys(name for row in rows for name in row))
    return Table(
        columns=columns,
        rows=[["" if row.get(name) is None else row[name] for name in columns] for row in rows],
    )
