"""From a real evaluation to the page, and back from its recordings alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from sim2real.cli import main
from sim2real.evaluation.from_recordings import recompute_results
from sim2real.report.shown import resolve
from sim2real.report.write import write_report
from tests.report.page_reader import read_page

BUNDLE = Path(__file__).resolve().parents[2] / "bundles" / "valve_turn"


def test_the_pages_numbers_can_be_computed_from_the_recordings_alone(tmp_path):
    options = ("--num-tasks", "2", "--num-episodes", "2", "--quiet", "--out", str(tmp_path))
    assert main(["evaluate", str(BUNDLE), "--robot", "simulated", *options]) == 0
    page = read_page(write_report(tmp_path))

    recomputed = recompute_results(tmp_path / "recordings")

    assert len(page.numbers) > 50
    for number in page.numbers:
        assert number.value == pytest.approx(resolve(recomputed, number.at), rel=1e-12), number.at
