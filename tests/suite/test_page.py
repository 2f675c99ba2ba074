"""The page of a benchmark: every run is on it, its numbers are the table's, nothing is fetched."""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from sim2real.contract.output_file import write_file
from training.engines.training import DONE, SPENT, Session, beside
from training.suite.aggregates import interquartile_mean
from training.suite.page import page_of, without_common_end
from training.suite.results import ALL, Line, scores
from training.suite.suite import suite_of

VOID = {"meta", "link", "br", "img", "input", "hr"}


class Read(HTMLParser):
    """Tags that are opened and closed, cells of rows by their name, links."""

    def __init__(self, text):
        super().__init__()
        self.open, self.links, self.rows, self._row = [], [], {}, None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag not in VOID:
            self.open.append(tag)
        if tag == "a":
            self.links.append(attributes["href"])
        if tag == "tr":
            name = attributes.get("data-recipe") or attributes.get("data-cell")
            self._row = self.rows.setdefault(name, []) if name else None
        if tag == "td" and self._row is not None:
            self._row.append("")

    def handle_startendtag(self, tag, attributes):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self._row:
            self._row[-1] += data


def made_up(suite):
    """Lines of all runs but the last: returns that a recipe's number tells."""
    rng = np.random.default_rng(0)
    for number, cell in enumerate(suite.cells[:-1]):
        recipe = cell.recipe
        place = (recipe.family, recipe.algorithm, cell.entry.recipe, cell.seed)
        last = recipe.num_trial_episodes - 1
        for task, episode in itertools.product(range(4), {0, last}):
            value = number // 2 + 0.1 * rng.normal() - (episode == 0)
            yield Line(*place, 500, "adapted", episode, f"test/{task}", "return", value)
            yield Line(*place, 500, "adapted", episode, f"test/{task}", "success", 0.5)
        for steps in (100, 500):
            yield Line(*place, steps, "adapted", last, ALL, "return", float(number // 2))


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """Suite, lines, folder and page."""
    out, suite = tmp_path_factory.mktemp("out"), suite_of("smoke")
    for number, cell in enumerate(suite.cells):
        code = SPENT if number == len(suite.cells) - 1 else DONE
        line = json.dumps(Session(30.0 + number, 12.0, code)._asdict())
        write_file(beside(out / cell.place, ".clock.jsonl"), f"{line}\n")
        for name in ("config.json", "metrics.csv"):
            write_file(out / cell.place / name, "")
    lines = list(made_up(suite))
    return suite, lines, out, page_of(suite, lines, out)


def test_every_run_is_on_it_with_links_that_lead_somewhere(shown):
    suite, _, out, text = shown
    page = Read(text)

    assert page.open == []
    for cell in suite.cells:
        row = page.rows[f"{cell.entry.recipe}/{cell.seed}"]
        assert row[1:4] == [cell.recipe.family, str(cell.seed), "done"] or cell is suite.cells[-1]
        assert f"{cell.place}/config.json" in page.links
        assert f"{cell.place}/metrics.csv" in page.links
    files = [link for link in page.links if link.startswith("runs/")]
    assert all((out / link).exists() for link in files)
    assert page.rows["oracle-point-robot/1"][3] == "out of core-minutes"
    assert "9 of 10 runs" in text
    assert f"{10 * 12.0 / 3600:.2f} core-hours" in text


def test_nothing_is_fetched_and_nothing_runs(shown):
    text = shown[-1]

    assert not re.search(r"https?://|<script|<link|@import|url\(", text)


def test_its_numbers_are_those_of_the_table(shown):
    _, lines, _, text = shown
    rows = Read(text).rows
    for name, values in scores(lines, "return").items():
        cells = rows[name]
        assert cells[1] == f"{len(values)} × 4"
        assert cells[2] == f"{values.mean():.2f}".replace("-", "−")
        assert cells[6] == f"{float(interquartile_mean(values)):.2f}".replace("-", "−")
    assert rows["oracle-point-robot"][3] == "one seed: none"


def test_exact_references_are_levels_and_recipes_are_in_order(shown):
    text = shown[-1]
    section = text[text.index('id="gridworld"') : text.index('id="point_robot"')]

    assert "exact: Bayes-optimal, episode 4" in section
    assert ">11.07<" in section, "twelve of fifteen steps on the goal, on average"
    assert "regret" in section and "regret" not in text[text.index('id="point_robot"') :]
    order = re.findall(r'data-recipe="([^"]+)"', section)
    assert order == ["rl2-gridworld", "psrl-gridworld"]
    better = re.findall(r'<td class="better"', section)
    assert len(better) == 1, "the better one of two"


@pytest.mark.parametrize(("bounds", "is_said"), [((5.0, 6.0), True), ((-1.0, 1.0), False)])
def test_a_return_outside_of_what_the_suite_expects_is_said(bounds, is_said, shown):
    suite, lines, out, _ = shown
    grid, *others = suite.families
    first, *rest = grid.recipes
    recipes = (replace(first, expected_return=bounds), *rest)
    suite = replace(suite, families=(replace(grid, recipes=recipes), *others))

    text = page_of(suite, lines, out)

    assert ("Outside of what is expected: psrl-gridworld" in text) == is_said


def test_a_page_without_a_finished_run_says_so(shown, tmp_path):
    suite = shown[0]
    text = page_of(suite, [], tmp_path)

    assert "0 of 10 runs" in text
    assert "No finished run of psrl-gridworld, rl2-gridworld" in text
    assert Read(text).open == []


def test_names_in_figures_leave_out_what_all_end_with():
    names = ("pearl-sparse-point-robot", "pearl-search-sparse-point-robot")
    assert list(without_common_end(names).values()) == ["pearl", "pearl-search"]
    assert list(without_common_end(("a-b", "b")).values()) == ["a-b", "b"], "nothing is left empty"
    assert list(without_common_end(("rl2-bandit", "rl2-grid")).values()) == [
        "rl2-bandit",
        "rl2-grid",
    ]
