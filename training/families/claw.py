"""Families of a hand: a skill, the variations that define its tasks, and its goal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from sim2real.contract.robot_spec import RobotSpec
from sim2real.skills.hand import NUM_LOBES
from training.tasks.task import Parameter, TaskFamily
from training.worlds.claw import VALVE_START, ClawScene
from training.worlds.dynamics import VARIATIONS, Variation, variations_for
from training.worlds.mujoco_world import MujocoWorld
from training.worlds.physics import MakePhysics
from training.worlds.threaded_physics import ThreadedPhysics

NEXT_LOBE_RAD = 2.0 * np.pi / NUM_LOBES
"""from a lobe of the valve to the next"""


@dataclass(frozen=True, kw_only=True)
class SignedGoal:
    """A scalar goal as part of the task: a sign, as a rule either, and its size within a range."""

    name: str
    unit: str
    low: float
    """smallest size"""
    high: float
    """largest size"""
    signs: tuple[float, ...] = (-1.0, 1.0)
    """which it can have"""

    @property
    def parameter(self) -> Parameter:
        ends = [sign * size for sign in self.signs for size in (self.low, self.high)]
        return Parameter(
            name=self.name,
            unit=self.unit,
            low=(min(ends),),
            high=(max(ends),),
            changes_dynamics=False,
        )

    def sample(self, rng: np.random.Generator) -> tuple[float, ...]:
        """One draw."""
        return (float(rng.choice(self.signs) * rng.uniform(self.low, self.high)),)


@dataclass(frozen=True, kw_only=True)
class ValveStart:
    """Where the valve's episodes begin, as part of the task: where home leaves its lobes free.

    At home fingertips hang between lobes. So a start is near zero, or near a place a third of a
    turn away, on this side of it: there the next lobe stands where the one with the mark should.
    """

    free_rad: float
    """how far to either side of such a place the valve can be without meeting a fingertip"""
    name: str = VALVE_START

    @property
    def parameter(self) -> Parameter:
        return Parameter(
            name=self.name,
            unit="rad",
            low=(-NEXT_LOBE_RAD,),
            high=(NEXT_LOBE_RAD,),
            changes_dynamics=False,
        )

    def sample(self, rng: np.random.Generator) -> tuple[float, ...]:
        """One draw: each of the three places as often."""
        place = float(rng.choice((-1.0, 0.0, 1.0)))
        off = float(rng.uniform(-self.free_rad, self.free_rad))
        return (place * (NEXT_LOBE_RAD - abs(off)) if place else off,)


@dataclass(frozen=True, kw_only=True, eq=False)
class ClawFamily:
    """A `TaskFamily` of a hand: of the claw, until it is put on another."""

    name: str
    scene: ClawScene
    variation_names: tuple[str, ...]
    """which dynamics differ between tasks"""
    goal: SignedGoal | None = None
    """the goal that is part of the task; None where every episode draws its own"""
    start: ValveStart | None = None
    """where tasks begin; None: they all begin alike, about zero"""
    num_distinct_tasks: int | None = None
    variations: Mapping[str, Variation] = field(default_factory=lambda: VARIATIONS)
    """what is drawn by these names, and in which ranges"""
    make: Callable[[RobotSpec], ClawFamily] | None = None
    """the family on another robot, where goals depend on the robot; None: they do not"""
    engine: MakePhysics = ThreadedPhysics
    """what its worlds are simulated by"""

    def on(self, spec: RobotSpec) -> ClawFamily:
        """The family on another robot."""
        if spec == self.scene.spec and spec.source == self.scene.spec.source:
            return self
        if self.make is not None:
            return self.make(spec)
        variations = variations_for(spec)
        return replace(self, scene=self.scene.on(spec), variations=variations)

    @cached_property
    def _draws(self) -> tuple[SignedGoal | ValveStart | Variation, ...]:
        variations = tuple(self.variations[name] for name in self.variation_names)
        return tuple(draw for draw in (self.goal, self.start, *variations) if draw is not None)

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        return tuple(draw.parameter for draw in self._draws)

    @cached_property
    def further_parameters(self) -> tuple[Parameter, ...]:
        """Every variation can be written into a claw, drawn by the family or not."""
        others = (v for name, v in self.variations.items() if name not in self.variation_names)
        return tuple(variation.parameter for variation in others)

    def sample(
        self, rng: np.random.Generator, num_tasks: int
    ) -> list[dict[str, tuple[float, ...]]]:
        return [{draw.name: draw.sample(rng) for draw in self._draws} for _ in range(num_tasks)]

    def make_world(self, num_worlds: int, *, num_threads: int = 1) -> MujocoWorld:
        engine = self.engine
        return MujocoWorld(self.scene, num_worlds, num_threads=num_threads, engine=engine)


def place_column(family: TaskFamily) -> int:
    """Where in an observation the two numbers begin that say where things are: cosine and sine of
    what a hand turns; of all other families the first two."""
    if isinstance(family, ClawFamily) and "valve_angle" in family.scene.skill.layout.names:
        return int(family.scene.skill.layout.slice_of("valve_angle").start)
    return 0
