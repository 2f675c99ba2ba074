"""Growth and desiderata on the page, from files that were given; and what is refused of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sim2real.cli import main
from tests.suite.small import ONE
from tests.suite.test_page import Read
from training.suite.given import keep, read_desiderata, read_growth
from training.suite.page import page_of
from training.suite.suite import suite_of

PUBLISHED = Path(__file__).parents[2] / "docs" / "results" / "desiderata.jsonl"
GROWTH = {
    "bench": "growth", "what": "update", "against": "width", "sizes": [8, 16, 32],
    "seconds": [0.001, 0.002, 0.0045], "exponent": 1.085, "low": 1.0, "high": 1.17,
    "at_the_end": -1.25, "at_most": 2.0, "rounds": 5,
}  # fmt: skip
MARKED = {
    "learner": "rl2", "place": "points", "desideratum": "consistent", "mark": "no", "value": -3.51,
    "low": -4.5, "high": -2.66, "threshold": 0.25, "lecture": "no", "detail": {"tasks": 40},
}  # fmt: skip


def written(path, *records):
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    return path


def test_both_are_on_the_page_whenever_it_is_made(tmp_path):
    expressive = {"desideratum": "expressive", "value": 0.95, "low": 0.83, "high": 0.99}
    desiderata = written(tmp_path / "marks", MARKED, MARKED | expressive | {"mark": "yes"})
    keep(tmp_path, written(tmp_path / "given", GROWTH), desiderata)

    page = Read(page_of(suite_of("smoke"), [], tmp_path))
    assert page.open == []
    assert page.rows["growth update width"][:7] == [
        "update", "width", "8 to 32", "1.0 to 4.5", "1.08", "1.00 to 1.17", "−1.25",
    ]  # fmt: skip
    assert page.rows["desiderata rl2 points"][2:4] == [
        "✗ −3.51 [−4.50, −2.66]", "✓ 0.95 [0.83, 0.99]",
    ]  # fmt: skip
    assert {"growth.jsonl", "desiderata.jsonl"} <= set(page.links)
    assert all((tmp_path / link).exists() for link in page.links if link.endswith(".jsonl"))


def test_the_published_desiderata_are_all_on_it(tmp_path):
    keep(tmp_path, None, PUBLISHED)

    rows = Read(page_of(suite_of("smoke"), [], tmp_path)).rows
    learners = {(each.learner, each.place) for each in read_desiderata(PUBLISHED)}
    assert {f"desiderata {learner} {place}" for learner, place in learners} <= set(rows)


def test_without_them_there_is_nothing_of_them(tmp_path):
    text = page_of(suite_of("smoke"), [], tmp_path)
    assert "#growth" not in text and "#desiderata" not in text


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"bench": "train"}, "line 2: bench: found 'train'"),
        ({"exponent": "one"}, "line 2: exponent: found 'one'"),
        ({"sizes": [1, 2]}, "line 2: file: found '2 sizes and 3 seconds'"),
        ({"colour": 1}, "line 2: colour"),
    ],
)
def test_what_is_no_such_file_is_refused_before_anything_is_trained(
    changes, named, tmp_path, capsys
):
    given = written(tmp_path / "given", GROWTH, GROWTH | changes)
    suite = tmp_path / "suite.yaml"
    suite.write_text(ONE)
    words = ["benchmark", str(suite), "--out", str(tmp_path / "out"), "--growth", str(given)]

    assert main(words) == 2
    error = capsys.readouterr().err
    assert named in error and error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_one_kind_is_not_taken_for_the_other(tmp_path, capsys):
    given = written(tmp_path / "given", GROWTH)
    words = ["benchmark", "smoke", "--out", str(tmp_path / "out")]

    assert main([*words, "--desiderata", str(given)]) == 2
    assert main([*words, "--growth", str(tmp_path / "none")]) == 2
    assert main([*words, "--growth", str(written(tmp_path / "empty"))]) == 2
    assert capsys.readouterr().err.count("\n") == 3
    assert read_growth(given)[0].against == "width"
