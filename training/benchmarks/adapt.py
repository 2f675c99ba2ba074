"""`taskbelief bench adapt`: how long a robot needs to adapt by a step of policy gradient.

What is timed is all that happens between two episodes: returns, baseline and advantages in numpy,
the step, and the guard's look at where it leads. Once with the step as a graph in ONNX Runtime, as
on a robot, and once with torch and autograd, in turns, on one core each. `step` is what the clock
on the wall says, `step_cpu` what the thread itself used: they differ by what else the machine did.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import tyro
from numpy.typing import NDArray
from torch import Tensor

from sim2real.contract.errors import BadInput
from sim2real.contract.manifest import GraphRecord
from sim2real.runtime.bundle import MANIFEST, read_bundle
from sim2real.runtime.exploration import Explored, ExploredStep
from sim2real.runtime.kinds.kind import Role, Signature, Sizes
from sim2real.runtime.kinds.registry import KINDS, kind_of
from sim2real.runtime.noise import TrialNoise
from sim2real.runtime.onnx_model import OnnxModel
from training.algorithms.learner import Deployed
from training.export.to_onnx import to_onnx
from training.export.untrained import untrained_parts
from training.families.valve import VALVE_TURN
from training.parts.deployed_gradient import DeployedStep

EPISODES = (1, 5, 10, 20, 40)
TICKS = 30
"""of an episode"""
NUM_STEPS, NUM_RUNS = 20, 7
"""steps of a run, of which the median counts, and runs; the two take turns"""
HIDDEN_SIZES = (64, 64)
"""as the claw's recipes have them"""


def print_bench_adapt(bundle: Annotated[Path | None, tyro.conf.Positional] = None) -> None:
    """Print the time of one adaptation step against the number of episodes, as JSON lines.

    Args:
        bundle: whose network's size is measured, with random weights, for graphs are made for one
            number of episodes; by default the size that the claw's recipes have.
    """
    name, hidden_sizes = "untrained", HIDDEN_SIZES
    if bundle is not None:
        read = read_bundle(bundle)
        step = getattr(read.settings(), "parameter_step", None)
        if step is None:
            where, found = read.path_of(MANIFEST), read.manifest.adaptation.kind
            expected = "a bundle whose parameters adapt"
            raise BadInput(where, "adaptation", found=found, expected=expected)
        name, hidden_sizes = read.manifest.name, step.hidden_sizes
    for record in bench_adapt(name, hidden_sizes):
        print(json.dumps(record), flush=True)


def bench_adapt(
    name: str, hidden_sizes: Sequence[int], episodes: Sequence[int] = EPISODES
) -> Iterator[dict[str, object]]:
    """One JSON-ready record per number of episodes and way; torch's is the baseline of a ratio."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for count in episodes:
            yield from _compared(f"{name}/episodes={count}", hidden_sizes, count)
    finally:
        torch.set_num_threads(threads)


def _compared(case: str, hidden_sizes: Sequence[int], count: int) -> Iterator[dict[str, object]]:
    deployed = _untrained(hidden_sizes, count)
    robot, autograd = _Robot(deployed, count), _Autograd(deployed, count)
    onnx, by_torch = list[NDArray[np.float64]](), list[NDArray[np.float64]]()
    for _ in range(NUM_RUNS):
        for step_ms, runs in ((robot.step_ms, onnx), (autograd.step_ms, by_torch)):
            runs.append(np.median([step_ms() for _ in range(NUM_STEPS)], axis=0))
    for column, metric in enumerate(("step_p50", "step_cpu_p50")):
        values, baseline = ([float(run[column]) for run in runs] for runs in (onnx, by_torch))
        ratio = [one / other for one, other in zip(values, baseline, strict=True)]
        yield _record(f"{case}/torch", metric, baseline)
        yield _record(case, metric, values, f"{case}/torch", ratio)


def _untrained(hidden_sizes: Sequence[int], count: int) -> Deployed:
    """Random weights in a policy whose parameters adapt after so many episodes."""
    settings = next(
        settings
        for kind in KINDS.values()
        for settings in kind.examples
        if "adapt" in kind.signatures(settings, Sizes(1, 1, 1))
    )
    step = replace(
        settings.parameter_step, hidden_sizes=tuple(hidden_sizes), max_steps=count * TICKS
    )
    settings = replace(
        settings,
        parameter_step=step,
        num_exploration_episodes=count,
        num_inner_steps=1,
        min_episodes=1,
        max_kl=1e9,
    )
    return untrained_parts(VALVE_TURN.scene, settings=settings)


class _Robot:
    """The adaptation as a robot runs it, over made-up episodes."""

    def __init__(self, deployed: Deployed, count: int) -> None:
        settings = deployed.settings
        self._graphs = _graphs(deployed)
        self._adaptation = kind_of(settings).make(settings, self._graphs)
        self._count, self._steps = count, _episodes(deployed, count)

    def step_ms(self) -> tuple[float, float]:
        adaptation, policy = self._adaptation, self._graphs["policy"]
        adaptation.reset(np.random.default_rng(0), TrialNoise(0))
        for step in self._steps:
            if step.tick == 0:
                if step.episode:
                    adaptation.end_episode()
                adaptation.begin_episode(step.episode)
            adaptation.fill(policy.inputs, step.episode, step.tick)
            policy.outputs["action"][0] = step.drawn
            reward = np.float32(step.reward)
            rest = np.zeros(len(step.observation), np.float32)
            row = np.concatenate([step.observation, step.drawn, [reward], rest])
            adaptation.observe(row.astype(np.float32))
        took_ms = _timed(adaptation.end_episode)
        if adaptation.summary().figures["step_norm"] == 0.0:
            raise RuntimeError("no step was taken: nothing was measured")
        return took_ms


class _Autograd:
    """The same by torch, whose gradient nobody has written out."""

    def __init__(self, deployed: Deployed, count: int) -> None:
        self._settings: Any = deployed.settings
        step = deployed.modules["adapt"]
        assert isinstance(step, DeployedStep)
        self._step, self._steps = step, _episodes(deployed, count)

    def step_ms(self) -> tuple[float, float]:
        return _timed(self._take)

    def _take(self) -> None:
        explored = Explored.of(self._steps)
        settings, step = self._settings, self._step
        advantage = explored.advantages(discount=settings.discount, gae_lambda=settings.gae_lambda)
        observation, action = (
            torch.from_numpy(column)[None] for column in (explored.observation, explored.drawn)
        )
        weight = torch.from_numpy(advantage.astype(np.float32))[None] / len(advantage)
        rows = step.normalize(observation)
        start = step.flat.base.clone().requires_grad_(True)
        (slope,) = torch.autograd.grad(self._loss(start, rows, action, weight), start)
        with torch.no_grad():
            adapted = start - step.step_size * slope
            step.divergence(adapted, step.flat.base, rows).mean().item()

    def _loss(self, parameters: Tensor, rows: Tensor, action: Tensor, weight: Tensor) -> Tensor:
        flat = self._step.flat
        log_std, layers = flat.unpacked(parameters)
        log_std = flat.clamped(log_std)[:, None]
        error = (action - flat.activations(rows, layers)[-1]) * torch.exp(-log_std)
        density = (-0.5 * error.square() - log_std).sum(-1)
        return -(density * weight).sum()


def _timed(step: Callable[[], None]) -> tuple[float, float]:
    """Milliseconds on the wall, and of this thread."""
    wall, own = time.perf_counter_ns(), time.thread_time_ns()
    step()
    return 1e-6 * (time.perf_counter_ns() - wall), 1e-6 * (time.thread_time_ns() - own)


def _graphs(deployed: Deployed) -> Mapping[Role, OnnxModel]:
    sizes = Sizes(deployed.observation_size, deployed.action_size, 0)
    signatures = kind_of(deployed.settings).signatures(deployed.settings, sizes)
    return {role: _graph(deployed, role, signature) for role, signature in signatures.items()}


def _graph(deployed: Deployed, role: Role, signature: Signature) -> OnnxModel:
    record = GraphRecord(
        role=role,
        file=f"{role}.onnx",
        inputs=signature.inputs,
        outputs=signature.outputs,
        max_parity_error=0.0,
    )
    return OnnxModel(to_onnx(deployed.modules[role], signature), record, record.file)


def _episodes(deployed: Deployed, count: int) -> list[ExploredStep]:
    """Made up: what they hold does not change how long a step takes."""
    rng = np.random.default_rng(0)
    return [
        ExploredStep(
            episode=episode,
            tick=tick,
            observation=rng.normal(size=deployed.observation_size).astype(np.float32),
            drawn=rng.normal(size=deployed.action_size).astype(np.float32),
            reward=float(rng.normal()),
        )
        for episode in range(count)
        for tick in range(TICKS)
    ]


def _record(
    case: str,
    metric: str,
    values: Sequence[float],
    baseline: str | None = None,
    ratio: Sequence[float] | None = None,
) -> dict[str, object]:
    return {
        "bench": "adapt",
        "case": case,
        "metric": metric,
        "value": float(np.median(values)),
        "unit": "ms",
        "runs": len(values),
        "min": min(values),
        "max": max(values),
        "baseline": baseline,
        "ratio": None if ratio is None else float(np.median(ratio)),
    }
