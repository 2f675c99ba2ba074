"""`taskbelief sweep`: one run a seed, finished or resumed, failures counted and named."""

from __future__ import annotations

import pytest

from sim2real.contract.errors import BadInput
from training import sweep as sweeping


@pytest.fixture
def trained(monkeypatch):
    """Which runs were trained; seed 13 brings bad luck."""
    runs = []

    def train_or_resume(recipe, seed, directory, device, settings, robot_config):
        if seed == 13:
            raise RuntimeError("bad luck")
        runs.append((recipe, seed, directory, settings))

    monkeypatch.setattr(sweeping, "train_or_resume", train_or_resume)
    return runs


def test_every_seed_gets_its_own_directory(trained, tmp_path, capsys):
    outcome = sweeping.sweep(("pearl-point-robot",), (3, 4, 5), tmp_path, "debug", processes=2)

    assert outcome == 0
    directories = [tmp_path / "pearl-point-robot" / str(seed) for seed in (3, 4, 5)]
    assert [run[2] for run in trained] == directories
    assert capsys.readouterr().out.count(": done") == 3


def test_a_failed_run_fails_the_sweep_and_spares_the_others(trained, tmp_path, capsys):
    assert sweeping.sweep(("pearl-point-robot",), (3, 13, 5), tmp_path, "debug") == 1

    assert [run[1] for run in trained] == [3, 5]
    assert "13: failed" in capsys.readouterr().out


def test_an_unknown_recipe_is_refused(tmp_path):
    with pytest.raises(BadInput, match="recipe"):
        sweeping.sweep(("alchemy",), (0,), tmp_path, "debug")


def test_several_recipes_share_seeds_and_settings(trained, tmp_path):
    recipes = ("pearl-point-robot", "rl2-point-robot")

    assert sweeping.sweep(recipes, (3, 4), tmp_path, "debug", settings=("discount=0.8",)) == 0

    assert [run[:2] for run in trained] == [(name, seed) for name in recipes for seed in (3, 4)]
    assert all(run[3] == ("discount=0.8",) for run in trained)
    assert len({run[2] for run in trained}) == 4


@pytest.mark.parametrize(
    ("recipes", "seeds", "settings", "named"),
    [
        (("pearl-point-robot",), (), (), "--seeds"),
        ((), (0,), (), "RECIPES"),
        (("pearl-point-robot", "alchemy"), (0,), (), "alchemy"),
        (("pearl-point-robot",), (0,), ("discount=2",), "discount"),
        (("pearl-point-robot", "rl2-point-robot"), (0,), ("latent_size=3",), "latent_size"),
    ],
)
def test_nothing_to_do_or_a_bad_setting_is_refused_before_anything_begins(
    trained, recipes, seeds, settings, named, tmp_path
):
    with pytest.raises(BadInput, match=named):
        sweeping.sweep(recipes, seeds, tmp_path / "runs", "debug", settings=settings)
    assert not trained
    assert not (tmp_path / "runs").exists()
