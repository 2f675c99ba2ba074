"""The page as a file: self-contained, whole or not there, honest about what is missing."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys

import pytest

from sim2real.cli import main
from sim2real.contract.errors import BadInput
from sim2real.report.shown import pointer
from sim2real.report.write import write_report
from tests.report.conftest import TASKS, record_trial, recording_name
from tests.report.page_reader import read_page


def test_the_page_asks_for_nothing_outside_its_folder(evaluation):
    path = write_report(evaluation)

    page = read_page(path)
    for link in page.links:
        assert link.startswith(("#", "data:,")) or (evaluation / link).is_file(), link
    for outside in ("http://", "https://", "//cdn", "@import", "url("):
        assert outside not in path.read_text().replace("http://www.w3.org/2000/svg", "")
    assert path.stat().st_size < 3_000_000


def test_every_link_into_the_page_leads_somewhere(evaluation):
    page = read_page(write_report(evaluation))

    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))


FIGURES = (
    "adaptation",
    "belief",
    "belief-kl",
    "latency",
    "evidence",
    "safety-events",
    "tasks",
    "motion",
    "faults",
)


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_has_its_numbers_beside_the_page_and_in_it(evaluation, name):
    page = read_page(write_report(evaluation))

    text = (evaluation / "figures" / f"{name}.csv").read_text()
    assert page.embedded[f"csv-{name}"] == text
    assert f"figures/{name}.csv" in page.links
    first, *rows = csv.reader(io.StringIO(text))
    assert rows and all(len(row) == len(first) for row in rows)


def test_figures_without_a_csv_do_not_exist(evaluation):
    page = read_page(write_report(evaluation))

    assert {name for name in page.embedded if name.startswith("csv-")} == {
        f"csv-{name}" for name in FIGURES
    }


def test_the_curve_in_the_csv_is_that_of_the_results(evaluation):
    write_report(evaluation)

    results = json.loads((evaluation / "results.json").read_text())
    with (evaluation / "figures" / "adaptation.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["condition"] == "adapted"]
    for row in rows:
        point = results["adapted_by_episode"][int(row["episode"])][row["metric"]]
        assert {end: float(row[end]) for end in point} == point


@pytest.mark.parametrize(
    ("robot", "label"),
    [("simulated", "simulated"), ("emulated", "emulated bus"), ("serial", "real servos")],
)
def test_the_kind_of_robot_is_on_top(make_evaluation, robot, label):
    page = read_page(write_report(make_evaluation(robot=robot)))

    assert label in page.text[: page.text.index("Adaptation")]


def test_text_from_results_is_shown_and_not_executed(make_evaluation):
    name = "test/<script>alert(1)</script>"
    path = write_report(make_evaluation(tasks={name: {"a": (1.0,)}}, recordings=False))

    assert "<script>alert" not in path.read_text()
    assert "motor 12 <gone>" in read_page(path).text


def test_without_recordings_it_says_so(make_evaluation):
    page = read_page(write_report(make_evaluation(recordings=False)))

    assert "Nothing was recorded" in page.text
    assert "motion-data" not in page.embedded


def test_where_nothing_became_evidence_no_belief_is_drawn(evaluation):
    for path in list((evaluation / "recordings").iterdir()):
        path.unlink()
        task = next(task for task in TASKS if recording_name(task) == path.name)
        record_trial(path, task, has_evidence=False)

    page = read_page(write_report(evaluation))

    assert "nothing became evidence" in page.text
    assert "csv-belief" not in page.embedded and "csv-motion" in page.embedded


def test_a_recording_that_is_gone_is_named(evaluation):
    (evaluation / "recordings" / "test-1.mcap").unlink()

    text = read_page(write_report(evaluation)).text
    assert "test-1.mcap" in text and "6 of 9 adapted" in text


def test_an_evaluation_that_was_interrupted_says_how_far_it_came(make_evaluation):
    def halfway(header, has_recordings):
        from tests.report.conftest import records

        return [r for r in records(header, has_recordings) if r.task != "test/10"]

    page = read_page(write_report(make_evaluation(records=halfway, recordings=False)))

    assert "not finished: 2 of 3 tasks" in page.text


def test_an_evaluation_without_a_single_episode_has_a_report(make_evaluation):
    folder = make_evaluation(records=lambda header, has: [], recordings=False)

    assert "No trial was finished" in read_page(write_report(folder)).text


def test_beside_another_evaluation_both_are_drawn(make_evaluation):
    ours, other = make_evaluation("a"), make_evaluation("b", robot="simulated", recordings=False)

    path = write_report(ours, compare=other)

    with (ours / "figures" / "adaptation.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["evaluation"] for row in rows} == {"emulated bus", "simulated"}
    page = read_page(path)
    shown = {(number.document, number.at) for number in page.numbers}
    at = pointer("adapted_by_episode", 2, "success", "mean")
    assert {("results", at), ("compared", at)} <= shown
    assert page.embedded["compared"] == json.loads((other / "results.json").read_text())


def test_without_mujoco_the_valve_alone_is_shown(evaluation, monkeypatch):
    monkeypatch.setitem(sys.modules, "mujoco", None)
    monkeypatch.delitem(sys.modules, "sim2real.report.kinematics", raising=False)

    page = read_page(write_report(evaluation))

    episode = page.embedded["motion-data"]["tasks"][0]["episodes"][0]
    assert "fingers_mm" not in episode and episode["valve_rad"]
    assert "mujoco is not installed" in page.text


def test_in_simulated_time_only_the_policys_own_work_is_timed(make_evaluation):
    path = write_report(make_evaluation(robot="simulated"))

    with (path.parent / "figures" / "latency.csv").open() as file:
        assert {row["stage"] for row in csv.DictReader(file)} == {"compute"}
    text = read_page(path).text
    assert "Simulated time stands still" in text and "deadlines were missed" not in text


def test_a_report_can_be_written_where_there_is_no_mujoco():
    code = "import sys, sim2real.report.write; print('mujoco' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert run.stdout.strip() == "False"


# ---- bad input ---------------------------------------------------------------------------------


def test_a_folder_without_results_is_one_line(tmp_path, capsys):
    assert main(["report", str(tmp_path)]) == 2

    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "results.json" in error
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("damage", "field"),
    [
        (lambda text: text[: len(text) // 2], "line"),
        (lambda text: "[]", "file"),
        (lambda text: text.replace('"per_task"', '"per_tusk"'), "per_task"),
        (lambda text: text.replace('"robot": "emulated"', '"robot": 3'), "robot"),
        (lambda text: text.replace('"mean"', '"men"', 1), "mean"),
        (lambda text: text.replace('"trial": 0', '"trial": null', 1), "trial"),
        (
            lambda text: text.replace('"parameters": {', '"parameters": 3, "more": {', 1),
            "parameters",
        ),
        (lambda text: text.replace('"accepted": ', '"accepted": "many", "x": '), "accepted"),
    ],
)
def test_damaged_results_are_one_line_and_leave_the_last_page(evaluation, capsys, damage, field):
    page = write_report(evaluation)
    before = page.read_bytes()
    results = evaluation / "results.json"
    results.write_text(damage(results.read_text()))

    assert main(["report", str(evaluation)]) == 2

    error = capsys.readouterr().err
    assert error.count("\n") == 1 and field in error
    assert page.read_bytes() == before
    assert not list(evaluation.rglob("*.part"))


def test_a_damaged_recording_is_refused(evaluation):
    (evaluation / "recordings" / "test-1.mcap").write_bytes(b"nothing of the kind")

    with pytest.raises(BadInput, match=r"test-1\.mcap"):
        write_report(evaluation)
