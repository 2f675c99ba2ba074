"""Structure: how much more of a world first episodes see than noise of equal energy would.

Noise that is drawn anew for every step dithers about the start. Whoever holds an intention for an
episode, or plans, comes further with the same actions. Energy is the mean square of an action's
elements as they were applied, each element by itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim2real.evaluation.protocol import TrialProtocol
from training.evaluation.meta_test import MakeActor
from training.families.claw import ClawFamily
from training.parts.actor import Actor, Drawn, Memoryless
from training.tasks.task import Task, TaskFamily
from training.worlds.ties import Array
from training.worlds.vector_world import Float

NUM_FIRST = 3
"""episodes of a trial that count as its first"""
POINT_CELL_M, VALVE_CELL_RAD = 0.2, 0.1
"""edges of the cells that are counted: two steps of a point; what a valve's target is met to"""
NUM_NOISES = 5
"""times that the noise is drawn"""
_WIDEST = 50.0
"""standard deviation of noise that is clipped to ±1 nearly always"""


class Visited(NamedTuple):
    """First episodes in W worlds."""

    num_cells: Array
    """(W,) different cells that each world saw"""
    energy: Array
    """(A,) mean square of what was applied"""


class Structure(NamedTuple):
    """A learner beside noise, on K tasks."""

    ratio: Array
    """(K,) cells that it saw on each task over those that noise of its energy saw on average"""
    num_cells: float
    """that it saw on average"""
    energy: Array
    """(A,) of both"""


def structure(
    make_actor: MakeActor, family: TaskFamily, tasks: Sequence[Task], *, seed: int
) -> Structure:
    """Play first episodes, then noise of their energy from the same starts."""
    own = first_episodes(make_actor(tasks), family, tasks, seed=seed)
    std = clipped_std(own.energy)
    noise = [
        first_episodes(Noise(std, len(tasks), seed=index), family, tasks, seed=seed)
        for index in range(NUM_NOISES)
    ]
    of_noise = float(np.mean([each.num_cells for each in noise]))
    return Structure(own.num_cells / of_noise, float(own.num_cells.mean()), own.energy)


class Noise(Memoryless):
    """Gaussian actions about zero, drawn anew for every step: time-invariant noise."""

    def __init__(self, std: Array, num_worlds: int, *, seed: int) -> None:
        self._std, self._num_worlds = std, num_worlds
        self._rng = np.random.default_rng([seed, 11])

    def act(self, observation: Float) -> Drawn:
        drawn = self._rng.standard_normal((self._num_worlds, len(self._std))) * self._std
        return Drawn(drawn.astype(np.float32))


def clipped_std(energy: Array) -> Array:
    """(A,) deviations of Gaussian noise whose mean square, clipped to ±1, is (A,) `energy`."""
    found = []
    for wanted in energy:
        low, high = 0.0, _WIDEST
        for _ in range(60):  # halves: the mean square rises with the deviation
            middle = (low + high) / 2.0
            low, high = (middle, high) if _mean_square(middle) < wanted else (low, middle)
        found.append((low + high) / 2.0)
    return np.array(found)


def _mean_square(std: float) -> float:
    """Of Gaussian noise of mean zero that is clipped to ±1."""
    edge = 1.0 / max(std, 1e-9)
    inside = math.erf(edge / math.sqrt(2.0))
    density = math.exp(-(min(edge, 50.0) ** 2) / 2.0) / math.sqrt(2.0 * math.pi)
    return std**2 * (inside - 2.0 * edge * density) + 1.0 - inside


def first_episodes(
    actor: Actor, family: TaskFamily, tasks: Sequence[Task], *, seed: int
) -> Visited:
    """The first episodes of a trial in a world per task, evidence and all."""
    world = family.make_world(len(tasks))
    protocol = TrialProtocol(num_episodes=NUM_FIRST, seed=seed)
    actor.begin_trial(protocol.common_latent_seed())
    is_running = np.ones(len(tasks), bool)
    seen, squares = [], []
    for episode_seed in protocol.episode_seeds():
        observation = world.reset(tasks, episode_seed)
        actor.begin_episode(is_running)
        seen.append(cells(family, observation))
        for _ in range(world.episode_length):  # none of these worlds ends an episode itself
            result = world.step(actor.act(observation).action)
            transition = result.transition(observation)
            actor.observe(transition, result.sparse_reward, is_running)
            seen.append(cells(family, result.final_observation))
            squares.append(np.square(result.applied_action, dtype=np.float64).mean(0))
            observation = result.observation
    world.close()
    per_world = np.stack(seen, axis=1)
    num_cells = np.array([len(np.unique(each, axis=0)) for each in per_world], np.float64)
    return Visited(num_cells, np.mean(squares, axis=0))


def cells(family: TaskFamily, observation: Float) -> NDArray[np.int64]:
    """(W, P) in which cell each world is: of a point's place, or of a valve's angle."""
    if not isinstance(family, ClawFamily):
        place = observation[:, :2] / POINT_CELL_M
        return np.asarray(np.floor(place + 0.5), np.int64)
    first, second = observation[:, family.scene.skill.layout.slice_of("valve_angle")].T
    angle = np.arctan2(second, first)[:, None]
    return np.asarray(np.floor(angle / VALVE_CELL_RAD + 0.5), np.int64)
