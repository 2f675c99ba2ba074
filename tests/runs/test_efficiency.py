"""Steps to a level, over recipes and seeds."""

import json
from pathlib import Path

import pytest

from sim2real.contract.errors import BadInput
from training.runs import efficiency as efficiency_module
from training.runs.efficiency import Point, compared, efficiency, first_at, summary
from training.runs.metrics import MetricsFile


def series(*values: float, every: int = 100) -> list[Point]:
    return [Point(every * (index + 1), value) for index, value in enumerate(values)]


def test_the_first_evaluation_at_the_level_counts() -> None:
    assert first_at(series(1, 3, 2, 5), 2.5) == 200
    assert first_at(series(1, 3), 3) == 200
    assert first_at(series(1, 3), 3.01) is None


def test_seeds_that_never_came_there_count_as_infinitely_many() -> None:
    most = summary("a", [series(1, 2), series(2, 2), series(0, 0)], 2.0, 5)
    few = summary("a", [series(0, 0), series(2, 2), series(0, 0)], 2.0, 5)

    assert (most.steps, most.num_reached, most.fewest, most.most) == (200, 2, 100, 200)
    assert (few.steps, few.num_reached, few.num_runs) == (None, 1, 3)
    assert most.final == pytest.approx(4 / 3)


def test_what_lies_between_two_evaluations_is_said() -> None:
    uneven = [Point(50, 0.0), Point(400, 1.0), Point(500, 1.0)]

    assert summary("a", [uneven, series(1)], 1.0, 5).resolution == 350


def test_ratios_are_to_the_fewest() -> None:
    rows = [
        summary("slow", [series(0, 0, 1)], 1.0, 21),
        summary("never", [series(0)], 1.0, 21),
        summary("fast", [series(1)], 1.0, 3),
    ]

    assert [(row.recipe, row.ratio) for row in compared(rows)] == [
        ("fast", 1.0),
        ("slow", 3.0),
        ("never", None),
    ]
    assert all(row.ratio is None for row in compared(rows[1:2]))


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Files of runs as training leaves them; what recipe they are is told beside."""
    values = {"fast/0": (1, 2), "fast/1": (2, 2), "slow/0": (0, 1, 1.5), "other/0": (1,)}
    for name, numbers in values.items():
        folder = tmp_path / name
        folder.mkdir(parents=True)
        conditions = {"adapted": {"return": {"mean": numbers[-1]}}}
        (folder / "eval.json").write_text(json.dumps({"conditions": conditions}))
        metrics = MetricsFile(folder / "metrics.csv")
        for index, value in enumerate(numbers):
            metrics.append(
                {"adapted/return": value, "loss": 9.0},
                iteration=index,
                environment_steps=100 * (index + 1),
                gradient_steps=1,
            )

    class Told:
        num_trial_episodes = 3

        def __init__(self, run: Path) -> None:
            self.family = "b" if run.parent.name == "other" else "a"

    monkeypatch.setattr(
        efficiency_module, "read_run", lambda run: (Told(run), run.parent.name, 0, Told(run))
    )
    return {name: tmp_path / name for name in values}


def test_runs_are_compared_at_what_all_of_them_reached(runs, tmp_path, capsys) -> None:
    chosen = (runs["fast/0"], runs["fast/1"], runs["slow/0"])
    efficiency(chosen, out=tmp_path / "table.json")

    document = json.loads((tmp_path / "table.json").read_text())
    assert document["level"] == 1.5
    fast, slow = document["recipes"]
    assert (fast["recipe"], fast["steps"], fast["num_runs"]) == ("fast", 150, 2)
    assert (slow["recipe"], slow["steps"], slow["ratio"]) == ("slow", 300, 2.0)
    assert "adapted return of 1.50" in capsys.readouterr().out


def test_every_run_is_read_once(runs, monkeypatch) -> None:
    read, reads = efficiency_module.read_run, []
    monkeypatch.setattr(
        efficiency_module, "read_run", lambda run: (reads.append(run), read(run))[1]
    )
    chosen = (runs["fast/0"], runs["fast/1"], runs["slow/0"])
    efficiency(chosen)

    assert reads == list(chosen)


@pytest.mark.parametrize(("level", "steps"), [("2", 200), ("-1.5", 100), ("fast/0", 200)])
def test_the_level_is_a_number_or_what_a_run_reached(level, steps, runs, tmp_path) -> None:
    given = str(runs[level]) if level in runs else level
    efficiency((runs["fast/0"],), level=given, out=tmp_path / "table.json")

    assert json.loads((tmp_path / "table.json").read_text())["recipes"][0]["steps"] == steps


@pytest.mark.parametrize("level", ["", "nan", "inf", "no-run"])
def test_other_levels_are_refused(level, runs) -> None:
    with pytest.raises(BadInput, match="--level"):
        efficiency((runs["fast/0"],), level=level)


def test_runs_of_two_families_are_refused(runs) -> None:
    with pytest.raises(BadInput, match="family: found 'b', expected a, as"):
        efficiency((runs["fast/0"], runs["other/0"]))


def test_runs_without_an_evaluation_are_refused(runs) -> None:
    with pytest.raises(BadInput, match="adapted/success"):
        efficiency((runs["fast/0"],), metric="success")
