"""`shown_goal`: a place that is shown after every guess at it, and pays for right guesses only."""

from __future__ import annotations

import numpy as np

from training.tasks.task import Parameter
from training.worlds.shown_goal_world import RADIUS_M, ShownGoalWorld


class ShownGoal:
    """Goals uniform in the square [-1, 1]^2."""

    name = "shown_goal"
    parameters: tuple[Parameter, ...] = (
        # It is what a step leads to, so context has to hold outcomes.
        Parameter(name="goal", unit="m", low=(-1.0, -1.0), high=(1.0, 1.0), changes_dynamics=True),
    )
    further_parameters: tuple[Parameter, ...] = ()
    num_distinct_tasks: int | None = None

    def sample(
        self, rng: np.random.Generator, num_tasks: int
    ) -> list[dict[str, tuple[float, ...]]]:
        [goal] = self.parameters
        goals = rng.uniform(goal.low, goal.high, (num_tasks, 2))
        return [{"goal": (float(x), float(y))} for x, y in goals]

    def make_world(self, num_worlds: int, *, num_threads: int = 1) -> ShownGoalWorld:
        return ShownGoalWorld(num_worlds)


def most_by_returns(num_guesses: int) -> float:
    """The share of goals that whoever goes by returns alone is right about after so many guesses.

    A guess is right about a disk of `RADIUS_M`, whatever it is. Where none was right, all returns
    were equal, and whatever is guessed next is right about one disk more: an upper bound.
    """
    disk = np.pi * RADIUS_M**2 / 4.0
    return float(min(1.0, (num_guesses + 1) * disk))
