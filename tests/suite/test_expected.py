"""What is expected of a recipe, and of which of its runs."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.suite.small import ONE
from training.engines.training import DONE
from training.recipes.registry import RECIPES, with_settings
from training.suite import command
from training.suite.expected import Measured, expected_of, known, outside
from training.suite.results import read_results, scores
from training.suite.suite import FamilyEntry, RecipeEntry, Suite

ROOT = Path(__file__).parents[2]


def suite(recipe="rl2-point-robot", *settings, expected=None):
    entry = RecipeEntry(recipe=recipe, settings=settings, expected_return=expected)
    family = FamilyEntry(family=with_settings(recipe).family, settings=(), recipes=(entry,))
    return Suite(
        schema_version=1,
        seeds=(0, 1),
        environment_steps=None,
        core_minutes=None,
        families=(family,),
    )


def returns(value, recipe="rl2-point-robot"):
    return {recipe: np.full((2, 20), value)}


def test_an_interval_holds_the_mean_of_new_seeds_as_often_as_it_says():
    """Three seeds measured and two more, drawn from one distribution ten thousand times."""
    rng, hits = np.random.default_rng(0), 0
    for _ in range(10_000):
        measured = Measured(
            recipe="", family="", num_iterations=1, measured_in="",
            return_by_seed=tuple(rng.normal(3.0, 2.0, 3)),
        )  # fmt: skip
        low, high, _ = measured.expected(2)
        hits += low <= rng.normal(3.0, 2.0, 2).mean() <= high
    assert hits / 10_000 == pytest.approx(0.95, abs=0.01)


def test_a_run_is_inside_or_outside_of_what_was_measured():
    assert outside(suite(), returns(-7.39)) == []
    (words,) = outside(suite(), returns(-9.0))
    assert words.startswith("rl2-point-robot: -9.00, expected -7.57 to -7.21")
    assert "2 seeds in docs/results/point_robots.md" in words


@pytest.mark.parametrize(
    ("settings", "is_expected"),
    [
        ((), True),
        (("evaluation_interval=5", "checkpoint_interval=1"), True),
        (("num_iterations=399",), False),
        (("learning_rate=0.1",), False),
        (("num_test_tasks=10",), False),
    ],
)
def test_nothing_is_expected_of_other_settings(settings, is_expected):
    assert bool(expected_of(suite("rl2-point-robot", *settings), returns(0.0))) == is_expected


def test_what_the_suite_expects_goes_before():
    found = expected_of(suite(expected=(1.0, 2.0)), returns(0.0))
    assert found == {"rl2-point-robot": (1.0, 2.0, "the suite")}


def test_another_budget_then_expects_nothing(monkeypatch):
    shorter = replace(known()["rl2-point-robot"], num_iterations=10)
    monkeypatch.setattr("training.suite.expected.known", lambda: {shorter.recipe: shorter})
    assert expected_of(suite(), returns(0.0)) == {}


@pytest.mark.parametrize("name", known())
def test_what_is_stored_stands_where_it_says(name):
    """In the table of a kept benchmark, or on a page to the digits given; of a recipe as it is."""
    entry, recipe = known()[name], with_settings(name)
    assert name in RECIPES and recipe.family == entry.family
    assert recipe.num_iterations == entry.num_iterations
    place = ROOT / entry.measured_in
    if place.name == "results.csv.gz":
        lines = read_results(gzip.decompress(place.read_bytes()).decode())
        of_seeds = scores(lines, "return")[name].mean(1)
        assert list(entry.return_by_seed) == pytest.approx(list(of_seeds), abs=1e-9)
    else:
        *before, rows = place.read_text().partition(f"| `{name}` | 0 |")
        rows = (before[1] + rows).splitlines()[: len(entry.return_by_seed)]
        head = next(line for line in reversed(before[0].splitlines()) if "| adapted |" in line)
        column = [cell.strip() for cell in head.split("|")].index("adapted")
        for row, value in zip(rows, entry.return_by_seed, strict=True):
            assert row.replace("*", "").split("|")[column].split()[0] == f"{value:.2f}"


def test_the_command_says_so_too(tmp_path, monkeypatch, capsys):
    path = tmp_path / "suite.yaml"
    path.write_text(ONE)
    monkeypatch.setattr(command, "run_suite", lambda *_: [])
    monkeypatch.setattr(command, "finished_lines", lambda *_: [])
    monkeypatch.setattr(command, "scores", lambda *_: returns(3.0, "reinforce-point-robot"))

    assert command.benchmark(str(path), tmp_path / "out") == DONE
    said = capsys.readouterr().out
    assert (
        "outside of what is expected: reinforce-point-robot: 3.00, expected -30.00 to -5.00" in said
    )
