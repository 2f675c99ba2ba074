"""The benchmarks that docs/results keeps: their pages say what their tables say."""

from __future__ import annotations

import csv
import gzip
import io
import runpy

import pytest

from tests.docs.commands import ROOT
from training.suite.suite import SUITES, suite_of

RESULTS = ROOT / "docs" / "results"
KEPT = sorted(path.parent for path in RESULTS.glob("*/results.csv.gz"))


@pytest.mark.parametrize("kept", KEPT, ids=lambda path: path.name)
def test_the_tables_are_those_of_the_numbers_that_are_kept(kept):
    tables = runpy.run_path(str(ROOT / "docs" / "keep_suite.py"))["tables"]

    assert (kept / "README.md").read_text(encoding="utf-8") == tables(kept)


@pytest.mark.parametrize("kept", KEPT, ids=lambda path: path.name)
def test_what_is_kept_is_of_the_suite_as_it_is(kept):
    assert suite_of(str(kept / "suite.json")).document() == suite_of(kept.name).document()
    assert kept.name in SUITES


@pytest.mark.parametrize("kept", KEPT, ids=lambda path: path.name)
def test_every_run_has_its_configuration(kept):
    text = gzip.decompress((kept / "results.csv.gz").read_bytes()).decode()
    runs = {(row["recipe"], row["seed"]) for row in csv.DictReader(io.StringIO(text))}

    assert runs == {(path.parts[-3], path.parts[-2]) for path in kept.glob("runs/*/*/config.json")}
