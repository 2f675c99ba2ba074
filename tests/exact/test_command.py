"""`taskbelief exact` and `taskbelief exact regret`, as people and scripts call them."""

from __future__ import annotations

import dataclasses
import json

import pytest

from sim2real.cli import main
from training.exact import references, regret
from training.exact.half_circle import HalfCircle
from training.exact.regret import EXPERIMENTS

EXPECTED = {
    ("bandit_2x20", "bayes"): (12.431, 1e-3),
    ("bandit_2x20", "greedy"): (12.365, 1e-3),
    ("bandit_2x20", "thompson"): (11.932, 1e-3),
    ("bandit_2x20", "known"): (13.333, 1e-3),
    ("gittins_0.9_1_1", "index"): (0.7029, 1e-4),
    ("half_circle_10", "known_goal"): (127.0, 1e-6),
    ("half_circle_10", "sweep"): (115.1, 0.1),
    ("half_circle_10", "ideal_posterior_sampler"): (72.4, 0.2),
    ("gridworld_5x5", "bayes"): (37.214, 1e-3),
}


def test_exact_prints_one_reference_a_line_and_writes_them_all(tmp_path, capsys):
    out = tmp_path / "made" / "exact.json"
    assert main(["exact", "--json", "--out", str(out)]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert all(list(line) == ["problem", "quantity", "value"] for line in lines)
    found = {(line["problem"], line["quantity"]): line["value"] for line in lines}
    for key, (value, tolerance) in EXPECTED.items():
        assert found[key] == pytest.approx(value, abs=tolerance), key
    written = json.loads(out.read_text(encoding="utf-8"))["references"]
    assert [(each["problem"], each["quantity"], each["value"]) for each in written] == [
        (*key, value) for key, value in found.items()
    ]
    assert [path.name for path in out.parent.iterdir()] == ["exact.json"]


def test_exact_shows_people_a_table(monkeypatch, capsys):
    monkeypatch.setattr(
        references, "PROBLEMS", {"gittins_0.9_1_1": references.PROBLEMS["gittins_0.9_1_1"]}
    )
    assert main(["exact"]) == 0
    printed = capsys.readouterr().out
    assert "gittins_0.9_1_1" in printed
    assert "0.7029" in printed


def test_references_of_the_half_circle_follow_its_episodes():
    few = references._half_circle(HalfCircle(num_episodes=2, num_goals=60))
    assert few["known_goal"][0] == pytest.approx(25.4)
    assert few["ideal_posterior_sampler"][0] < few["sweep"][0] < few["known_goal"][0]


@pytest.fixture
def short_river(monkeypatch):
    short = dataclasses.replace(EXPERIMENTS["river_swim_6"], num_episodes=30)
    monkeypatch.setattr(regret, "EXPERIMENTS", {"river_swim_6": short})
    monkeypatch.setattr(regret, "bandit_check", lambda seed: CHECK)


CHECK = {
    "problem": "bandit_2x20",
    "explorer": "psrl",
    "bandits": 10,
    "value": 11.9,
    "standard_error": 0.1,
    "thompson_exact": 11.932,
}


def test_regret_writes_figures_and_a_picture(short_river, tmp_path, capsys):
    out, picture = tmp_path / "regret.json", tmp_path / "regret.png"
    arguments = ["--seeds", "3", "--out", str(out), "--picture", str(picture)]
    assert main(["exact", "regret", *arguments]) == 0
    printed = capsys.readouterr().out
    assert "river_swim_6" in printed
    assert "ratio 0.9973" in printed
    records = json.loads(out.read_text(encoding="utf-8"))["regret"]
    assert [record["explorer"] for record in records] == [
        explorer.name for explorer in EXPERIMENTS["river_swim_6"].explorers
    ]
    for record in records:
        curve = record["curve"]
        assert curve["episode"][-1] == record["episodes"] == 30
        assert curve["mean"] == sorted(curve["mean"])
        assert curve["mean"][-1] == pytest.approx(record["regret"]["mean"])
        assert record["regret"]["low"] <= record["regret"]["mean"] <= record["regret"]["high"]
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["regret.json", "regret.png"]


@pytest.mark.parametrize("arguments", [["--seeds", "1"], ["--processes", "amazon"]])
def test_regret_refuses_what_it_cannot_measure(arguments, capsys):
    assert main(["exact", "regret", *arguments]) == 2
    assert arguments[0] in capsys.readouterr().err
