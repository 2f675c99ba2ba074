"""Ranges of variations from a file: what was identified on a robot, drawn from like any family."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from sim2real.contract.errors import BadInput
from sim2real.contract.output_file import write_file
from sim2real.contract.strict import build
from sim2real.contract.text_file import read_yaml
from training.families.claw import ClawFamily
from training.worlds.dynamics import VARIATIONS, Variation

SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Range:
    """Where one variation lies, element by element."""

    low: tuple[float, ...]
    high: tuple[float, ...]
    estimate: tuple[float, ...]
    """the best single value; tasks are drawn from low to high"""
    unit: str


@dataclass(frozen=True, kw_only=True)
class Ranges:
    """`ranges.yaml`."""

    schema_version: int
    robot_fingerprint: str
    """of the robot.yaml of the robot that it was identified on"""
    source: str
    """what was identified, for people: the kind of robot and the recordings"""
    variations: Mapping[str, Range]
    """by name; see `training.worlds.dynamics`"""


def write_ranges(path: Path, ranges: Ranges) -> None:
    """Written beside, then renamed."""
    document = dataclasses.asdict(ranges)
    document["variations"] = {
        name: {field: list(v) if isinstance(v, tuple) else v for field, v in value.items()}
        for name, value in document["variations"].items()
    }
    write_file(path, yaml.safe_dump(document, sort_keys=False))


def read_ranges(path: Path, variations: Mapping[str, Variation] = VARIATIONS) -> Ranges:
    """A file of the hand that has these variations.

    Raises `BadInput` naming file and field for anything that no task can be drawn from."""
    where = str(path)
    ranges = build(Ranges, read_yaml(path, "a ranges.yaml"), where)
    if ranges.schema_version != SCHEMA_VERSION:
        found = ranges.schema_version
        raise BadInput(where, "schema_version", found=found, expected=str(SCHEMA_VERSION))
    for name, value in ranges.variations.items():
        _check(name, value, where, variations)
    return ranges


def with_ranges(family: ClawFamily, ranges: Ranges) -> ClawFamily:
    """The family with these ranges: variations that the file names are drawn from it, also those
    that the family does not vary; the others as before.

    Raises `BadInput` for a delay of more than one of the family's control periods.
    """
    delay = ranges.variations.get("action_delay")
    if delay is not None and delay.high[0] > family.scene.physics_steps:
        raise BadInput(
            "ranges",
            "variations.action_delay.high",
            found=delay.high[0],
            expected=f"at most {family.scene.physics_steps}, a control period of {family.name}",
        )
    changed = {
        name: dataclasses.replace(family.variations[name], low=value.low, high=value.high)
        for name, value in ranges.variations.items()
    }
    added = tuple(name for name in changed if name not in family.variation_names)
    return dataclasses.replace(
        family,
        variation_names=family.variation_names + added,
        variations={**family.variations, **changed},
    )


def _check(name: str, value: Range, where: str, variations: Mapping[str, Variation]) -> None:
    at = f"variations.{name}"
    if name not in variations:
        expected = f"one of {', '.join(variations)}"
        raise BadInput(where, at, found=name, expected=expected)
    variation = variations[name]
    if value.unit != variation.unit:
        raise BadInput(where, f"{at}.unit", found=value.unit, expected=variation.unit)
    for field in ("low", "high", "estimate"):
        found = getattr(value, field)
        if len(found) != len(variation.nominal):
            expected = f"{len(variation.nominal)} numbers"
            raise BadInput(where, f"{at}.{field}", found=list(found), expected=expected)
    if any(low > high for low, high in zip(value.low, value.high)):
        raise BadInput(where, f"{at}.low", found=list(value.low), expected="nothing above high")
    if min(value.low) < 0.0 and not variation.is_signed:
        raise BadInput(where, f"{at}.low", found=list(value.low), expected="nothing below zero")
    _check_draw(variation, value, where, at)


def _check_draw(variation: Variation, value: Range, where: str, at: str) -> None:
    if variation.draw == "log_uniform" and min(value.low) <= 0.0:
        expected = "above zero: it is drawn uniformly in its logarithm"
        raise BadInput(where, f"{at}.low", found=list(value.low), expected=expected)
    ends = (*value.low, *value.high)
    if variation.draw == "whole" and not all(end.is_integer() and end >= 0.0 for end in ends):
        raise BadInput(where, at, found=list(ends), expected="whole numbers from 0")
