"""Whether another engine's worlds are MuJoCo's: the same tasks, starts and actions on both.

Motion with contacts forgets rounding no more than dice do, so episodes are not compared step by
step but by what they pay: the mean of paired differences, with its interval.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sim2real.contract.require import require_counts
from sim2real.evaluation.metrics import bootstrap_interval
from training.families.backend import simulated_by
from training.families.registry import family_named
from training.parts.device import require_device
from training.tasks.task import Task, TaskFamily
from training.tasks.task_set import draw_task_set
from training.worlds.vector_world import Float, VectorWorld

HELD_STEPS = 3
"""for which an action is held: a random walk about the start would touch little"""


def print_agreement(
    families: tuple[str, ...] = ("valve_turn", "pose_dynamics"),
    episodes: int = 200,
    steps: int | None = None,
    backend: str = "warp",
    device: str = "cpu",
) -> None:
    """Print, as JSON lines, by how much an engine's returns differ from MuJoCo's.

    Args:
        families: whose episodes are compared.
        episodes: of each, all at once, each on a task of its own where the family has so many.
        steps: of an episode; as many as the family's by default.
        backend: the engine that is compared.
        device: cpu or cuda.
    """
    require_counts(episodes=episodes, steps=steps)
    require_device(device)
    for name in families:
        simulated_by(family_named(name), backend, device)  # refused before anything is run
    for name in families:
        record = agreement(family_named(name), episodes, backend, device, steps)
        print(json.dumps(record), flush=True)


def agreement(
    family: TaskFamily,
    num_episodes: int,
    backend: str,
    device: str = "cpu",
    num_steps: int | None = None,
) -> dict[str, object]:
    """One JSON-ready record of matched episodes, by default of the family's length."""
    num_tasks = min(num_episodes, family.num_distinct_tasks or num_episodes)
    drawn = draw_task_set(family, seed=0, num_train=num_tasks, num_test=0).train
    tasks = [drawn[index % num_tasks] for index in range(num_episodes)]
    theirs, ours = (
        returns_of(family.make_world(num_episodes), tasks, num_steps)
        for family in (family, simulated_by(family, backend, device))
    )
    difference = ours - theirs
    interval = bootstrap_interval(difference)
    return {
        "bench": "agreement",
        "case": f"{family.name}/{backend}/{device}",
        "episodes": num_episodes,
        "mujoco_return": float(theirs.mean()),
        "mujoco_return_deviation": float(theirs.std()),
        "difference": interval.mean,
        "low": interval.low,
        "high": interval.high,
        "largest_difference": float(np.abs(difference).max()),
        "equal_to_a_thousandth": float((np.abs(difference) < 1e-3).mean()),
    }


def returns_of(
    world: VectorWorld, tasks: Sequence[Task], num_steps: int | None = None
) -> NDArray[np.float64]:
    """(W,) undiscounted returns of one episode in every world, under random actions."""
    length = world.episode_length if num_steps is None else num_steps
    world.reset(tasks, 0)
    returns, goes_on = np.zeros(len(tasks)), np.ones(len(tasks), bool)
    for action in _held_actions(length, len(tasks), world.action_size):
        result = world.step(action)
        returns += goes_on * result.reward
        goes_on &= ~(result.terminated | result.truncated)
    world.close()
    return returns


def _held_actions(num_steps: int, num_worlds: int, size: int) -> Float:
    shape = (-(-num_steps // HELD_STEPS), num_worlds, size)
    drawn = np.random.default_rng(1).uniform(-1.0, 1.0, shape).astype(np.float32)
    return drawn.repeat(HELD_STEPS, axis=0)[:num_steps]
