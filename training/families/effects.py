"""Whether what a family varies does anything: a randomisation that nobody feels is easily shipped.

One rollout is compared with another whose tasks differ in a single parameter, under the same
actions and from the same start. Worlds repeat to the bit, so what is left to tell from an effect is
rounding that the dynamics amplify: it is measured by actions that differ by one float32 step.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from training.tasks.task import Parameter, Task, TaskFamily
from training.tasks.task_set import draw_task_set
from training.worlds.vector_world import Float, VectorWorld, measured_size

NUM_WORLDS, NUM_STEPS = 6, 15
TIMES_ROUNDING = 10.0
"""an effect is at least so many times what rounding does"""


def parameters_without_effect(family: TaskFamily, *, seed: int = 0) -> list[str]:
    """Names of varied parameters that change no rollout, of `NUM_WORLDS` random ones.

    Dynamics have to show in what is measured or seen, goals in what is paid. A parameter whose
    range is a point is not varied.
    """
    tasks = draw_task_set(family, seed=seed, num_train=NUM_WORLDS, num_test=1).train
    tasks = tuple(tasks[row % len(tasks)] for row in range(NUM_WORLDS))
    world: VectorWorld = family.make_world(NUM_WORLDS)
    # Held: a random walk about the start would touch little.
    drawn = np.random.default_rng(seed).uniform(-1.0, 1.0, (NUM_WORLDS, world.action_size))
    actions = drawn.astype(np.float32)
    try:
        base = _rollout(world, tasks, actions, seed)
        rounded = _rollout(world, tasks, np.nextafter(actions, np.float32(0.0)), seed)
        rounding = _differences(base, rounded)
        without = []
        for parameter in family.parameters:
            if parameter.low == parameter.high:
                continue
            moved = [_moved(task, parameter) for task in tasks]
            effect = _differences(base, _rollout(world, moved, actions, seed))
            kinds = ("measured", "seen") if parameter.changes_dynamics else ("paid",)
            if not any(effect[kind] > TIMES_ROUNDING * rounding[kind] for kind in kinds):
                without.append(parameter.name)
    finally:
        world.close()
    return without


def _moved(task: Task, parameter: Parameter) -> Task:
    """The task with every element of a parameter at the farther end of its range."""
    low, high = np.array(parameter.low), np.array(parameter.high)
    value = np.array(task.parameters[parameter.name])
    far = np.where(value - low > high - value, low, high)
    changed = {**task.parameters, parameter.name: tuple(far.tolist())}
    return dataclasses.replace(task, parameters=changed)


def _rollout(
    world: VectorWorld, tasks: Sequence[Task], actions: Float, seed: int
) -> dict[str, Float]:
    """(T, W, ·) what is measured, seen and paid, the last dense and sparse."""
    world.reset(tasks, seed)
    results = [world.step(actions) for _ in range(min(NUM_STEPS, world.episode_length))]
    observed = np.stack([result.final_observation for result in results])
    paid = np.stack([[result.reward, result.sparse_reward] for result in results])
    size = measured_size(world)
    return {
        "measured": observed[..., :size],
        "seen": observed[..., size:],
        "paid": np.moveaxis(paid, 1, -1),
    }


def _differences(one: Mapping[str, Float], other: Mapping[str, Float]) -> dict[str, float]:
    """The largest of measurements and of pay; of frames the mean, for a pixel on an edge changes
    its colour wholly or not at all."""
    differences = {name: np.abs(one[name] - other[name]) for name in one}
    seen = differences.pop("seen")
    largest = {name: float(difference.max()) for name, difference in differences.items()}
    return {**largest, "seen": float(seen.mean()) if seen.size else 0.0}
