"""`taskbelief sweep`: recipes under several seeds, on this machine, on Slurm or on Ray."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Annotated, Literal

import tyro

from sim2real.contract.errors import BadInput
from sim2real.contract.output_file import require_folder
from sim2real.contract.require import require_counts, require_seeds, require_some
from training.engines.drive import drive
from training.engines.registry import Hosts, engine_on
from training.engines.training import DONE, Training
from training.parts.device import require_device_name
from training.recipes.registry import with_settings


def sweep(
    recipes: Annotated[tuple[str, ...], tyro.conf.Positional],
    seeds: tuple[int, ...] = (0, 1, 2),
    out: Path = Path("runs"),
    cluster: Literal["local", "slurm", "ray", "debug"] = "local",
    processes: int = 1,
    cpus: int = 1,
    timeout_min: int = 120,
    device: str = "cpu",
    settings: tuple[str, ...] = (),
    robot_config: str = "",
    address: str = "",
) -> int:
    """Train every one of RECIPES once per seed into OUT/RECIPE/SEED; what is there already goes on.

    Prints one line per run and returns 1 if any of them failed; their logs lie beside them.

    Args:
        recipes: names of recipes.
        seeds: one run each, of every recipe.
        out: where the run directories are made.
        cluster: processes on this machine, Slurm, Ray, or (debug) one after the other as jobs that
            Slurm would get.
        processes: runs at the same time on this machine; Slurm gets all of them at once.
        cpus: cores per run, and threads of torch.
        timeout_min: minutes until Slurm stops a run; it can be resumed.
        device: cpu or cuda.
        settings: to change in every recipe, as `taskbelief train` takes them.
        robot_config: another robot than the claw, as `taskbelief train` takes it.
        address: of a Ray cluster that is there; by default one of this machine's cores is started.
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
    hosts = Hosts(processes=processes, minutes=timeout_min, folder=out / "logs", address=address)
    trainings = [
        Training(
            recipe=recipe,
            seed=seed,
            directory=out / recipe / str(seed),
            settings=settings,
            device=device,
            threads=cpus,
            robot_config=robot_config,
        )
        for recipe, seed in product(dict.fromkeys(recipes), dict.fromkeys(seeds))
    ]
    ended = drive(engine_on(cluster, hosts), trainings)
    for training in trainings:
        verdict = "done" if ended[training] == DONE else f"failed: {training.log}"
        print(f"{training.directory}: {verdict}")
    return 1 if any(ended.values()) else 0
