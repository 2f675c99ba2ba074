"""`taskbelief sweep`: one run a seed, finished or resumed, failures counted and named."""

from __future__ import annotations

import pytest

from sim2real.contract.errors import BadInput
from training import sweep as sweeping
from training.engines.training import FAILED


@pytest.fixture
def trained(monkeypatch):
    """Which trainings were handed to which engine; seed 13 brings bad luck."""
    handed = []

    def drive(engine, trainings):
        handed.extend(trainings)
        return {each: FAILED if each.seed == 13 else 0 for each in trainings}

    monkeypatch.setattr(sweeping, "drive", drive)
    return handed


def test_every_seed_gets_its_own_directory(trained, tmp_path, capsys):
    outcome = sweeping.sweep(("pearl-point-robot",), (3, 4, 5), tmp_path, processes=2)

    assert outcome == 0
    directories = [tmp_path / "pearl-point-robot" / str(seed) for seed in (3, 4, 5)]
    assert [training.directory for training in trained] == directories
    assert capsys.readouterr().out.count(": done") == 3


def test_a_failed_run_fails_the_sweep_and_is_named(trained, tmp_path, capsys):
    assert sweeping.sweep(("pearl-point-robot",), (3, 13, 5), tmp_path) == 1

    printed = capsys.readouterr().out
    assert "13: failed" in printed and printed.count(": done") == 2


def test_an_unknown_recipe_is_refused(tmp_path):
    with pytest.raises(BadInput, match="recipe"):
        sweeping.sweep(("alchemy",), (0,), tmp_path)


def test_several_recipes_share_seeds_and_settings(trained, tmp_path):
    recipes = ("pearl-point-robot", "rl2-point-robot")

    assert sweeping.sweep(recipes, (3, 4), tmp_path, settings=("discount=0.8",)) == 0

    wanted = [(name, seed) for name in recipes for seed in (3, 4)]
    assert [(training.recipe, training.seed) for training in trained] == wanted
    assert all(training.settings == ("discount=0.8",) for training in trained)
    assert len({training.directory for training in trained}) == 4


def test_what_is_named_twice_is_trained_once(trained, tmp_path):
    sweeping.sweep(("rl2-point-robot", "rl2-point-robot"), (3, 3), tmp_path)

    assert len(trained) == 1


@pytest.mark.parametrize(
    ("recipes", "options", "named"),
    [
        (("pearl-point-robot",), {"seeds": ()}, "--seeds"),
        ((), {}, "RECIPES"),
        (("pearl-point-robot", "alchemy"), {}, "alchemy"),
        (("pearl-point-robot",), {"settings": ("discount=2",)}, "discount"),
        (("pearl-point-robot", "rl2-point-robot"), {"settings": ("latent_size=3",)}, "latent_size"),
        (("pearl-point-robot",), {"address": "somewhere:6379"}, "--address"),
    ],
)
def test_nothing_to_do_or_a_bad_setting_is_refused_before_anything_begins(
    trained, recipes, options, named, tmp_path
):
    with pytest.raises(BadInput, match=named):
        sweeping.sweep(recipes, out=tmp_path / "runs", **options)
    assert not trained
    assert not (tmp_path / "runs").exists()
