"""`plot --visits`: where explorer and student have been, from runs of learned exploration."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from sim2real.contract.errors import BadInput
from sim2real.contract.text_file import read_json
from training.runs.plot_runs import plot
from training.runs.start import start_run


@pytest.mark.parametrize("family", ["two_rewards", "walled_point_robot"])
def test_shares_of_runs_are_drawn_and_kept_as_numbers(family, make_recipe, tmp_path):
    recipe = dataclasses.replace(
        make_recipe("learned_exploration", num_iterations=2), family=family
    )
    runs = tuple(tmp_path / str(seed) for seed in range(2))
    for seed, run in enumerate(runs):
        start_run(recipe, name="exploration", seed=seed, directory=run, is_quiet=True)
    plot(runs, tmp_path / "visits.png", visits=True)
    shares = read_json(tmp_path / "visits.json", "visits")["share"]

    assert (tmp_path / "visits.png").read_bytes().startswith(b"\x89PNG")
    assert set(shares) == {f"{a}/{b}" for a in ("teacher", "student") for b in ("early", "late")}
    for share in shares.values():
        assert np.sum(share) == pytest.approx(1.0, abs=1e-3)
    along = np.array(shares["student/early"]).sum(1)
    assert along[20 if family == "two_rewards" else 18] > 0.0  # where episodes start


def test_runs_that_count_no_visits_are_refused(make_recipe, tmp_path):
    recipe = make_recipe("sac", num_iterations=1)
    start_run(recipe, name="sac", seed=0, directory=tmp_path / "0", is_quiet=True)
    with pytest.raises(BadInput, match="a run of learned_exploration"):
        plot((tmp_path / "0",), tmp_path / "visits.png", visits=True)
    assert not (tmp_path / "visits.png").exists()
