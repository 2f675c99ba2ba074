"""Recording golden vectors: the policy on a simulated task, with a reset of the belief in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim2real.contract.joint_io import Reading
from sim2real.runtime.bundle import Bundle
from sim2real.runtime.controller import Controller
from sim2real.runtime.golden import (
    BEGINS_EPISODE,
    BEGINS_TRIAL,
    CONTINUES,
    ENDS_EPISODE,
    NUM_TICKS,
    READING_FIELDS,
    deterministic,
    replay,
)
from training.benches.arena import SimulatedArena

_RESET_ROW = 150
"""late enough for evidence to have moved the belief, early enough for it to move again"""


def record_golden(bundle: Bundle, arena: SimulatedArena, *, seed: int) -> dict[str, NDArray[Any]]:
    """(T, ...) columns: what a robot measured under the policy, and what the controller made of it.

    `arena.robot` must be active. The bundle need not have golden vectors yet.
    """
    spec, adaptation = arena.spec, deterministic(bundle.manifest)
    driver = Controller(bundle, spec, adaptation=adaptation)
    rows: dict[str, list[Any]] = {name: [] for name in ("event", "goal", "held_rad")}
    readings: list[Reading] = []
    for row, (event, elapsed) in enumerate(_timeline(bundle.manifest.episode_length)):
        if event == BEGINS_TRIAL:
            driver.begin_trial(seed=0)
        if event in (BEGINS_TRIAL, BEGINS_EPISODE):
            start = arena.begin_episode(seed + row)
            driver.begin_episode(goal=start.goal, target_rad=start.target_rad)
        readings.append(arena.robot.read())
        rows["event"].append(event)
        rows["goal"].append(start.goal(elapsed * bundle.manifest.control_period_s))
        rows["held_rad"].append(start.target_rad)
        if event == ENDS_EPISODE:
            driver.end_episode(readings[-1])
        else:
            arena.robot.write(driver.step(readings[-1]))
    inputs: dict[str, NDArray[Any]] = {
        "event": np.array(rows["event"], np.int8),
        "goal": np.array(rows["goal"], np.float64),
        "held_rad": np.array(rows["held_rad"], np.float64),
    }
    for name in READING_FIELDS:
        inputs[name] = np.array([getattr(reading, name) for reading in readings])
    return {**inputs, **replay(Controller(bundle, spec, adaptation=adaptation), inputs)}


def _timeline(episode_length: int) -> Iterator[tuple[int, int]]:
    """What happens at each row, and how many ticks into the episode: whole episodes, one cut off by
    the reset of the trial, and another after it."""
    event, elapsed = BEGINS_TRIAL, 0
    for row in range(NUM_TICKS):
        if row == _RESET_ROW:
            event, elapsed = BEGINS_TRIAL, 0
        yield event, elapsed
        if event == ENDS_EPISODE:
            event, elapsed = BEGINS_EPISODE, 0
        else:
            elapsed += 1
            event = ENDS_EPISODE if elapsed == episode_length else CONTINUES
