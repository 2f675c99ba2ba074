"""Settings that check themselves, and what is said of a value that does not fit."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from training.parts.checked import (
    Count,
    CountOrNone,
    Discount,
    Positive,
    Settings,
    Share,
    Sizes,
    Weight,
    expectation,
    hints_of,
    read_setting,
    shown,
)


@dataclass(frozen=True, kw_only=True)
class Example(Settings):
    count: Count = 1
    spare: CountOrNone = 0
    rate: Positive = 0.1
    last_rate: Positive | None = None
    discount: Discount = 0.9
    share: Share = 1.0
    weight: Weight = 0.0
    sizes: Sizes = (8, 8)
    form: Literal["modern", "reference"] = "modern"
    marks: bool | None = None
    is_on: bool = False
    offset: float = -1.0


@pytest.mark.parametrize(
    ("field", "values"),
    {
        "count": (0, -1, 1.5, True, "2", None),
        "spare": (-1, 0.5),
        "rate": (0.0, -1.0, float("nan"), float("inf"), "fast", True),
        "last_rate": (0.0, float("nan")),
        "discount": (0.0, 1.0, 1.1),
        "share": (0.0, 1.1),
        "weight": (-0.1, 1.1),
        "sizes": ((), (0,), (8, -8), (8.0,), [8], 8),
        "form": ("old", "", None),
        "marks": (1, "true"),
        "is_on": (0, None),
        "offset": (float("nan"), float("-inf"), None),
    }.items(),
)
def test_what_does_not_fit_is_refused_by_name(field: str, values: tuple[Any, ...]) -> None:
    for value in values:
        with pytest.raises(ValueError, match=rf"^{field}: found .*, expected "):
            Example(**{field: value})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("count", 1), ("spare", 0), ("rate", 3), ("last_rate", 1e-5), ("share", 1.0),
        ("weight", 0.0), ("weight", 1), ("sizes", (1,)), ("marks", False), ("offset", -3.5),
    ],
)  # fmt: skip
def test_what_fits_is_taken(field: str, value: Any) -> None:
    assert getattr(Example(**{field: value}), field) == value


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("count", " 12", 12), ("rate", "5e-2", 0.05), ("last_rate", "None", None),
        ("last_rate", "0.5", 0.5), ("sizes", "64,32", (64, 32)), ("sizes", "(8, 8)", (8, 8)),
        ("sizes", "16", (16,)), ("sizes", "16,", (16,)), ("form", "reference", "reference"),
        ("marks", "none", None), ("marks", "True", True), ("is_on", "false", False),
    ],
)  # fmt: skip
def test_text_is_read_as_the_kind_of_value_that_the_field_holds(
    field: str, text: str, value: Any
) -> None:
    assert read_setting(hints_of(Example)[field], text) == value


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("count", "1.5"), ("count", ""), ("rate", "fast"), ("sizes", "8,x"), ("sizes", ""),
        ("form", "old"), ("is_on", "1"), ("marks", "maybe"), ("rate", "none"),
    ],
)  # fmt: skip
def test_text_of_another_kind_is_no_value(field: str, text: str) -> None:
    with pytest.raises((ValueError, KeyError)):
        read_setting(hints_of(Example)[field], text)


def test_what_a_message_shows_is_itself_taken() -> None:
    example = Example(sizes=(8, 4), last_rate=None, form="reference", marks=True)
    hints = hints_of(Example)
    for field in dataclasses.fields(example):
        value = getattr(example, field.name)
        assert read_setting(hints[field.name], shown(value)) == value


def test_the_words_say_kind_range_and_spelling() -> None:
    words = {name: expectation(hint) for name, hint in hints_of(Example).items()}

    assert words["count"] == "a whole number of at least 1"
    assert words["discount"] == "a number above 0 and below 1"
    assert words["weight"] == "a number of at least 0 and at most 1"
    assert words["last_rate"] == "a number above 0, or none"
    assert words["sizes"] == "whole numbers of at least 1, as in 64,64"
    assert words["form"] == "one of modern, reference"
    assert words["marks"] == "true or false, or none"
    assert words["offset"] == "a number"
