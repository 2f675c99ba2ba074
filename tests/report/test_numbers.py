"""What the page says is what the results say."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim2real.report.shown import FORMS, Shown, embedded, pointer, resolve
from sim2real.report.write import write_report
from tests.report.page_reader import read_page


def test_every_number_of_the_page_is_the_one_in_the_results(evaluation, make_evaluation):
    page = read_page(write_report(evaluation, compare=make_evaluation("other", seed=1)))
    documents = {
        "results": json.loads((evaluation / "results.json").read_text()),
        "compared": page.embedded["compared"],
    }

    assert len(page.numbers) > 100
    assert {number.document for number in page.numbers} == documents.keys()
    for number in page.numbers:
        assert number.value == resolve(documents[number.document], number.at), number.at
        assert number.text == FORMS[number.form](number.value), number.at


def test_the_page_holds_the_results_it_was_made_of(evaluation):
    page = read_page(write_report(evaluation))

    assert page.embedded["results"] == json.loads((evaluation / "results.json").read_text())


def test_nothing_that_was_measured_is_left_out(evaluation):
    results = json.loads((evaluation / "results.json").read_text())
    shown = {number.at for number in read_page(write_report(evaluation)).numbers}

    wanted = {pointer("interventions"), pointer("tasks"), pointer("episodes"), pointer("trials")}
    for metric in ("success", "return"):
        for end in ("mean", "low", "high"):
            for episode in range(results["episodes"]):
                wanted.add(pointer("adapted_by_episode", episode, metric, end))
            for condition in ("frozen_prior", "wrong_task"):
                wanted.add(pointer("conditions", condition, metric, end))
                wanted.add(pointer("differences", f"adapted - {condition}", metric, end))
    wanted |= {pointer("evidence", cause) for cause in results["evidence"]}
    wanted |= {pointer("safety_events", cause) for cause in results["safety_events"]}
    wanted |= {pointer("latency_s", stage, "p99") for stage in results["latency_s"]}
    for index, task in enumerate(results["per_task"]):
        wanted |= {
            pointer("per_task", index, "episodes", k, "return")
            for k in range(len(task["episodes"]))
        }
    assert wanted <= shown


def test_trials_on_one_task_have_a_row_each(make_evaluation):
    page = read_page(write_report(make_evaluation(num_trials=2)))

    shown = {number.at for number in page.numbers}
    assert {pointer("per_task", 0, "episodes", k, "return") for k in range(6)} <= shown


def test_a_number_that_is_not_there_is_a_dash():
    shown = Shown({"a": {"mean": 1.0, "low": 0.5, "high": 2.0}, "text": "1"}, "results")

    assert shown.number("/b", "decimal") == "–"
    assert shown.number("/text", "decimal") == "–"
    assert shown.interval("/a/mean", "decimal") == "–"
    assert "[" in shown.interval("/a", "decimal")


@pytest.mark.parametrize(
    ("form", "value", "text"),
    [
        ("percent", 0.354, "35\u202f%"),
        ("percent", 1.0, "100\u202f%"),
        ("points", 0.6, "+60\u202fpoints"),
        ("points", -0.25, "−25\u202fpoints"),
        ("decimal", -13.3081, "−13.31"),
        ("decimal", -0.001, "0.00"),
        ("change", 17.2, "+17.20"),
        ("count", 21000, "21\u202f000"),
        ("duration", 0.00041, "410\u202fµs"),
        ("duration", 0.0042, "4.20\u202fms"),
        ("duration", 1.5, "1.50\u202fs"),
        ("duration", 0.0, "0\u202fµs"),
        ("plain", 0.0877, "0.0877"),
        ("plain", 12345.6, "12346"),
        ("angle", 0.00312, "3.12\u202fmrad"),
        ("angle", 1e-11, "0\u202fmrad"),
        ("exact", 1234567, "1234567"),
    ],
)
def test_numbers_as_people_write_them(form, value, text):
    assert FORMS[form](value) == text


keys_of_any_kind = st.text(min_size=1) | st.text("~01/", min_size=1)


@given(st.lists(keys_of_any_kind, min_size=1, max_size=4), st.integers())
def test_a_pointer_leads_back_whatever_keys_are_called(keys, value):
    document: object = value
    for key in reversed(keys):
        document = {key: document}

    assert resolve(document, pointer(*keys)) == value


@given(st.recursive(st.text() | st.integers(), st.lists, max_leaves=5))
def test_embedded_json_ends_no_script_and_comes_back(document):
    text = embedded({"value": document, "end": "</script><!--"})

    assert "<" not in text
    assert json.loads(text)["value"] == document
