"""Wall clock to a return on the half circle: our PEARL, then the public reference as long.

Ours is a training as anybody starts it: loading and evaluations count. The reference's clock stands
still while it is evaluated, and does not count its loading or its initial pool.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from sim2real.contract.errors import BadInput
from sim2real.contract.output_file import require_folder
from sim2real.contract.require import require_counts, require_positive, require_threads
from training.benchmarks.reference_code import ReferenceCode, load_reference, require_checkout
from training.engines.training import Training, started
from training.runs.metrics import lines_about

RECIPE = "pearl-sparse-point-robot"
METRIC = "adapted/return"
CONTEXT = 1024
"""transitions of the reference's context on this family"""
_LOOK_S = 0.2


def print_half_circle(
    reference: Path, out: Path, times: float = 1.0, every_s: float = 20.0, threads: int = 1
) -> None:
    """Print both curves as JSON lines: seconds, adapted return, control and gradient steps.

    Args:
        reference: a checkout of github.com/katerakelly/oyster.
        out: the run directory of ours, where there must be no run yet.
        times: as long as ours took, for the reference.
        every_s: seconds between two evaluations of the reference.
        threads: of torch, for both.
    """
    require_checkout(reference)
    require_positive(times=times, every_s=every_s)
    require_counts(threads=threads)
    require_threads(threads=threads)
    require_folder(out, "--out")
    if (out / "config.json").exists():
        raise BadInput(str(out), "run", found="a run", expected="no run")
    seconds = 0.0
    for record in ours(Training(recipe=RECIPE, seed=0, directory=out, threads=threads)):
        seconds = float(record["seconds"])
        print(json.dumps({"bench": "half_circle", "who": "ours", **record}), flush=True)
    torch.set_num_threads(threads)
    code = load_reference(reference, context_batch_size=CONTEXT)
    for record in curve_of(code, times * seconds, every_s):
        print(json.dumps({"bench": "half_circle", "who": "reference", **record}), flush=True)


def ours(training: Training) -> Iterator[dict[str, float]]:
    """A record as soon as an evaluation is in the run's metrics; raises where the run failed."""
    begun, seen = time.perf_counter(), 0
    process = started(training)
    while True:
        is_over = process.poll() is not None
        lines = lines_about(METRIC, training.directory / "metrics.csv")
        for line in lines[seen:]:
            yield {
                "seconds": time.perf_counter() - begun,
                "adapted_return": line.value,
                "environment_steps": line.environment_steps,
            }
        seen = len(lines)
        if is_over:
            break
        time.sleep(_LOOK_S)
    if process.returncode:
        raise RuntimeError(f"the training failed: {training.log}")


def curve_of(code: ReferenceCode, limit_s: float, every_s: float) -> Iterator[dict[str, float]]:
    """Evaluations of the reference, until it has trained for so long."""
    elapsed, due = 0.0, every_s
    begun = time.perf_counter()
    for gradient_steps, steps in enumerate(code.train(), start=1):
        elapsed += time.perf_counter() - begun
        if elapsed >= min(due, limit_s):
            yield {
                "seconds": elapsed,
                "adapted_return": code.adapted_return(),
                "environment_steps": steps,
                "gradient_steps": gradient_steps,
            }
            due = elapsed + every_s
            if elapsed >= limit_s:
                return
        begun = time.perf_counter()
