"""The shape that every walking family has: a name, what its tasks differ in, and its scene."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from training.tasks.task import Parameter
from training.worlds.locomotion import LocomotionScene
from training.worlds.mujoco_world import MujocoWorld
from training.worlds.physics import MakePhysics
from training.worlds.threaded_physics import ThreadedPhysics

Draws = list[dict[str, tuple[float, ...]]]


@dataclass(frozen=True, kw_only=True)
class LocomotionFamily:
    """A `TaskFamily` over one `LocomotionScene`."""

    name: str
    parameters: tuple[Parameter, ...]
    draw: Callable[[np.random.Generator, int], Draws]
    """draws the parameters of that many tasks"""
    make_scene: Callable[[], LocomotionScene]
    """called when a world is made: listing the families compiles no model"""
    num_distinct_tasks: int | None = None
    further_parameters: tuple[Parameter, ...] = ()
    engine: MakePhysics = ThreadedPhysics
    """what its worlds are simulated by"""

    def sample(self, rng: np.random.Generator, num_tasks: int) -> Draws:
        """Draw the parameters of `num_tasks` different tasks.

        Raises `ValueError` where the family has fewer.
        """
        if self.num_distinct_tasks is not None and num_tasks > self.num_distinct_tasks:
            raise ValueError(f"{self.name} has {self.num_distinct_tasks} tasks, not {num_tasks}")
        return self.draw(rng, num_tasks)

    def make_world(self, num_worlds: int, *, num_threads: int = 1) -> MujocoWorld:
        scene, engine = self.make_scene(), self.engine
        return MujocoWorld(scene, num_worlds, num_threads=num_threads, engine=engine)


def draw_directions(rng: np.random.Generator, num_tasks: int) -> Draws:
    """Unit vectors in the plane, uniform on the circle.

    The papers store the angle. As a vector it has no jump where a turn is complete, which the
    oracle's task vector would otherwise have.
    """
    angles = rng.uniform(0.0, 2.0 * np.pi, num_tasks)
    return [{"direction": (float(np.cos(angle)), float(np.sin(angle)))} for angle in angles]


DIRECTION = Parameter(
    name="direction", unit="1", low=(-1.0, -1.0), high=(1.0, 1.0), changes_dynamics=False
)
"""a unit vector in the plane"""
