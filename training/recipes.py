"""Named experiments: an algorithm, a family, settings, and how many tasks.

A recipe is a function, so that a reader sees every setting that differs from the default beside
the reason for it. Measured budgets are in docs/results.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from sim2real.contract.errors import BadInput
from training.algorithms.pearl import PearlConfig
from training.algorithms.rl2 import Rl2Config
from training.algorithms.sac import SacConfig
from training.recipe import Recipe as Recipe
from training.recipes_claw import CLAW_RECIPES


def pearl_point_robot() -> Recipe:
    return Recipe(
        algorithm="pearl",
        family="point_robot",
        config=PearlConfig(
            hidden_sizes=(128, 128),
            encoder_hidden_sizes=(128, 128),
            num_iterations=60,
            num_initial_steps=200,
            tasks_per_iteration=10,
            num_prior_steps=200,
            num_extra_steps=200,
            worlds_per_task=5,
            num_gradient_steps=200,
            batch_size=64,
            learning_rate=1e-3,
            discount=0.9,
            initial_temperature=0.1,
            evaluation_interval=5,
        ),
    )


def pearl_sparse_point_robot() -> Recipe:
    return Recipe(
        algorithm="pearl",
        family="sparse_point_robot",
        config=PearlConfig(
            hidden_sizes=(128, 128),
            encoder_hidden_sizes=(128, 128),
            num_iterations=60,
            num_initial_steps=200,
            tasks_per_iteration=10,
            num_prior_steps=100,
            num_posterior_steps=900,
            num_extra_steps=0,
            worlds_per_task=5,
            num_gradient_steps=200,
            batch_size=64,
            context_batch_size=256,
            learning_rate=1e-3,
            discount=0.9,
            kl_weight=1.0,
            initial_temperature=0.1,
            uses_sparse_context=True,
            num_exploration_episodes=5,
            num_trial_episodes=10,
            evaluation_interval=5,
        ),
    )


def rl2_point_robot() -> Recipe:
    return Recipe(algorithm="rl2", family="point_robot", config=Rl2Config())


def oracle_point_robot() -> Recipe:
    return Recipe(
        algorithm="sac",
        family="point_robot",
        config=SacConfig(
            view="oracle",
            hidden_sizes=(64, 64),
            num_worlds=50,
            num_initial_steps=4000,
            num_steps=1000,
            num_iterations=60,
            num_gradient_steps=200,
            learning_rate=1e-3,
            discount=0.9,
            initial_temperature=0.1,
            evaluation_interval=10,
        ),
    )


RECIPES: dict[str, Callable[[], Recipe]] = {
    "pearl-point-robot": pearl_point_robot,
    "pearl-sparse-point-robot": pearl_sparse_point_robot,
    "rl2-point-robot": rl2_point_robot,
    "oracle-point-robot": oracle_point_robot,
    **CLAW_RECIPES,
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
        if current is None or isinstance(current, bool):
            return truth[text.lower()]
        if isinstance(current, tuple):
            return tuple(int(part) for part in text.split(","))
        return type(current)(text)
    except (KeyError, ValueError):
        kind = "true or false" if current is None else f"a value like {current!r}"
        raise BadInput("command line", field, found=text, expected=kind) from None
