"""How fast the worlds step: control steps per second, of the clock and of a core, and how that
compares with real time."""

from __future__ import annotations

import dataclasses
import json
import statistics
import time
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from typing import NamedTuple

import mujoco
import numpy as np
from numpy.typing import NDArray

from sim2real.contract.camera import load_cameras
from sim2real.contract.require import (
    require_counts,
    require_positive,
    require_some,
    require_threads,
)
from sim2real.contract.robot_spec import RobotSpec
from sim2real.hardware.physics_model import load_physics_model
from sim2real.hardware.simulated_camera import SimulatedCamera
from training.families.backend import simulated_by
from training.families.claw import ClawFamily
from training.families.registry import FAMILIES, family_named, family_on
from training.parts.device import require_device
from training.tasks.task import TaskFamily
from training.tasks.task_set import draw_task_set
from training.worlds.vector_world import Float, VectorWorld
from training.worlds.view import View

NUM_RUNS = 5
"""timed runs per case; the median is reported, so one interruption does not decide"""
_NUM_TASKS = 16
_NUM_ACTIONS = 64
"""different action batches, drawn beforehand and used in turn"""


def print_bench_sim(
    families: tuple[str, ...] = (),
    threads: tuple[int, ...] = (1, 2),
    worlds: int = 64,
    seconds: float = 5.0,
    control_period_s: float | None = None,
    robot_config: str = "",
    backend: str = "mujoco",
    device: str = "cpu",
) -> None:
    """Print control steps per second and real-time factor as JSON lines.

    Args:
        families: which families; all of them by default.
        threads: physics threads; the first is the baseline of the others.
        worlds: simulations stepped together.
        seconds: how long each case runs.
        control_period_s: step the claw at this period instead of its recipe's.
        robot_config: a robot.yaml, its folder, or a robot's name, for the families of a hand.
        backend: mujoco, or warp for MuJoCo Warp, which knows no threads.
        device: cpu or cuda, of MuJoCo Warp.
    """
    for count in threads:
        require_counts(threads=count)
        require_threads(threads=count)
    require_some(threads=threads)
    require_counts(worlds=worlds)
    require_positive(seconds=seconds, control_period_s=control_period_s)
    for name in families:
        family_named(name)
    chosen = [family_on(name, robot_config) for name in families] or list(FAMILIES.values())
    if control_period_s is not None:
        chosen = [
            at_control_period(family, control_period_s)
            for family in chosen
            if isinstance(family, ClawFamily)
        ]
    if backend != "mujoco":
        require_device(device)
        chosen = [as_simulated_by(family, backend, device) for family in chosen]
        threads = (1,)
    for record in bench_sim(chosen, threads=threads, worlds=worlds, seconds=seconds):
        print(json.dumps(record), flush=True)
    if backend != "mujoco":
        return  # cameras are no part of it
    specs = {
        each.scene.spec.name: each.scene.spec for each in chosen if isinstance(each, ClawFamily)
    }
    for spec in specs.values():
        for record in bench_cameras(spec, seconds=seconds):
            print(json.dumps(record), flush=True)


def at_control_period(family: ClawFamily, control_period_s: float) -> ClawFamily:
    """The same family of the claw, commanded at another rate; its name tells."""
    name = f"{family.name}@{1.0 / control_period_s:g}hz"
    scene = dataclasses.replace(family.scene, control_period_s=control_period_s)
    return dataclasses.replace(family, name=name, scene=scene)


def as_simulated_by(family: TaskFamily, backend: str, device: str) -> TaskFamily:
    """The same family on another engine; its name tells."""
    simulated = simulated_by(family, backend, device)
    name = f"{family.name}/{backend}/{device}"
    return dataclasses.replace(simulated, name=name)  # type: ignore[type-var]


def bench_sim(
    families: Sequence[TaskFamily],
    *,
    threads: Sequence[int] = (1, 2),
    worlds: int = 64,
    seconds: float = 5.0,
) -> Iterator[dict[str, object]]:
    """Step every family's world under random actions; yield one JSON-ready record per figure.

    Each (family, thread count) is a case of `NUM_RUNS` runs in about `seconds`, resets at the ends
    of episodes included; where there is a camera, every step has a frame, and frames alone are
    measured too. The runs of one family's cases alternate, so that a busy moment of the
    machine meets all of them; of what else the machine does, steps per second of a core know least.
    A point robot has no time of its own, hence no real-time factor.
    """
    for family in families:
        steppers = [_Stepper(family, worlds, num_threads) for num_threads in threads]
        for stepper in steppers:
            stepper.run(seconds / NUM_RUNS / 5.0)  # warm: caches, fingers in contact
        runs = list(zip(*[[s.run(seconds / NUM_RUNS) for s in steppers] for _ in range(NUM_RUNS)]))
        rates = [[rate.of_clock for rate in own] for own in runs]
        baseline = f"{family.name}/threads={threads[0]}"
        for num_threads, stepper, own, run in zip(threads, steppers, rates, runs, strict=True):
            case = f"{family.name}/threads={num_threads}"
            is_baseline = num_threads == threads[0]
            ratio = [mine / first for mine, first in zip(own, rates[0], strict=True)]
            yield _record(
                case, "control_steps_per_s", "1/s", own, None if is_baseline else baseline, ratio
            )
            of_core = [rate.of_core for rate in run]
            yield _record(case, "control_steps_per_core_s", "1/s", of_core)
            period = stepper.world.control_period_s
            if period is not None:
                yield _record(case, "real_time_factor", "1", [rate * period for rate in own])
            stepper.world.close()
        if isinstance(family, ClawFamily) and family.scene.camera is not None:
            view = View(family.scene.mj_model, family.scene.camera)
            frames = [_frames_per_s(view, seconds / NUM_RUNS / 5.0) for _ in range(NUM_RUNS)]
            yield _record(f"{family.name}/camera", "frames_per_s", "1/s", frames)


def _frames_per_s(view: View, seconds: float) -> float:
    """Frames of the simulated camera alone, on one core."""
    start, num_frames, elapsed = time.perf_counter(), 0, 0.0
    while elapsed < seconds:
        view.frame(view.home)
        num_frames += 1
        elapsed = time.perf_counter() - start
    return num_frames / elapsed


def bench_cameras(spec: RobotSpec, *, seconds: float = 5.0) -> Iterator[dict[str, object]]:
    """Frames per second of a hand's simulated cameras, on one thread, the joints always moving."""
    for camera in load_cameras(spec).values():
        model = load_physics_model(spec)
        data, eye = mujoco.MjData(model), SimulatedCamera(model, camera)
        rng = np.random.default_rng(0)
        poses = rng.uniform(-0.3, 0.3, (_NUM_ACTIONS, model.nq))
        rates = [_frame_rate(eye, model, data, poses, seconds / NUM_RUNS) for _ in range(NUM_RUNS)]
        case = f"camera/{spec.name}/{camera.name}/{camera.height}x{camera.width}"
        yield _record(case, "frames_per_s", "1/s", rates)
        yield _record(case, "real_time_factor", "1", [rate * camera.period_s for rate in rates])


def _frame_rate(
    eye: SimulatedCamera,
    model: mujoco.MjModel,
    data: mujoco.MjData,
    poses: NDArray[np.float64],
    seconds: float,
) -> float:
    start, count, elapsed = time.perf_counter(), 0, 0.0
    while elapsed < seconds:
        data.qpos[:] = poses[count % len(poses)]
        mujoco.mj_kinematics(model, data)
        mujoco.mj_camlight(model, data)
        eye.render(data)
        count += 1
        elapsed = time.perf_counter() - start
    return count / elapsed


class _Rate(NamedTuple):
    """Control steps of all worlds together per second."""

    of_clock: float
    of_core: float
    """of the cores' time that this process has had; on one thread, what a quiet machine does"""


class _Stepper:
    """One family's worlds under random actions."""

    def __init__(self, family: TaskFamily, worlds: int, num_threads: int) -> None:
        self.world: VectorWorld = family.make_world(worlds, num_threads=num_threads)
        tasks = draw_task_set(family, seed=0, num_train=_NUM_TASKS, num_test=0).train
        self.world.reset(list(islice(cycle(tasks), worlds)), 0)
        shape = (_NUM_ACTIONS, worlds, self.world.action_size)
        drawn = np.random.default_rng(0).uniform(-1.0, 1.0, shape).astype(np.float32)
        self._actions: Iterator[Float] = cycle(drawn)

    def run(self, seconds: float) -> _Rate:
        start, num_steps, elapsed = time.perf_counter(), 0, 0.0
        core_start = time.process_time()
        while elapsed < seconds:
            self.world.step(next(self._actions))
            num_steps += 1
            elapsed = time.perf_counter() - start
        core_seconds = max(time.process_time() - core_start, 1e-9)
        steps = num_steps * self.world.num_worlds
        return _Rate(of_clock=steps / elapsed, of_core=steps / core_seconds)


def _record(
    case: str,
    metric: str,
    unit: str,
    values: Sequence[float],
    baseline: str | None = None,
    ratios: Sequence[float] = (),
) -> dict[str, object]:
    return {
        "bench": "sim",
        "case": case,
        "metric": metric,
        "value": statistics.median(values),
        "unit": unit,
        "runs": len(values),
        "min": min(values),
        "max": max(values),
        "baseline": baseline,
        "ratio": statistics.median(ratios) if baseline is not None else None,
    }
