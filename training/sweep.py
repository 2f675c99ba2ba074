"""`taskbelief sweep`: recipes under several seeds, as local processes or on a Slurm cluster."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Annotated, Literal

import submitit
import tyro

from sim2real.contract.errors import BadInput
from sim2real.contract.output_file import require_folder
from sim2real.contract.require import require_counts, require_seeds, require_some
from training.parts.device import require_device_name
from training.recipes.registry import with_settings


def sweep(
    recipes: Annotated[tuple[str, ...], tyro.conf.Positional],
    seeds: tuple[int, ...] = (0, 1, 2),
    out: Path = Path("runs"),
    cluster: Literal["local", "slurm", "debug"] = "local",
    processes: int = 1,
    cpus: int = 1,
    timeout_min: int = 120,
    device: str = "cpu",
    settings: tuple[str, ...] = (),
    robot_config: str = "",
) -> int:
    """Train every one of RECIPES once per seed into OUT/RECIPE/SEED; what is there already goes on.

    Prints one line per run and returns 1 if any of them failed; their logs are in OUT/logs.

    Args:
        recipes: names of recipes.
        seeds: one run each, of every recipe.
        out: where the run directories are made.
        cluster: processes on this machine, Slurm, or (debug) this very process.
        processes: runs at the same time on this machine; Slurm gets all of them at once.
        cpus: cores per run.
        timeout_min: minutes until a run is stopped; it can be resumed.
        device: cpu or cuda.
        settings: to change in every recipe, as `taskbelief train` takes them.
        robot_config: another robot than the claw, as `taskbelief train` takes it.
    """
    if not recipes:
        raise BadInput("command line", "RECIPES", found="none", expected="one or more")
    require_some(seeds=seeds)
    for seed in seeds:
        require_seeds(seeds=seed)
    require_counts(processes=processes, cpus=cpus, timeout_min=timeout_min)
    require_device_name(device)
    require_folder(out, "--out")
    for recipe in recipes:
        with_settings(recipe, settings)  # refused before the first of them is begun
    executor = submitit.AutoExecutor(folder=out / "logs", cluster=cluster)
    executor.update_parameters(name="taskbelief-sweep", timeout_min=timeout_min, cpus_per_task=cpus)
    runs = list(product(recipes, seeds))
    num_failed, width = 0, len(runs) if cluster == "slurm" else processes
    for first in range(0, len(runs), width):
        jobs = {
            directory: executor.submit(
                train_or_resume, recipe, seed, directory, device, settings, robot_config
            )
            for recipe, seed in runs[first : first + width]
            for directory in [out / recipe / str(seed)]
        }
        for directory, job in jobs.items():
            error = job.exception()
            num_failed += error is not None
            print(f"{directory}: {'done' if error is None else f'failed: {job.paths.stderr}'}")
    return 1 if num_failed else 0


def train_or_resume(
    recipe: str,
    seed: int,
    directory: Path,
    device: str,
    settings: tuple[str, ...],
    robot_config: str = "",
) -> None:
    """Finish one run, from wherever it is. Raises `RuntimeError` where `taskbelief train` fails."""
    from training.cli import train  # torch, in the job's own process

    outcome = train(
        recipe,
        seed,
        directory,
        resume=True,
        device=device,
        settings=settings,
        quiet=True,
        robot_config=robot_config,
    )
    if outcome != 0:
        raise RuntimeError(f"{directory}: taskbelief train ended with {outcome}")
