"""How it is learnt: PEARL with the settings of the claw's pose."""

from __future__ import annotations

from dataclasses import replace

from training.recipes.claw import CLAW_RECIPES
from training.recipes.recipe import Recipe


def pearl_gentle_pose() -> Recipe:
    """Half as long as the claw's: four joints are sooner learnt than nine."""
    recipe = CLAW_RECIPES["pearl-pose-dynamics"]()
    return replace(recipe, family="gentle_pose", num_train_tasks=80, num_iterations=60)
