"""Costs as powers of sizes: the fit on made-up costs, and one small measurement of everything."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sim2real.cli import main
from training.benchmarks import growth
from training.benchmarks.growth import SIZES, bench_growth, config_of, fitted, measured

SOME = (8, 16, 32, 64)


@pytest.mark.parametrize("exponent", [0.0, 1.0, 1.7])
def test_a_power_law_gets_its_exponent(exponent):
    taken = 0.003 * np.array([SOME, SOME, SOME]) ** exponent * np.array([[1.0], [2.0], [7.0]])

    law = fitted(SOME, taken)
    assert law == pytest.approx((exponent,) * 4, abs=1e-9), "busy rounds change nothing"


def test_what_is_always_there_counts_less_at_the_end():
    taken = np.tile(1.0 + np.array(SOME) / 16, (3, 1))

    law = fitted(SOME, taken)
    assert law.exponent < law.at_the_end < 1.0


def test_the_interval_holds_the_exponent_as_often_as_it_says():
    rng, hits = np.random.default_rng(0), 0
    for _ in range(2000):
        noise = np.exp(rng.normal(0, 0.2, (5, len(SOME))))
        law = fitted(SOME, np.array(SOME) ** 1.2 * noise)
        hits += law.low <= 1.2 <= law.high
    assert hits / 2000 == pytest.approx(0.95, abs=0.02)


def test_sizes_take_turns_there_and_back(monkeypatch):
    done = []
    monkeypatch.setattr(growth, "_once", lambda work, _: work() or 1.0)

    measured([lambda n=n: done.append(n) for n in range(3)], rounds=2, seconds=0.1)
    assert done == [0, 1, 2, 0, 1, 2, 2, 1, 0]


@pytest.mark.parametrize("against", SIZES)
def test_a_size_is_that_of_the_settings_it_names(against):
    small, large = (config_of(against, size) for size in (8, 32))
    changed = {name for name in vars(small) if vars(small)[name] != vars(large)[name]}
    assert (
        changed
        == {
            "tasks": {"meta_batch_size", "tasks_per_iteration"},
            "worlds": {"worlds_per_task"},
            "context": {"context_batch_size"},
            "width": {"hidden_sizes", "encoder_hidden_sizes"},
        }[against]
    )


def test_every_pair_is_measured():
    sizes = {"tasks": (2, 4), "width": (16, 32)}
    records = list(bench_growth(sizes, rounds=2, seconds=0.01))

    pairs = [(record["what"], record["against"]) for record in records]
    assert pairs == [(what, n) for n in sizes for what in ("collect", "update")]
    assert all(len(record["seconds"]) == 2 and min(record["seconds"]) > 0 for record in records)


def test_the_verb_writes_what_it_prints(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(growth, "SIZES", {"worlds": (1, 2)})
    words = ["bench", "growth", "--rounds", "2", "--seconds", "0.01"]
    assert main([*words, "--out", str(tmp_path / "growth.jsonl")]) == 0

    printed = capsys.readouterr().out
    assert (tmp_path / "growth.jsonl").read_text() == printed
    assert [json.loads(line)["what"] for line in printed.splitlines()] == ["collect", "update"]
    assert main(["bench", "growth", "--rounds", "1"]) == 2
    assert "--rounds: found 1" in capsys.readouterr().err
