"""`taskbelief bench controller`: how long a tick takes, early and late in a trial."""

from __future__ import annotations

import dataclasses
import json
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from numpy.typing import NDArray

from sim2real.contract.errors import BadInput
from sim2real.contract.joint_io import Reading
from sim2real.contract.require import require_counts, require_not_negative
from sim2real.contract.robot_spec import DCLAW, RobotSpec, load_robot_spec
from sim2real.runtime.bundle import GOLDEN, Bundle
from sim2real.runtime.controller import Controller, Joints
from sim2real.runtime.golden import read_golden, recorded_reading
from sim2real.runtime.safety import SafetyLimits, limit_command
from sim2real.runtime.verify import load_bundle

NUM_RUNS = 5
"""timed runs per case, alternating between the cases; the median is reported"""
TICKS_PER_RUN = 2_000
EARLY, LATE = 10, 100_000
"""transitions in the belief when a case is timed"""


def print_bench_controller(
    bundle: Annotated[Path | None, tyro.conf.Positional] = None,
    late: int = LATE,
    priority: int = 0,
    robot_config: Path = DCLAW,
) -> None:
    """Print the duration of a tick as JSON lines: gate, belief, latent, policy, action map, safety.

    Args:
        bundle: what to run; by default PEARL's networks (3 x 300, 3 x 200) with random weights.
        late: transitions in the belief for the late case.
        priority: of real-time scheduling (SCHED_FIFO), 1 to 99, as a control loop would have it;
            0 competes like any other process, and then the tails are mostly the scheduler's.
        robot_config: the bundle's hand: a robot.yaml, its folder, or a robot's name.
    """
    require_counts(late=late)
    require_not_negative(priority=priority)
    spec = load_robot_spec(robot_config)
    with tempfile.TemporaryDirectory() as folder:
        if bundle is None:
            bundle = Path(folder) / "untrained"
            _write_full_size(bundle)
        began = time.perf_counter()
        loaded = load_bundle(bundle, spec)
        loading_s = time.perf_counter() - began
    _schedule(priority)
    name = f"{loaded.manifest.name}/{loaded.manifest.adaptation.kind}"
    print(json.dumps(_record(f"{name}/load", "duration", "s", [loading_s])), flush=True)
    for record in bench_controller(loaded, spec, name=name, transitions=(EARLY, late)):
        print(json.dumps(record), flush=True)


def bench_controller(
    bundle: Bundle, spec: RobotSpec, *, name: str, transitions: Sequence[int] = (EARLY, LATE)
) -> Iterator[dict[str, object]]:
    """Time ticks of controllers that have seen so many transitions; the first is the baseline.

    `tick` is what the clock on the wall says, `tick_cpu` what the thread itself used: they differ
    by what else the machine did meanwhile. Yields one JSON-ready record per figure.
    """
    drivers = [_Driver(bundle, spec, count) for count in transitions]
    runs: list[list[NDArray[np.float64]]] = [[] for _ in drivers]
    for _ in range(NUM_RUNS):
        for driver, own in zip(drivers, runs, strict=True):
            own.append(driver.time_ticks(TICKS_PER_RUN))
    for column, metric in enumerate(("tick", "tick_cpu")):
        for percentile in (50.0, 99.0, 99.9):
            baseline: str | None = None
            first: list[float] = []
            for count, own in zip(transitions, runs, strict=True):
                case = f"{name}/after={count}"
                values = [float(np.percentile(run[:, column], percentile)) for run in own]
                ratio = [v / f for v, f in zip(values, first, strict=True)] if first else None
                figure = f"{metric}_p{percentile:g}".replace(".", "")
                yield _record(case, figure, "us", values, baseline, ratio)
                baseline, first = baseline or case, first or values


class _Driver:
    """One controller with a safety filter, fed the golden readings over and over."""

    def __init__(self, bundle: Bundle, spec: RobotSpec, num_transitions: int) -> None:
        limits, period_s = SafetyLimits.of(spec), bundle.manifest.control_period_s

        def safe(desired: Joints, previous: Joints, _reading: Reading) -> Joints:
            return limit_command(desired, previous, period_s, limits)

        self._controller = Controller(bundle, spec, command_filter=safe)
        columns = read_golden(bundle.files[GOLDEN], bundle.manifest, GOLDEN)
        self._readings = [recorded_reading(columns, row) for row in range(len(columns["event"]))]
        self._period_ns, self._tick = round(period_s * 1e9), 0
        goal = columns["goal"][0]
        self._controller.begin_trial(seed=0)
        self._controller.begin_episode(goal=lambda _: goal, target_rad=columns["held_rad"][0])
        for _ in range(num_transitions + 1):
            self._controller.step(self._next_reading())

    def time_ticks(self, count: int) -> NDArray[np.float64]:
        """(T, 2) durations of ticks in µs: on the wall, and of this thread.

        What the belief holds in the meantime is what it held before: the next run starts there.
        """
        memory, durations = self._controller.memory, np.zeros((count, 2))
        for row in range(count):
            reading = self._next_reading()
            wall, own = time.perf_counter_ns(), time.thread_time_ns()
            self._controller.step(reading)
            durations[row] = time.perf_counter_ns() - wall, time.thread_time_ns() - own
        self._controller.memory = memory
        return durations / 1000.0

    def _next_reading(self) -> Reading:
        recorded = self._readings[self._tick % len(self._readings)]
        self._tick += 1
        return dataclasses.replace(
            recorded, stamp_ns=self._tick * self._period_ns, sequence=self._tick
        )


def _schedule(priority: int) -> None:
    if not priority:
        return
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
    except OSError as error:
        expected = "1 to 99, and the right to schedule in real time"
        found = f"{priority}: {error.strerror}"
        raise BadInput("command line", "--priority", found=found, expected=expected) from None


def _write_full_size(folder: Path) -> None:
    from training.export.untrained import untrained_parts, write_untrained_bundle
    from training.families.valve import VALVE_TURN

    write_untrained_bundle(folder, untrained_parts(VALVE_TURN.scene))


def _record(
    case: str,
    metric: str,
    unit: str,
    values: Sequence[float],
    baseline: str | None = None,
    ratio: Sequence[float] | None = None,
) -> dict[str, object]:
    return {
        "bench": "controller",
        "case": case,
        "metric": metric,
        "value": float(np.median(values)),
        "unit": unit,
        "runs": len(values),
        "min": min(values),
        "max": max(values),
        "baseline": baseline,
        "ratio": None if ratio is None else float(np.median(ratio)),
    }
