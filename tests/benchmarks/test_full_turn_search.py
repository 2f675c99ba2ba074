"""The search for the full turn's settings: its recipes are as long and as alike as it says."""

from __future__ import annotations

import dataclasses
import importlib
import sys
import tomllib
from pathlib import Path

import pytest
import torch

from training.algorithms.learner import TrainingSetup
from training.families.registry import FAMILIES
from training.recipes.registry import with_settings
from training.tasks.task_set import draw_task_set

PACKAGE = Path(__file__).parents[2] / "benchmarks" / "full_turn_search"
GROUPS = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]["entry-points"]
RECIPES = dict(GROUPS["taskbelief.recipes"])
SAC = RECIPES.pop("search-sac")
"""another learner: not the base with one change"""


@pytest.fixture(autouse=True)
def package(monkeypatch):
    """Found as if it were installed."""
    monkeypatch.syspath_prepend(str(PACKAGE / "src"))
    yield
    for name in [name for name in sys.modules if name.startswith("taskbelief_full_turn_search")]:
        del sys.modules[name]


def brought(place: str):
    module, name = place.split(":")
    return getattr(importlib.import_module(module), name)


def all_families() -> dict:
    own = {name: brought(place) for name, place in GROUPS["taskbelief.families"].items()}
    assert all(family.name == name for name, family in own.items())
    return {**FAMILIES, **own}


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_plays_a_quarter_of_a_million_steps(name):
    recipe = brought(RECIPES[name])()
    family = all_families()[recipe.family]

    steps = recipe.num_iterations * recipe.config.num_trials * family.scene.episode_length
    assert steps == pytest.approx(250_000, rel=0.02)
    assert recipe.num_trial_episodes == 1
    assert recipe.algorithm in ("rl2", *GROUPS["taskbelief.algorithms"])


def test_no_two_recipes_are_the_same_and_each_differs_from_the_base_in_one_thing():
    recipes = {name: brought(place)() for name, place in RECIPES.items()}
    base = recipes.pop("search-base")

    assert len({repr(recipe) for recipe in (base, *recipes.values())}) == len(RECIPES)
    for name, recipe in recipes.items():
        changed = {
            field.name
            for field in dataclasses.fields(base.config)
            if getattr(recipe.config, field.name) != getattr(base.config, field.name)
        }
        things = (
            changed - {"hidden_sizes"}
            if recipe.family == base.family
            else {recipe.family}  # rewards of another size are scaled, seconds of foresight kept
        )
        if recipe.algorithm != base.algorithm:
            things |= {recipe.algorithm}
        assert len(things) == 1, (name, things)


def test_the_off_policy_one_has_pearls_gradient_steps_and_nothing_to_find_out():
    recipe, pearl = brought(SAC)(), with_settings("pearl-valve-turn-full", ())
    family = all_families()[recipe.family]

    def ratio(config, steps):
        return config.num_gradient_steps / steps

    length = family.scene.episode_length
    of_pearl = pearl.config.num_prior_steps + pearl.config.num_posterior_steps
    assert ratio(recipe.config, recipe.config.num_steps) == ratio(
        pearl.config, pearl.config.tasks_per_iteration * of_pearl
    )
    assert recipe.config.batch_size == pearl.config.meta_batch_size * pearl.config.batch_size
    assert recipe.config.learning_rate == pearl.config.learning_rate
    steps = recipe.num_iterations * recipe.config.num_steps
    assert steps == pytest.approx(250_000, rel=0.02)
    assert recipe.config.num_steps == recipe.config.num_worlds * length
    assert recipe.family == brought(RECIPES["search-base"])().family, "which sees its goal"


def test_a_curriculum_begins_with_the_nearest_targets_and_ends_with_all():
    learner_type = brought(GROUPS["taskbelief.algorithms"]["rl2_curriculum"])
    family = FAMILIES["valve_turn_full_visible"]
    tasks = draw_task_set(family, seed=0, num_train=8, num_test=0)
    setup = TrainingSetup(
        family=family,
        task_set=tasks,
        seed=0,
        device=torch.device("cpu"),
        num_trial_episodes=1,
    )
    learner = learner_type(learner_type.config_type.smallest(), setup)
    size = {task.name: abs(task.parameters["target_angle"][0]) for task in tasks.train}

    assert learner.iterate(0.0)["curriculum_tasks"] == 2
    drawn = {task.name for task in learner.collector.tasks}
    assert drawn == set(sorted(size, key=size.__getitem__)[:2])
    assert learner.iterate(0.25)["curriculum_tasks"] == 5
    assert learner.iterate(0.5)["curriculum_tasks"] == 8
