"""Curves from metrics."""

import json
from pathlib import Path

import numpy as np
import pytest

from sim2real.contract.errors import BadInput
from training.evaluation.curves import _band, draw_curve
from training.runs.metrics import Line, MetricsFile
from training.runs.plot_runs import plot


def run_of(*values: float) -> list[Line]:
    return [
        Line(index, 100 * index, index, f"{place}/return{suffix}", value + shift)
        for index, value in enumerate(values)
        for place in ("adapted", "episode_0")
        for suffix, shift in (("", 0.0), ("/low", -1.0), ("/high", 1.0))
    ]


def test_one_run_shows_its_interval_and_several_their_range() -> None:
    one = _band([run_of(1, 2)], "adapted/return")
    several = _band([run_of(1, 2, 9), run_of(3, 2)], "adapted/return")

    assert one is not None and several is not None
    np.testing.assert_array_equal(one, [[0, 100], [1, 2], [0, 1], [2, 3]])
    np.testing.assert_array_equal(several, [[0, 100], [2, 2], [1, 2], [3, 2]])


def test_a_curve_is_drawn_once_there_is_an_evaluation(tmp_path: Path) -> None:
    draw_curve([[]], tmp_path / "empty.png")
    draw_curve([run_of(1, 2)], tmp_path / "curve.png", levels={"oracle": 3.0})

    assert not (tmp_path / "empty.png").exists()
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_runs_are_plotted_with_the_level_of_another(tmp_path: Path) -> None:
    for name in ("0", "1", "oracle"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps({"name": name}))
        conditions = {"adapted": {"return": {"mean": 2.5}}}
        (folder / "eval.json").write_text(json.dumps({"conditions": conditions}))
        metrics = MetricsFile(folder / "metrics.csv")
        metrics.append({"adapted/return": 1.0}, iteration=0, environment_steps=10, gradient_steps=1)
    plot((tmp_path / "0", tmp_path / "1"), tmp_path / "out.png", level=(tmp_path / "oracle",))

    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(BadInput, match=r"metrics\.csv: found 'nothing'"):
        plot((tmp_path / "2",), tmp_path / "out.png")
