"""`taskbelief plot`: the curves of several seeds in one picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import tyro
from numpy.typing import NDArray

from sim2real.contract.errors import BadInput
from sim2real.contract.output_file import require_writable
from sim2real.contract.require import require_some
from sim2real.contract.text_file import read_json
from training.evaluation.curves import draw_curve
from training.evaluation.visit_maps import Shares, draw_visits, write_visits
from training.exact.levels import KNOWN, exact_returns
from training.runs.metrics import MetricsFile
from training.runs.start import load_learner, read_run


def plot(
    runs: Annotated[tuple[Path, ...], tyro.conf.Positional],
    out: Path,
    metric: Literal["return", "success"] = "return",
    title: str = "",
    level: tuple[Path, ...] = (),
    exact: bool = False,
    visits: bool = False,
) -> None:
    """Draw returns per episode of a trial against environment steps, mean and range over RUNS.

    Args:
        runs: run directories of one recipe under different seeds.
        out: the picture, a PNG.
        metric: what is drawn.
        title: over the picture; the first run's recipe by default.
        level: run directories, such as the oracle's, whose final value is drawn as a line.
        exact: draw what exact references of the family earn in the last episode of a trial, too.
        visits: draw where explorer and student have been instead, in the first iteration and in the
            last, over all RUNS of learned exploration; the numbers lie beside the picture, as JSON.
    """
    require_some(runs=runs)
    require_writable(out, "--out")
    if visits:
        require_writable(out.with_suffix(".json"), "--out")
        shares = _shares_of_visits(runs)
        write_visits(shares, out.with_suffix(".json"))
        draw_visits(shares, out, title=title or recipe_name(runs[0]))
        return
    tables = [MetricsFile(existing(run / "metrics.csv")).read() for run in runs]
    references = _references(runs[0], metric) if exact else {}
    draw_curve(
        tables,
        out,
        metric=metric,
        title=title or recipe_name(runs[0]),
        levels={recipe_name(run): final_value(run, metric) for run in level} | references,
    )


def _shares_of_visits(runs: tuple[Path, ...]) -> Shares:
    """Of all runs together. Raises `BadInput` for one that does not count where it has been."""
    counts: dict[str, NDArray[np.float64]] = {}
    for run in runs:
        recipe = read_run(run)[0]
        if recipe.algorithm != "learned_exploration":
            expected = "a run of learned_exploration"
            raise BadInput(str(run), "--visits", found=recipe.algorithm, expected=expected)
        for name, count in load_learner(run).state.numbers.items():
            kind, _, of = name.partition("/")
            if kind == "visits":
                counts[of] = counts.get(of, 0.0) + count.numpy().astype(np.float64)
    return {name: count / max(count.sum(), 1.0) for name, count in counts.items()}


def _references(run: Path, metric: str) -> dict[str, float]:
    """Exact references by name, in the last episode. Raises `BadInput` where there are none."""
    recipe, _, _, task_set = read_run(run)
    returns = exact_returns(recipe.family, task_set.test, recipe.num_trial_episodes)
    if returns is None or metric != "return":
        found, expected = f"{metric} on {recipe.family}", f"return on {' or '.join(KNOWN)}"
        raise BadInput("command line", "--exact", found=found, expected=expected)
    return {level.name: float(level.by_episode[-1]) for level in returns.levels}


def recipe_name(run: Path) -> str:
    """The recipe of a run directory."""
    document = read_json(run / "config.json", "a run's config")
    if not isinstance(document.get("name"), str):
        raise BadInput(
            str(run / "config.json"), "name", found="nothing", expected="a recipe's name"
        )
    return str(document["name"])


def final_value(run: Path, metric: str) -> float:
    """The adapted mean of a run's last evaluation."""
    document = read_json(run / "eval.json", "a run's evaluation")
    try:
        return float(document["conditions"]["adapted"][metric]["mean"])
    except (LookupError, TypeError, ValueError):
        at = f"conditions.adapted.{metric}.mean"
        raise BadInput(str(run / "eval.json"), at, found="nothing", expected="a number") from None


def existing(path: Path) -> Path:
    """A file of a run directory, which has to be there."""
    if not path.exists():
        raise BadInput(str(path.parent), path.name, found="nothing", expected="a run's file")
    return path
