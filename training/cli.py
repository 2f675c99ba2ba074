"""`taskbelief train`: meta-train a recipe."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated, Any

import torch
import tyro
from rich.console import Console

from sim2real.contract.errors import BadInput
from training.evaluation.tables import run_table
from training.parts.loss_log import TrainingFailed
from training.recipes.registry import with_settings
from training.runs.interrupt import Interrupted
from training.runs.start import read_run, resume_run, start_run


def train(
    recipe: Annotated[str, tyro.conf.Positional],
    seed: int = 0,
    out: Path | None = None,
    resume: bool = False,
    device: str = "cpu",
    threads: int = 0,
    settings: tuple[str, ...] = (),
    quiet: bool = False,
) -> int:
    """Train RECIPE into a run directory; Ctrl-C saves and stops, --resume goes on.

    Args:
        recipe: a recipe's name.
        seed: of networks, exploration and sampling; the tasks have their own, in the recipe.
        out: the run directory; runs/RECIPE/SEED by default.
        resume: go on with the run in that directory, or start it if there is none.
        device: cpu or cuda; buffers live there too.
        threads: of torch on the CPU; 0 leaves its choice. Resumed runs repeat bit for bit with the
            number of threads they began with.
        settings: of the recipe's algorithm to change, as in `num_iterations=10 discount=0.9`.
        quiet: no progress.
    """
    _check_device(device)
    if threads:
        torch.set_num_threads(threads)
    chosen = with_settings(recipe, settings)
    directory = Path("runs") / recipe / str(seed) if out is None else out
    began = time.perf_counter()
    try:
        if resume and (directory / "config.json").exists():
            _check_same(directory, recipe, chosen, seed)
            resume_run(directory, device=device, is_quiet=quiet)
        else:
            start_run(
                chosen, name=recipe, seed=seed, directory=directory, device=device, is_quiet=quiet
            )
    except Interrupted as interrupted:
        print(f"taskbelief train: interrupted; {interrupted}")
        return 130
    except TrainingFailed as failure:
        print(f"taskbelief train: {failure}")
        return 1
    if not quiet:
        _print_outcome(directory, time.perf_counter() - began)
    return 0


def _check_device(device: str) -> None:
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise BadInput("command line", "--device", found=device, expected=reason) from None


def _check_same(directory: Path, name: str, recipe: Any, seed: int) -> None:
    """A resumed run is the one that was begun, with its settings."""
    begun, begun_name, begun_seed, _ = read_run(directory)
    if (begun_name, begun_seed) != (name, seed):
        found, expected = f"{name} seed {seed}", f"{begun_name} seed {begun_seed}"
        raise BadInput(str(directory), "--resume", found=found, expected=expected)
    if begun != recipe:
        raise BadInput(
            str(directory / "config.json"),
            "--resume",
            found="other settings",
            expected="those that the run began with",
            remedy="repeat its --settings, or start another run with --out",
        )


def _print_outcome(directory: Path, seconds: float) -> None:
    """Returns and success per episode of a trial on held-out tasks, with 95 % intervals."""
    summary = json.loads((directory / "eval.json").read_text(encoding="utf-8"))
    title = f"{directory}: {summary['tasks']} held-out tasks, {summary['trials']} trials each"
    console = Console()
    console.print(run_table(title, summary))
    steps = summary["environment_steps"]
    console.print(f"{steps:,} environment steps, {seconds:.0f} s", highlight=False)
