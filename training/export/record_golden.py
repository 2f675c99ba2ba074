"""Recording golden vectors: the policy on a simulated task, with a reset of the belief in it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim2real.contract.joint_io import Reading
from sim2real.evaluation.trial import Arena
from sim2real.runtime.bundle import Bundle
from sim2real.runtime.controller import Controller
from sim2real.runtime.golden import (
    BEGINS_EPISODE,
    BEGINS_TRIAL,
    CONTINUES,
    NUM_TICKS,
    READING_FIELDS,
    deterministic,
    replay,
)

_TRIAL_RESET_TICK = 150
"""late enough for evidence to have moved the belief, early enough for it to move again"""


def record_golden(bundle: Bundle, arena: Arena, *, seed: int) -> dict[str, NDArray[Any]]:
    """(T, ...) columns: what a robot measured under the policy, and what the controller made of it.

    `arena.robot` must be active. The bundle need not have golden vectors yet.
    """
    spec, adaptation = arena.robot.spec, deterministic(bundle.manifest)
    driver = Controller(bundle, spec, adaptation=adaptation)
    rows: dict[str, list[Any]] = {name: [] for name in ("begins", "goal", "held_rad")}
    readings: list[Reading] = []
    elapsed = 0
    for tick in range(NUM_TICKS):
        begins = CONTINUES
        if tick in (0, _TRIAL_RESET_TICK):
            begins = BEGINS_TRIAL
            driver.begin_trial(seed=0)
        elif elapsed == bundle.manifest.episode_length:
            begins = BEGINS_EPISODE
        if begins != CONTINUES:
            start = arena.begin_episode(seed + tick)
            driver.begin_episode(goal=start.goal, target_rad=start.target_rad)
            elapsed = 0
        readings.append(arena.robot.read())
        rows["begins"].append(begins)
        rows["goal"].append(start.goal(elapsed * bundle.manifest.control_period_s))
        rows["held_rad"].append(start.target_rad)
        arena.robot.write(driver.step(readings[-1]))
        elapsed += 1
    inputs: dict[str, NDArray[Any]] = {
        "begins": np.array(rows["begins"], np.int8),
        "goal": np.array(rows["goal"], np.float64),
        "held_rad": np.array(rows["held_rad"], np.float64),
    }
    for name in READING_FIELDS:
        inputs[name] = np.array([getattr(reading, name) for reading in readings])
    return {**inputs, **replay(Controller(bundle, spec, adaptation=adaptation), inputs)}
