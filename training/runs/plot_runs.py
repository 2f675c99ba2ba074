"""`taskbelief plot`: the curves of several seeds in one picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import tyro

from sim2real.contract.errors import BadInput
from training.evaluation.curves import draw_curve
from training.runs.metrics import MetricsFile


def plot(
    runs: Annotated[tuple[Path, ...], tyro.conf.Positional],
    out: Path,
    metric: str = "return",
    title: str = "",
    level: tuple[Path, ...] = (),
) -> None:
    """Draw returns per episode of a trial against environment steps, mean and range over RUNS.

    Args:
        runs: run directories of one recipe under different seeds.
        out: the picture, a PNG.
        metric: return or success.
        title: over the picture; the first run's recipe by default.
        level: run directories, such as the oracle's, whose final value is drawn as a line.
    """
    tables = [MetricsFile(_existing(run / "metrics.csv")).read() for run in runs]
    draw_curve(
        tables,
        out,
        metric=metric,
        title=title or _name(runs[0]),
        levels={_name(run): _final(run, metric) for run in level},
    )


def _name(run: Path) -> str:
    return str(json.loads(_existing(run / "config.json").read_text(encoding="utf-8"))["name"])


def _final(run: Path, metric: str) -> float:
    document = json.loads(_existing(run / "eval.json").read_text(encoding="utf-8"))
    return float(document["conditions"]["adapted"][metric]["mean"])


def _existing(path: Path) -> Path:
    if not path.exists():
        raise BadInput(str(path.parent), path.name, found="nothing", expected="a run's file")
    return path
