"""How beliefs about quantities end, in words, with what is true beside them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sim2real.contract.quantity import Parameters, num_decimals
from sim2real.report.episode_trace import EpisodeTrace
from sim2real.report.grid import Grid
from sim2real.report.shown import MINUS


def believed_at_the_end(
    trials: Mapping[str, list[EpisodeTrace]], known: Mapping[str, Parameters]
) -> Grid | None:
    """One row per task, one column per quantity; None for latents, which have no words.

    `known` are the parameters of tasks whose truth is known, by name.
    """
    quantities = next(iter(trials.values()))[0].quantities
    if not quantities:
        return None
    rows = []
    for task, trial in trials.items():
        last, parameters = trial[-1], known.get(task, {})
        spread = np.sqrt(last.belief_variance[-1])
        cells = [
            _in_words(float(mean), float(sd), quantity.value_in(parameters))
            for quantity, mean, sd in zip(quantities, last.belief_mean[-1], spread, strict=True)
        ]
        rows.append([task, *cells])
    beside = ", and in brackets what is true" if known else ""
    return Grid(
        caption=(
            "What is believed at the end of the trial: mean ± one standard deviation" + beside
        ),
        columns=("task", *(quantity.heading for quantity in quantities)),
        rows=rows,
    )


def _in_words(mean: float, sd: float, truth: float | None) -> str:
    decimals = num_decimals(sd)
    text = f"{mean:.{decimals}f} ± {sd:.{decimals}f}"
    text += "" if truth is None else f" ({truth:.{decimals}f})"
    return text.replace("-", MINUS)
