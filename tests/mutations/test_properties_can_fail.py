"""A property test that cannot fail proves nothing: each must fail where its code is broken."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mutations.broken import ROOT, BrokenModules
from tests.mutations.defects import Defect

DEFECTS: tuple[Defect, ...] = tuple(
    defect
    for file in sorted(Path(__file__).parent.glob("defects*.py"))
    for defect in importlib.import_module(f"tests.mutations.{file.stem}").DEFECTS
)


def test_every_property_that_a_test_names_has_a_defect() -> None:
    """`test_p3_…` tests property P3: a new letter needs a defect beside it."""
    named = {
        letter.upper()
        for file in (ROOT / "tests").rglob("test_*.py")
        for letter in re.findall(r"def test_([a-z]{1,2}\d+)_", file.read_text(encoding="utf-8"))
    }

    assert named <= {defect.property for defect in DEFECTS}


@pytest.fixture(scope="module")
def broken_modules() -> Iterator[BrokenModules]:
    with BrokenModules() as process:
        yield process


@pytest.mark.slow
@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: f"{defect.property}, {defect.what}")
def test_tests_of_a_property_fail_where_its_code_is_broken(
    broken_modules: BrokenModules, defect: Defect
) -> None:
    source = (ROOT / defect.file).read_text(encoding="utf-8")
    assert source.count(defect.old) == 1, f"{defect.file} has changed: {defect.old!r}"
    edited = source.replace(defect.old, defect.new)
    outcomes, printed = broken_modules.run(defect.file, edited, defect.tests)

    for test in defect.tests:
        # A test that is not there, or an import that breaks, has no outcome.
        of_test = [each for each in outcomes if test in (each.test, each.test.split("[")[0])]
        assert of_test, f"{test} did not run:\n{printed}"
        failures = [each for each in of_test if each.outcome == "failed"]
        assert failures, f"{test} passes with the defect"
        # By a check of its own, not because the broken code raised something.
        for failure in failures:
            assert re.match(r"(assert|AssertionError|Failed)\b", failure.message), failure.message


def test_an_edit_reaches_the_tests_and_nothing_else(broken_modules: BrokenModules) -> None:
    """The machinery itself: the same test passes over the source as it is, before and after."""
    defect = DEFECTS[0]
    source = (ROOT / defect.file).read_text(encoding="utf-8")
    for text, outcome in (
        (source, "passed"),
        (source.replace(defect.old, defect.new), "failed"),
        (source, "passed"),
    ):
        outcomes, printed = broken_modules.run(defect.file, text, defect.tests)
        assert [each.outcome for each in outcomes] == [outcome], printed
