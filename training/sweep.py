"""`taskbelief sweep`: one recipe under several seeds, as local processes or on a Slurm cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import submitit
import tyro

from sim2real.contract.errors import BadInput
from training.recipes.registry import RECIPES


def sweep(
    recipe: Annotated[str, tyro.conf.Positional],
    seeds: tuple[int, ...] = (0, 1, 2),
    out: Path = Path("runs"),
    cluster: Literal["local", "slurm", "debug"] = "local",
    processes: int = 1,
    cpus: int = 1,
    timeout_min: int = 120,
    device: str = "cpu",
) -> int:
    """Train RECIPE once per seed into OUT/RECIPE/SEED; a run that is there already goes on.

    Prints one line per run and returns 1 if any of them failed; their logs are in OUT/logs.

    Args:
        recipe: a recipe's name.
        seeds: one run each.
        out: where the run directories are made.
        cluster: processes on this machine, Slurm, or (debug) this very process.
        processes: runs at the same time on this machine; Slurm gets all of them at once.
        cpus: cores per run.
        timeout_min: minutes until a run is stopped; it can be resumed.
        device: cpu or cuda.
    """
    if recipe not in RECIPES:
        known = ", ".join(RECIPES)
        raise BadInput("command line", "recipe", found=recipe, expected=f"one of {known}")
    executor = submitit.AutoExecutor(folder=out / "logs", cluster=cluster)
    executor.update_parameters(
        name=f"taskbelief-{recipe}", timeout_min=timeout_min, cpus_per_task=cpus
    )
    num_failed, width = 0, len(seeds) if cluster == "slurm" else processes
    for first in range(0, len(seeds), width):
        directories = [out / recipe / str(seed) for seed in seeds[first : first + width]]
        jobs = [
            executor.submit(train_or_resume, recipe, seed, directory, device)
            for seed, directory in zip(seeds[first:], directories, strict=False)
        ]
        for directory, job in zip(directories, jobs, strict=True):
            error = job.exception()
            num_failed += error is not None
            print(f"{directory}: {'done' if error is None else f'failed: {job.paths.stderr}'}")
    return 1 if num_failed else 0


def train_or_resume(recipe: str, seed: int, directory: Path, device: str) -> None:
    """Finish one run, from wherever it is. Raises `RuntimeError` where `taskbelief train` fails."""
    from training.cli import train  # torch, in the job's own process

    outcome = train(recipe, seed, directory, resume=True, device=device, quiet=True)
    if outcome != 0:
        raise RuntimeError(f"{directory}: taskbelief train ended with {outcome}")
