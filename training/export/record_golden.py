"""Recording golden vectors: the policy on a simulated task, with a reset of the belief in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim2real.contract.camera import Frame
from sim2real.contract.joint_io import Reading
from sim2real.runtime.bundle import Bundle
from sim2real.runtime.golden import (
    BEGINS_EPISODE,
    BEGINS_TRIAL,
    CONTINUES,
    ENDS_EPISODE,
    NUM_TICKS,
    READING_FIELDS,
    RecordedNoise,
    golden_controller,
    noise_sizes,
    replay,
)
from training.benches.arena import SimulatedArena

_RESET_ROW = 150
"""late enough for evidence to have moved the belief, early enough for it to move again"""


def record_golden(bundle: Bundle, arena: SimulatedArena, *, seed: int) -> dict[str, NDArray[Any]]:
    """(T, ...) columns: what a robot measured under the policy, and what the controller made of it.

    `arena.robot` must be active. The bundle need not have golden vectors yet.
    """
    rng = np.random.default_rng(seed)
    noise: dict[str, NDArray[Any]] = {
        name: rng.standard_normal((NUM_TICKS, size), np.float32)
        for name, size in noise_sizes(bundle.manifest).items()
    }
    drawn = RecordedNoise(noise)
    driver = golden_controller(bundle, arena.spec, drawn)
    rows: dict[str, list[Any]] = {name: [] for name in ("event", "goal", "held_rad")}
    readings: list[Reading] = []
    frames: list[Frame] = []
    for row, (event, elapsed) in enumerate(_timeline(bundle.manifest.episode_length)):
        drawn.row = row
        if event == BEGINS_TRIAL:
            driver.begin_trial(seed=0)
        if event in (BEGINS_TRIAL, BEGINS_EPISODE):
            start = arena.begin_episode(seed + row)
            driver.begin_episode(goal=start.goal, target_rad=start.target_rad)
        readings.append(arena.robot.read())
        frame = arena.frame()
        seen = (readings[-1], readings[-1].stamp_ns, frame)
        frames += [] if frame is None else [frame]
        rows["event"].append(event)
        rows["goal"].append(start.goal(elapsed * bundle.manifest.control_period_s))
        rows["held_rad"].append(start.target_rad)
        if event == ENDS_EPISODE:
            driver.end_episode(*seen)
        else:
            arena.robot.write(driver.step(*seen))
    inputs: dict[str, NDArray[Any]] = {
        "event": np.array(rows["event"], np.int8),
        "goal": np.array(rows["goal"], np.float64),
        "held_rad": np.array(rows["held_rad"], np.float64),
        **noise,
    }
    for name in READING_FIELDS:
        inputs[name] = np.array([getattr(reading, name) for reading in readings])
    if frames:
        inputs["frame"] = np.array([frame.pixels for frame in frames])
    replayer = golden_controller(bundle, arena.spec, RecordedNoise(inputs))
    return {**inputs, **replay(replayer, inputs)}


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
