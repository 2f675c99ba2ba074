"""Named experiments: an algorithm, a family, settings, and how many tasks.

A recipe is a function, so that a reader sees every setting that differs from the default beside
the reason for it. Measured budgets are in docs/results.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from sim2real.contract.errors import BadInput
from sim2real.contract.registry import Registry
from training.parts.checked import expectation, fits, hints_of, read_setting
from training.recipes.beliefs import BELIEF_RECIPES
from training.recipes.claw import CLAW_RECIPES
from training.recipes.exploration import EXPLORATION_RECIPES
from training.recipes.gradient import GRADIENT_RECIPES
from training.recipes.locomotion import LOCOMOTION_RECIPES
from training.recipes.paper import PAPER_RECIPES
from training.recipes.pixels import PIXELS_RECIPES
from training.recipes.point import POINT_RECIPES
from training.recipes.recipe import Recipe
from training.recipes.recurrent_claw import RECURRENT_CLAW_RECIPES
from training.recipes.tabular import TABULAR_RECIPES

WHAT = ("algorithm", "family", "robot", "config", "tasks_sha256")
"""fields of a recipe that make it the one it is"""

OF_A_DRAW = ("num_train_tasks", "num_test_tasks", "task_seed")
"""settings that say nothing where tasks are given"""

_OWN: dict[str, Callable[[], Recipe]] = {
    **POINT_RECIPES,
    **CLAW_RECIPES,
    **LOCOMOTION_RECIPES,
    **GRADIENT_RECIPES,
    **PAPER_RECIPES,
    **BELIEF_RECIPES,
    **TABULAR_RECIPES,
    **EXPLORATION_RECIPES,
    **RECURRENT_CLAW_RECIPES,
    **PIXELS_RECIPES,
}
RECIPES: Registry[Callable[[], Recipe]] = Registry("recipes", _OWN)


def with_settings(name: str, settings: Sequence[str] = ()) -> Recipe:
    """The recipe of that name, with settings changed, each as `field=value`.

    A field is one of the run (`num_iterations`) or of the algorithm (`discount`). Raises `BadInput`
    for an unknown recipe or field, and for a value that does not fit.
    """
    if name not in RECIPES:
        raise BadInput(
            "command line", "recipe", found=name, expected=f"one of {', '.join(RECIPES)}"
        )
    recipe = RECIPES[name]()
    of_run, of_config = run_settings(), hints_of(type(recipe.config))
    run_changes, config_changes = {}, {}
    for setting in settings:
        field, _, text = setting.partition("=")
        if field in run_changes or field in config_changes:
            raise BadInput("command line", field, found="two settings", expected="one of them")
        if field in of_run:
            run_changes[field] = _read(field, text, of_run[field])
        elif field in of_config:
            config_changes[field] = _read(field, text, of_config[field])
        else:
            expected = f"one of {', '.join([*of_run, *of_config])}, as in field=value"
            raise BadInput("command line", "--settings", found=field, expected=expected)
    try:
        config = dataclasses.replace(recipe.config, **config_changes)  # type: ignore[type-var]
        return dataclasses.replace(recipe, config=config, **run_changes)
    except ValueError as error:  # values that do not go together
        raise BadInput(
            "command line", "--settings", found=" ".join(settings), expected=str(error)
        ) from None


def run_settings() -> dict[str, Any]:
    """The fields of a recipe that say how a run goes, with their types."""
    hints = hints_of(Recipe)
    return {name: hint for name, hint in hints.items() if name not in WHAT}


def _read(field: str, text: str, hint: Any) -> Any:
    refusal = BadInput("command line", field, found=text, expected=expectation(hint))
    try:
        value = read_setting(hint, text)
    except (KeyError, ValueError):
        raise refusal from None
    if not fits(hint, value):
        raise refusal
    return value
