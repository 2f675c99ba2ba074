"""How beliefs form: mean and spread of what is believed, and how far it is from the prior.

What a belief says of quantities is shown by their names, in their units and with the truth beside
it; a latent's dimensions have numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from sim2real.contract.quantity import Parameters, Quantity
from sim2real.report.episode_trace import EpisodeTrace, joined
from sim2real.report.figure import Figure, Panel, Table
from sim2real.report.svg import Axis, Plot, linear_axis, log_axis

Trials = Mapping[str, list[EpisodeTrace]]
"""the adapted episodes of one trial per task, in order"""
TaskParameters = Mapping[str, Parameters]
"""of each task, by name"""
MAX_TASKS, MAX_DIMENSIONS = 4, 6
"""more lines in a panel, or more panels, than these nobody reads"""
_SMALL_WIDTH, _SMALL_HEIGHT = 320, 200


def kl_figure(trials: Trials) -> Figure:
    """How far every task's belief is from the prior, transition by transition."""
    columns = {
        task: (joined(trial, "num_transitions"), joined(trial, "kl_from_prior"))
        for task, trial in trials.items()
    }
    most = max(int(transitions.max()) for transitions, _ in columns.values())
    plot = Plot(_transitions_axis(most), _nats_axis(columns.values()), width=900, right=24)
    _mark_episodes(plot, trials)
    for task, (transitions, kl) in columns.items():
        plot.line(*_believing(transitions, kl), "each-task strong", task)
    steps = np.arange(1, most + 1)
    curves = [np.interp(steps, *_last_of_each(*pair), right=np.nan) for pair in columns.values()]
    # Some tasks have more evidence than others; where most have none left there is no middle.
    is_common = np.isfinite(curves).sum(axis=0) > len(curves) / 2
    steps, middle = steps[is_common], np.nanmedian(np.array(curves)[:, is_common], axis=0)
    plot.line(steps, middle, "accent")
    description = (
        f"{len(columns)} tasks; median {middle[-1]:.1f} nats after {steps[-1]} transitions. "
        "Upright lines: where episodes begin"
    )
    return Figure(
        name="belief-kl",
        panels=(
            Panel(title="KL divergence from the prior, nats", svg=plot.svg("KL", description)),
        ),
        caption=(
            "How far each task's belief is from knowing nothing, after every transition that "
            "became evidence; the upright axis is logarithmic. Upright lines: where episodes begin."
        ),
        table=Table(
            columns=("task", "episode", "num_transitions", "kl_from_prior"),
            rows=[
                (task, trace.episode, int(n), float(kl))
                for task, trial in trials.items()
                for trace in trial
                for n, kl in zip(trace.num_transitions, trace.kl_from_prior, strict=True)
            ],
        ),
        legend=(("accent", "median"), ("each-task strong", "one task each")),
    )


def belief_figure(trials: Trials, parameters: TaskParameters, known: TaskParameters) -> Figure:
    """Mean ± sd of what is believed of tasks that lie far apart; one panel per dimension.

    `known` are the parameters of tasks whose truth is known.
    """
    chosen = _spread_tasks(trials, parameters)
    has_spread = all(trial[0].belief_variance.shape[1] for trial in trials.values())
    first = next(iter(trials.values()))[0]
    size, quantities = first.belief_mean.shape[1], first.quantities
    dimensions = list(range(size)) if quantities else _telling_dimensions(trials)
    panels = []
    for dimension in dimensions:
        quantity = quantities[dimension] if quantities else None
        title = f"Latent dimension {dimension}" if quantity is None else quantity.heading
        truths = {task: _truth(quantity, known.get(task, {})) for task in chosen}
        panels.append(Panel(title=title, svg=_dimension(trials, truths, dimension, title)))
    which = (
        ""
        if len(dimensions) == size
        else f" {len(dimensions)} of {size} dimensions: those in which tasks differ most."
    )
    sd = "mean ± one standard deviation" if has_spread else "hidden state (it has no spread)"
    return Figure(
        name="belief",
        panels=tuple(panels),
        caption=(
            f"Belief about the task by transition: {sd}.{which} Upright lines: where episodes "
            f"begin{'; broken lines: the truth' if quantities and known else ''}."
        ),
        table=Table(
            columns=("task", "episode", "num_transitions", "dimension", "mean", "sd", "truth"),
            rows=_rows(trials, chosen, known),
        ),
        legend=tuple(
            (f"task-{index}", _task_label(task, parameters)) for index, task in enumerate(chosen)
        ),
    )


def _truth(quantity: Quantity | None, parameters: Parameters) -> float | None:
    return None if quantity is None else quantity.value_in(parameters)


def _dimension(
    trials: Trials, truths: Mapping[str, float | None], dimension: int, title: str
) -> Any:
    """`truths` are those of the tasks that are drawn, in order; None where nobody knows them."""
    columns = {task: _belief(trials[task], dimension) for task in truths}
    is_latent = not next(iter(trials.values()))[0].quantities
    ends = [-1.0, 1.0] if is_latent else [truth for truth in truths.values() if truth is not None]
    for transitions, mean, sd in columns.values():
        # The first few transitions say little: their spread would dwarf all that comes later.
        late = transitions >= 0.1 * transitions.max()
        ends += [*mean, *(mean - sd)[late], *(mean + sd)[late]]
    most = max(int(transitions.max()) for transitions, _, _ in columns.values())
    plot = Plot(
        _transitions_axis(most),
        linear_axis("latent" if is_latent else title, ends, num_ticks=4),
        width=_SMALL_WIDTH,
        height=_SMALL_HEIGHT,
    )
    _mark_episodes(plot, {task: trials[task] for task in truths})
    for index, (transitions, mean, sd) in enumerate(columns.values()):
        plot.band(list(transitions), list(mean - sd), list(mean + sd), f"task-{index}")
    for index, (task, (transitions, mean, _)) in enumerate(columns.items()):
        plot.line(transitions, mean, f"task-{index}", task)
        truth = truths[task]
        if truth is not None:
            plot.across(truth, f"truth task-{index}")
    final = ", ".join(
        f"{task} {mean[-1]:.2f} ± {sd[-1]:.2f}{_beside(truths[task])}"
        for task, (_, mean, sd) in columns.items()
    )
    return plot.svg(title, f"At the end: {final}")


def _beside(truth: float | None) -> str:
    return "" if truth is None else f" (true {truth:.2f})"


def _belief(trial: list[EpisodeTrace], dimension: int) -> tuple[Any, Any, Any]:
    """Transitions, mean, standard deviation, (T,) each; no spread where the belief has none."""
    mean = joined(trial, "belief_mean")[:, dimension]
    variance = joined(trial, "belief_variance")
    sd = np.sqrt(variance[:, dimension]) if variance.shape[1] else np.zeros_like(mean)
    return joined(trial, "num_transitions"), mean, sd


def _telling_dimensions(trials: Trials) -> list[int]:
    """The dimensions in which the tasks' last beliefs differ most, in their own order."""
    last = np.array([trial[-1].belief_mean[-1] for trial in trials.values()])
    by_spread = np.argsort(-last.std(axis=0), kind="stable")[:MAX_DIMENSIONS]
    return sorted(int(dimension) for dimension in by_spread)


def _spread_tasks(trials: Trials, parameters: TaskParameters) -> list[str]:
    """Tasks evenly spread over the first parameter, from its smallest value to its largest."""

    def first(task: str) -> float:
        values = next(iter(parameters.get(task, {}).values()), (0.0,))
        return float(values[0])

    ordered = sorted(trials, key=first)
    places = np.linspace(0, len(ordered) - 1, min(MAX_TASKS, len(ordered)))
    return [ordered[round(place)] for place in places]


def _task_label(task: str, parameters: TaskParameters) -> str:
    for name, values in parameters.get(task, {}).items():
        value = f"{values[0]:.2f}".replace("-", "−")
        return f"{task}: {name.replace('_', ' ')} {value}"
    return task


def _mark_episodes(plot: Plot, trials: Trials) -> None:
    """Where episodes after the first begin."""
    num_episodes = max(len(trial) for trial in trials.values())
    for episode in range(1, num_episodes):
        starts = [
            trial[episode].num_transitions[0] for trial in trials.values() if len(trial) > episode
        ]
        plot.upright(float(np.median(starts)), "episode")


def _believing(transitions: Any, kl: Any) -> tuple[Any, Any]:
    """Without the ticks before the first evidence, where a belief is the prior."""
    is_there = (transitions > 0) & (kl > 0)
    return transitions[is_there], kl[is_there]


def _nats_axis(columns: Iterable[tuple[Any, Any]]) -> Axis:
    values = np.concatenate([np.array([0.1, 1.0]), *(_believing(*pair)[1] for pair in columns)])
    low = max(float(np.percentile(values, 0.5)), 1e-2)
    return log_axis("KL from the prior, nats", low, float(values.max()) * 1.1)


def _last_of_each(transitions: Any, values: Any) -> tuple[Any, Any]:
    """Rising counts of transitions, and the value after the last reading with that count."""
    is_last = np.append(np.diff(transitions) > 0, True)
    return transitions[is_last], values[is_last]


def _transitions_axis(most: int) -> Axis:
    return linear_axis("transitions", [0, most], num_ticks=6, margin=0.01)


def _rows(
    trials: Trials, chosen: Sequence[str], known: TaskParameters
) -> list[tuple[str, int, int, str, float, float, str | float]]:
    """Dimensions are the names of quantities, or numbers; the truth is empty where unknown."""
    rows = []
    for task in chosen:
        quantities = trials[task][0].quantities
        truths = [_truth(quantity, known.get(task, {})) for quantity in quantities]
        for trace in trials[task]:
            spread = trace.belief_variance.shape[1] > 0
            for step, transitions in enumerate(trace.num_transitions):
                for dimension, mean in enumerate(trace.belief_mean[step]):
                    variance = trace.belief_variance[step, dimension] if spread else 0.0
                    named = quantities[dimension].name if quantities else str(dimension)
                    truth = truths[dimension] if quantities else None
                    said = (float(mean), float(np.sqrt(variance)), "" if truth is None else truth)
                    rows.append((task, trace.episode, int(transitions), named, *said))
    return rows
