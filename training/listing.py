"""`taskbelief list`: everything that command lines and files call by name."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import tyro

from sim2real.contract.registry import Registry
from sim2real.contract.robot_spec import ROBOTS
from sim2real.skills.registry import SKILLS
from training.algorithms.registry import ALGORITHMS
from training.families.registry import FAMILIES
from training.recipes.registry import RECIPES

Kind = Literal["robots", "skills", "families", "recipes", "algorithms"]
REGISTRIES: tuple[Registry[Any], ...] = (ROBOTS, SKILLS, FAMILIES, RECIPES, ALGORITHMS)


def list_known(kind: Annotated[Kind | None, tyro.conf.Positional] = None) -> None:
    """Print what there is by name, one line each, with the package that brought it.

    Args:
        kind: robots, skills, families, recipes or algorithms; all of them by default.
    """
    for registry in REGISTRIES:
        if kind in (None, registry.kind):
            for name in registry:
                brought_by = registry.package(name)
                shown = f"{registry.kind:<12}{name}"
                print(f"{shown:<48}{brought_by}" if brought_by else shown)
