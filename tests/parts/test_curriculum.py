"""Worlds that begin easier than their tasks: which, how much; and nothing is judged in them."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

from sim2real.contract.errors import BadInput
from tests.runs.conftest import recipe_of
from training.families.registry import FAMILIES
from training.parts.curriculum import Curriculum
from training.recipes.recipe import Recipe
from training.runs.start import make_learner, resume_run, start_run
from training.tasks.task import Task
from training.tasks.task_set import draw_task_set

GOAL = Task(family="sparse_point_robot", name="train/0", parameters={"goal": (1.0, 0.0)})


def paid_far_away(world: object) -> float:
    """What a step pays that ends half a metre from the goal."""
    world.reset([GOAL] * world.num_worlds, seed=0)
    east = np.tile(np.array([[1.0, 0.0]], np.float32), (world.num_worlds, 1))
    return float([world.step(east) for _ in range(5)][-1].sparse_reward[0])


def test_worlds_are_eased_less_and_less_and_are_the_tasks_in_time() -> None:
    world = FAMILIES["sparse_point_robot"].make_world(1)
    curriculum = Curriculum(0.5)
    curriculum.take(world, "sparse_point_robot")
    paid = []
    for progress in (0.0, 0.25, 0.35, 0.5, 0.9):
        curriculum.advance(progress)
        paid.append(round(paid_far_away(world), 4))

    # Radii 1, 0.6, 0.44, 0.2 and 0.2 m; half a metre is within the first two.
    assert paid == [0.5, 0.5, 0.0, 0.0, 0.0]


def test_what_counts_as_success_is_never_eased() -> None:
    world = FAMILIES["sparse_point_robot"].make_world(1)
    world.ease(1.0)
    world.reset([GOAL], seed=0)
    east = np.array([[1.0, 0.0]], np.float32)

    assert [bool(world.step(east).success[0]) for _ in range(9)] == [False] * 7 + [True] * 2


def test_a_run_without_a_curriculum_eases_nothing() -> None:
    world = FAMILIES["sparse_point_robot"].make_world(1)
    curriculum = Curriculum()
    curriculum.take(world, "sparse_point_robot")
    curriculum.advance(0.0)

    assert paid_far_away(world) == 0.0


def eased(family: str = "sparse_point_robot") -> Recipe:
    recipe = recipe_of("rl2", num_iterations=4, evaluation_interval=4, eased_until=0.9)
    return dataclasses.replace(recipe, family=family)


def test_a_learner_takes_the_worlds_that_it_learns_in_and_none_other() -> None:
    family = FAMILIES["sparse_point_robot"]
    task_set = draw_task_set(family, seed=0, num_train=4, num_test=4)
    learner = make_learner(eased(), task_set, seed=0)
    learner.state.curriculum.advance(0.0)

    assert paid_far_away(learner.worlds) == 0.5
    assert paid_far_away(family.make_world(1)) == 0.0  # as an evaluation makes them


def begin(recipe: Recipe, directory: Path) -> None:
    start_run(recipe, name="tiny", seed=0, directory=directory, is_quiet=True)


def test_a_run_advances_it_and_resumes_where_it_was(tmp_path: Path) -> None:
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    begin(eased(), whole)
    shutil.copytree(whole, stopped)
    shutil.rmtree(stopped / "checkpoints/0000004")
    learner = resume_run(stopped, is_quiet=True)

    assert (whole / "eval.json").read_text() == (stopped / "eval.json").read_text()
    # The fourth of four iterations is 0.75 of the run: a sixth of the way is left, 0.33 m.
    assert learner.worlds._paid_radius_m == pytest.approx(0.2 + 0.8 / 6)


def test_a_family_without_an_easier_form_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="eased_until: point_robot has no easier form"):
        begin(eased("point_robot"), tmp_path / "run")
    assert not list(tmp_path.rglob("config.json"))
