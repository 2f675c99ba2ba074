"""Named experiments: an algorithm, a family, settings, and how many tasks.

A recipe is a function, so that a reader sees every setting that differs from the default beside
the reason for it. Measured budgets are in docs/results.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from sim2real.contract.errors import BadInput
from training.recipes.claw import CLAW_RECIPES
from training.recipes.locomotion import LOCOMOTION_RECIPES
from training.recipes.paper import PAPER_RECIPES
from training.recipes.point import POINT_RECIPES
from training.recipes.recipe import Recipe as Recipe

RECIPES: dict[str, Callable[[], Recipe]] = {
    **POINT_RECIPES,
    **CLAW_RECIPES,
    **LOCOMOTION_RECIPES,
    **PAPER_RECIPES,
}


def with_settings(name: str, settings: Sequence[str] = ()) -> Recipe:
    """The recipe of that name, with settings of its algorithm changed, each as `field=value`.

    Raises `BadInput` for an unknown recipe or field, and for a value that does not fit.
    """
    if name not in RECIPES:
        raise BadInput(
            "command line", "recipe", found=name, expected=f"one of {', '.join(RECIPES)}"
        )
    recipe = RECIPES[name]()
    changes = {}
    for setting in settings:
        field, _, text = setting.partition("=")
        known = {each.name for each in dataclasses.fields(recipe.config)}
        if field not in known:
            expected = f"a field of {type(recipe.config).__name__}"
            raise BadInput("command line", "--settings", found=field, expected=expected)
        changes[field] = _read_value(field, text, getattr(recipe.config, field))
    try:
        return dataclasses.replace(recipe, config=dataclasses.replace(recipe.config, **changes))
    except ValueError as error:  # the config's own checks
        raise BadInput(
            "command line", "--settings", found=" ".join(settings), expected=str(error)
        ) from None


def _read_value(field: str, text: str, current: Any) -> Any:
    """`text` as the kind of value that the field holds now."""
    truth = {"true": True, "false": False}
    try:
        if isinstance(current, bool):
            return truth[text.lower()]
        if current is None:
            return truth[text.lower()] if text.lower() in truth else float(text)
        if isinstance(current, tuple):
            return tuple(int(part) for part in text.split(","))
        return type(current)(text)
    except (KeyError, ValueError):
        kind = "true, false or a number" if current is None else f"a value like {current!r}"
        raise BadInput("command line", field, found=text, expected=kind) from None
