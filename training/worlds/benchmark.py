"""How fast the worlds step: control steps per second, and how that compares with real time."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from itertools import cycle, islice

import numpy as np

from training.families.task import TaskFamily, draw_task_set
from training.worlds.vector_world import Float, VectorWorld

NUM_RUNS = 5
"""timed runs per case; the median is reported, so one interruption does not decide"""
_NUM_TASKS = 16
_NUM_ACTIONS = 64
"""different action batches, drawn beforehand and used in turn"""


def bench_sim(
    families: Sequence[TaskFamily],
    *,
    threads: Sequence[int] = (1, 2),
    worlds: int = 256,
    seconds: float = 5.0,
) -> Iterator[dict[str, object]]:
    """Step every family's world under random actions; yield one JSON-ready record per figure.

    Each (family, thread count) is a case of `NUM_RUNS` runs in about `seconds`, resets at the ends
    of episodes included. A point robot has no time of its own, hence no real-time factor.
    """
    for family in families:
        for num_threads in threads:
            world = family.make_world(worlds, num_threads=num_threads)
            rates = _steps_per_second(family, world, seconds)
            case = f"{family.name}/threads={num_threads}"
            yield _record(case, "control_steps_per_s", "1/s", rates)
            if world.control_period_s is not None:
                factors = [rate * world.control_period_s for rate in rates]
                yield _record(case, "real_time_factor", "1", factors)
            world.close()


def _steps_per_second(family: TaskFamily, world: VectorWorld, seconds: float) -> list[float]:
    """Control steps of all worlds together per second, one figure per run."""
    tasks = draw_task_set(family, seed=0, num_train=_NUM_TASKS, num_test=0).train
    world.reset(list(islice(cycle(tasks), world.num_worlds)), 0)
    shape = (_NUM_ACTIONS, world.num_worlds, world.action_size)
    drawn = np.random.default_rng(0).uniform(-1.0, 1.0, shape).astype(np.float32)
    actions = cycle(drawn)
    _steps_until(world, actions, seconds / NUM_RUNS / 5.0)  # warm: caches, fingers in contact
    return [_steps_until(world, actions, seconds / NUM_RUNS) for _ in range(NUM_RUNS)]


def _steps_until(world: VectorWorld, actions: Iterator[Float], seconds: float) -> float:
    start, num_steps, elapsed = time.perf_counter(), 0, 0.0
    while elapsed < seconds:
        world.step(next(actions))
        num_steps += 1
        elapsed = time.perf_counter() - start
    return num_steps * world.num_worlds / elapsed


def _record(case: str, metric: str, unit: str, values: Sequence[float]) -> dict[str, object]:
    return {
        "bench": "sim",
        "case": case,
        "metric": metric,
        "value": statistics.median(values),
        "unit": unit,
        "runs": len(values),
        "min": min(values),
        "max": max(values),
        "baseline": None,
        "ratio": None,
    }
