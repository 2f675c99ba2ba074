"""Tasks from outside of what a family is trained on, where no prior helps."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from training.families.claw import ClawFamily
from training.tasks.task import Task, TaskFamily

Draw = Mapping[str, tuple[float, ...]]
Outward = Callable[[Draw], Draw]
BEYOND = 1.4
"""how far beyond the square's rim goals lie at most, as a multiple of the rim's distance"""
FURTHER_RAD = 0.4
"""what is added to a valve's angle: the largest of training is as far as one sweep reaches"""


def outside_tasks(family: TaskFamily, *, seed: int, num_tasks: int) -> tuple[Task, ...]:
    """Tasks of the family's own worlds that it never draws itself.

    Raises `KeyError` for a family of which none are known.
    """
    rng = np.random.default_rng([seed, 7])
    move = _OUTWARD[family.name]
    return tuple(
        Task(family=family.name, name=f"outside/{index}", parameters=move(draw))
        for index, draw in enumerate(family.sample(rng, num_tasks))
    )


def has_outside(family: TaskFamily) -> bool:
    """Whether there is a rule for tasks outside of the family."""
    return family.name in _OUTWARD


def _beyond_the_square(draw: Draw) -> Draw:
    """Along the same ray, from between centre and rim to between rim and `BEYOND`."""
    x, y = draw["goal"]
    size = max(abs(x), abs(y))
    factor = (1.0 + (BEYOND - 1.0) * size) / size
    return {**draw, "goal": (x * factor, y * factor)}


def _other_half(draw: Draw) -> Draw:
    """The mirror image, below the start. The two ends of the half circle are lifted off it."""
    angle = math.atan2(draw["goal"][1], draw["goal"][0])
    return {**draw, "goal": (math.cos(angle), -max(math.sin(angle), 1e-3))}


def _further_turned(draw: Draw) -> Draw:
    (angle,) = draw["target_angle"]
    return {**draw, "target_angle": (angle + math.copysign(FURTHER_RAD, angle),)}


_OUTWARD: Mapping[str, Outward] = {
    "point_robot": _beyond_the_square,
    "sparse_point_robot": _other_half,
    "valve_turn": _further_turned,
}


def is_claw(family: TaskFamily) -> bool:
    """Whether a hand performs the tasks."""
    return isinstance(family, ClawFamily)
