"""How fast PEARL samples and learns: steps per second with the policy in the loop, seconds per
meta-gradient step; beside the public reference implementation where a checkout of it is given."""

from __future__ import annotations

import dataclasses
import json
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from sim2real.contract.require import require_counts, require_positive, require_threads
from training.algorithms.learner import TrainingSetup
from training.algorithms.pearl import Pearl, PearlConfig
from training.benchmarks.reference_code import load_reference, require_checkout
from training.families.registry import FAMILIES
from training.parts.device import require_device
from training.recipes.registry import RECIPES
from training.tasks.task_set import draw_task_set

REFERENCE_SIZES = PearlConfig(
    form="reference", num_initial_steps=200, reward_scale=100.0, uses_sparse_context=True
)
"""16 tasks × 256 transitions, 3 × 300 units, context 64, latent 5: the paper's"""
_TUNED = ("pearl-point-robot", "pearl-sparse-point-robot")
_FAMILY = "sparse_point_robot"


def print_bench_train(
    reference: Path | None = None,
    threads: int = 2,
    runs: int = 5,
    seconds: float = 3.0,
    device: str = "cpu",
) -> None:
    """Print speeds of sampling and learning as JSON lines.

    Args:
        reference: a checkout of github.com/katerakelly/oyster, to be measured in turn with ours.
        threads: of torch.
        runs: timed runs of each case; the median is reported.
        seconds: how long a run of a case lasts.
        device: cpu or cuda.
    """
    require_counts(threads=threads, runs=runs)
    require_threads(threads=threads)
    require_positive(seconds=seconds)
    require_device(device)
    if reference is not None:
        require_checkout(reference)
    torch.set_num_threads(threads)
    for record in bench_train(
        reference=reference, runs=runs, seconds=seconds, device=torch.device(device)
    ):
        print(json.dumps(record), flush=True)


def bench_train(
    *,
    reference: Path | None = None,
    runs: int = 5,
    seconds: float = 3.0,
    device: torch.device,
) -> Iterator[dict[str, object]]:
    """Yield one JSON-ready record per case.

    Ours and the reference take turns, so that a busy moment of the machine meets both.
    """
    theirs: Callable[[], int | None] | None
    for case, config in _cases().items():
        learner = _learner(config, device)
        learner.collect_initial_pool()
        ours = _update_of(learner, device)
        theirs = None
        if reference is not None and case.startswith("reference"):
            code = load_reference(reference, context_batch_size=config.context_batch_size)
            theirs = code.update
        own, other = _alternate(ours, theirs, runs, seconds)
        yield _record(f"update/{case}", "meta_gradient_step_s", "s", own, other)
    for num_tasks, worlds_per_task in ((10, 1), (10, 10), (80, 10)):
        sample = _sampling_of(num_tasks, worlds_per_task, device)
        theirs = None
        if reference is not None:
            theirs = load_reference(reference, context_batch_size=64).sample
        own, other = _alternate(sample, theirs, runs, seconds)
        case = f"sampling/{_FAMILY}/worlds={num_tasks * worlds_per_task}"
        yield _record(case, "env_steps_per_s", "1/s", _inverse(own), _inverse(other))


def _cases() -> dict[str, PearlConfig]:
    tuned = {name: RECIPES[name]().config for name in _TUNED}
    large_context = dataclasses.replace(REFERENCE_SIZES, context_batch_size=1024)
    return {
        "reference_sizes/context=64": REFERENCE_SIZES,
        "reference_sizes/context=1024": large_context,
        "modern/context=64": dataclasses.replace(REFERENCE_SIZES, form="modern"),
        **{name: config for name, config in tuned.items() if isinstance(config, PearlConfig)},
    }


def _learner(config: PearlConfig, device: torch.device) -> Pearl:
    family = FAMILIES[_FAMILY]
    task_set = draw_task_set(family, seed=0, num_train=80, num_test=20)
    setup = TrainingSetup(
        family=family,
        task_set=task_set,
        seed=0,
        device=device,
        num_trial_episodes=config.num_exploration_episodes,  # nothing is evaluated here
    )
    return Pearl(config, setup)


def _update_of(learner: Pearl, device: torch.device) -> Callable[[], int]:
    def update() -> int:
        learner.gradient_step(*learner.sample(learner.meta_batch()))
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return 1

    return update


def _sampling_of(num_tasks: int, worlds_per_task: int, device: torch.device) -> Callable[[], int]:
    """Collecting from the prior with the reference's policy, storing included."""
    config = dataclasses.replace(
        REFERENCE_SIZES, tasks_per_iteration=num_tasks, worlds_per_task=worlds_per_task
    )
    learner = _learner(config, device)

    def sample() -> int:
        num_steps = 20 * worlds_per_task  # one episode in every world
        return learner._phase(np.arange(num_tasks), "prior", num_steps).num_steps

    return sample


def _alternate(
    ours: Callable[[], int],
    theirs: Callable[[], int | None] | None,
    runs: int,
    seconds: float,
) -> tuple[list[float], list[float]]:
    """Seconds per unit of work, run by run, ours and theirs in turn."""
    own, other = [], []
    _run(ours, seconds / 5)
    for _ in range(runs):
        own.append(_run(ours, seconds))
        if theirs is not None:
            other.append(_run(theirs, seconds))
    return own, other


def _run(work: Callable[[], int | None], seconds: float) -> float:
    start, units, elapsed = time.perf_counter(), 0, 0.0
    while elapsed < seconds:
        units += work() or 1
        elapsed = time.perf_counter() - start
    return elapsed / units


def _inverse(values: Sequence[float]) -> list[float]:
    return [1.0 / value for value in values]


def _record(
    case: str, metric: str, unit: str, own: Sequence[float], other: Sequence[float]
) -> dict[str, object]:
    """`ratio` is how many times faster than the baseline; above one is better for either metric."""
    is_time = unit == "s"
    ratios = [b / a if is_time else a / b for a, b in zip(own, other, strict=False)]
    return {
        "bench": "train",
        "case": f"{case}/threads={torch.get_num_threads()}",
        "metric": metric,
        "value": statistics.median(own),
        "unit": unit,
        "runs": len(own),
        "min": min(own),
        "max": max(own),
        "baseline": statistics.median(other) if other else None,
        "ratio": statistics.median(ratios) if ratios else None,
    }
