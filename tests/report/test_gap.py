"""What the page says about the gap is what the gap says."""

from __future__ import annotations

import json

import pytest

from sim2real.cli import main
from sim2real.gap import measure
from sim2real.report import gap as report_gap
from sim2real.report.shown import FORMS, pointer, resolve
from sim2real.report.write import write_report
from tests.report.gap_document import JOINTS, gap_document
from tests.report.page_reader import read_page

FIGURES = ("returns", "replay-growth", "belief-trajectory", "latency-distribution")


def test_the_schema_is_the_one_that_is_written():
    assert report_gap.SCHEMA_VERSION == measure.SCHEMA_VERSION


@pytest.fixture
def with_gap(evaluation):
    (evaluation / "gap.json").write_text(json.dumps(gap_document()))
    return evaluation


def test_every_number_about_the_gap_is_the_one_in_the_file(with_gap):
    page = read_page(write_report(with_gap))

    gap = gap_document()
    numbers = [number for number in page.numbers if number.document == "gap"]
    for number in numbers:
        assert number.value == resolve(gap, number.at), number.at
        assert number.text == FORMS[number.form](number.value)
    shown = {number.at for number in numbers}
    for end in ("a", "b", "difference", "low", "high"):
        assert pointer("closed_loop", "conditions", "frozen_prior", "success", end) in shown
        assert pointer("closed_loop", "adapted_by_episode", 1, "return", end) in shown
    for index in range(len(JOINTS)):
        assert pointer("delay", "per_joint", index, "a", "lag_s") in shown
        assert pointer("replay", "policy", "b", "per_joint", index, "rmse_rad") in shown
    assert pointer("identification", "tasks", "test/0", "parameters", 0, "estimate") in shown
    assert page.embedded["gap"] == gap
    assert "succeeds in 90\u202f% (simulation) and in 85\u202f% (emulated bus)" in page.text


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_of_the_gap_has_its_numbers(with_gap, name):
    page = read_page(write_report(with_gap))

    text = (with_gap / "figures" / f"gap-{name}.csv").read_text()
    assert page.embedded[f"csv-gap-{name}"] == text and text.count("\n") > 1


def test_what_was_not_measured_leaves_no_hole(with_gap):
    gap = gap_document()
    for section in ("closed_loop", "replay", "steps", "delay", "beliefs", "identification"):
        gap[section] = None
    gap["left_out"] = {"steps": "no goal jumped and held"}
    (with_gap / "gap.json").write_text(json.dumps(gap))

    text = read_page(write_report(with_gap)).text

    assert "steps: no goal jumped and held." in text


def test_a_gap_elsewhere_can_be_named(evaluation, tmp_path):
    file = tmp_path / "elsewhere.json"
    file.write_text(json.dumps(gap_document()))

    assert "gap" in read_page(write_report(evaluation, gap=file)).embedded
    assert "gap" not in read_page(write_report(evaluation)).embedded


@pytest.mark.parametrize(
    ("damage", "field"),
    [
        (lambda gap: gap | {"schema_version": 0}, "schema_version"),
        (lambda gap: {name: gap[name] for name in gap if name != "latency"}, "latency"),
        (lambda gap: gap | {"closed_loop": {"conditions": 3}}, "layout"),
    ],
)
def test_a_damaged_gap_is_one_line(with_gap, capsys, damage, field):
    (with_gap / "gap.json").write_text(json.dumps(damage(gap_document())))

    assert main(["report", str(with_gap)]) == 2

    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "gap.json" in error and field in error
