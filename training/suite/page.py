"""The page of a benchmark: one self-contained file about all runs of a suite.

Numbers are those of `results.csv` and of the exact references; only times are from elsewhere.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import metadata, resources
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
from markupsafe import Markup

import sim2real.report
from sim2real.evaluation.metrics import Interval, interval_of
from sim2real.report.svg import Axis, Plot, linear_axis, log_axis
from training.engines.training import DONE, SPENT, Session, beside, core_minutes, sessions
from training.exact.levels import ExactReturns, exact_returns
from training.suite.aggregates import (
    Estimate,
    Scores,
    estimate,
    improvement,
    interquartile_mean,
    mean,
)
from training.suite.expected import expected_of, outside
from training.suite.given import shown_desiderata, shown_growth
from training.suite.results import ALL, Line, scores
from training.suite.suite import Cell, FamilyEntry, Suite, held_out

NUM_HUES = 12
"""of lines, in page.css; more algorithms than these begin again"""
_STRIP_WIDTH, _STRIP_HEIGHT = 180, 18


class LevelRow(NamedTuple):
    """An exact reference."""

    name: str
    value: float
    """return of the last episode of a trial"""


def page_of(suite: Suite, lines: Sequence[Line], out: Path) -> str:
    """The whole page."""
    by_family = {
        family: list(some)
        for family, some in groupby(sorted(lines, key=lambda line: line.family), _family)
    }
    cells = [_cell_row(cell, out) for cell in suite.cells]
    return _template().render(
        version=metadata.version("taskbelief"),
        style=Markup(_text(sim2real.report.__name__, "page.css") + _text(__package__, "page.css")),
        families=[_section(suite, each, by_family.get(each.family, [])) for each in suite.families],
        cells=cells,
        seeds=suite.seeds,
        num_done=sum(row["state"] == "done" for row in cells),
        core_hours=sum(row["core_minutes"] for row in cells) / 60.0,
        core_minutes=suite.core_minutes,
        environment_steps=suite.environment_steps,
        outside=outside(suite, scores(lines, "return")),
        growth=shown_growth(out),
        desiderata=shown_desiderata(out),
    )


def _family(line: Line) -> str:
    return line.family


# ---- a family ------------------------------------------------------------------------------------


def _section(suite: Suite, entry: FamilyEntry, lines: Sequence[Line]) -> dict[str, Any]:
    """What the template shows of one family; without lines there is little."""
    cells = {each.entry.recipe: each for each in suite.cells if each.entry in entry.recipes}
    returns, success = scores(lines, "return"), scores(lines, "success")
    exact = {
        length: exact_returns(entry.family, held_out(next(iter(cells.values())).recipe), length)
        for length in sorted({cells[name].recipe.num_trial_episodes for name in returns})
    }
    estimates = {name: estimate(each, interquartile_mean) for name, each in returns.items()}
    order = sorted(returns, key=lambda name: -estimates[name].value)
    hues = {each.recipe: f"hue-{i % NUM_HUES}" for i, each in enumerate(entry.recipes)}
    levels, expected = _levels(exact), expected_of(suite, returns)
    axis = _return_axis(returns, levels)
    return {
        "name": entry.family,
        "num_tasks": next((each.shape[1] for each in returns.values()), 0),
        "missing": [name for name in cells if name not in returns],
        "rows": [
            _row(cells[name], lines, returns[name], success[name], estimates[name])
            | {"hue": hues[name]}
            | {"regret": _regret(exact[cells[name].recipe.num_trial_episodes], returns[name])}
            | {"strip": _strip(axis, estimate(returns[name], mean), levels, hues[name])}
            for name in order
        ],
        "levels": levels,
        "has_exact": bool(levels),
        "expected": [(name, *expected[name]) for name in order if name in expected],
        "order": order,
        "short": without_common_end(tuple(cells)),
        "improvements": [
            [None if a == b else improvement(returns[a], returns[b]) for b in order] for a in order
        ],
        "curves": _curves(entry.family, lines, hues, levels),
    }


def _row(
    cell: Cell, lines: Sequence[Line], returns: Scores, success: Scores, iqm: Estimate
) -> dict[str, Any]:
    own = [line for line in lines if line.recipe == cell.entry.recipe]
    first = [
        line.value
        for line in own
        if (line.metric, line.condition, line.episode) == ("return", "adapted", 0)
        and line.task != ALL
    ]
    return {
        "recipe": cell.entry.recipe,
        "algorithm": cell.recipe.algorithm,
        "num_seeds": len(returns),
        "episodes": cell.recipe.num_trial_episodes,
        "first": statistics.fmean(first),
        "mean": estimate(returns, mean),
        "iqm": iqm,
        "success": interval_of("success", success.T),
        "steps": max(line.environment_steps for line in own),
        "frozen": _mean_of(lines, cell, "frozen_prior"),
    }


def _mean_of(lines: Sequence[Line], cell: Cell, condition: str) -> float | None:
    """Return of the last episode under a condition; None for a learner that does not adapt."""
    values = scores(lines, "return", condition=condition).get(cell.entry.recipe)
    return None if values is None else float(values.mean())


def _levels(exact: Mapping[int, ExactReturns | None]) -> list[LevelRow]:
    """By length of the trial where that makes a difference."""
    found: dict[str, dict[int, float]] = {}
    for length, returns in exact.items():
        for level in () if returns is None else returns.levels:
            found.setdefault(level.name, {})[length] = float(level.by_episode[-1])
    rows = []
    for name, by_length in found.items():
        for value, lengths in groupby(by_length.items(), lambda item: round(item[1], 6)):
            numbers = " or ".join(str(length) for length, _ in lengths)
            rows.append(LevelRow(f"{name}, episode {numbers}", value))
    return rows


def _regret(exact: ExactReturns | None, returns: Scores) -> float | None:
    """What the last episode lacks to that of a player who is told each of these very tasks."""
    return None if exact is None else float(exact.known.mean() - returns.mean())


# ---- figures -------------------------------------------------------------------------------------


def _return_axis(returns: Mapping[str, Scores], levels: Sequence[LevelRow]) -> Axis:
    """One axis for the strips of a family: all means with their intervals, and all levels."""
    shown = [level.value for level in levels]
    for each in returns.values():
        found = estimate(each, mean)
        shown += [found.value, found.whole.low, found.whole.high]
    return linear_axis("return", shown)


def _strip(axis: Axis, found: Estimate, levels: Sequence[LevelRow], hue: str) -> Markup:
    """A mean with its two intervals on a line, the exact references as ticks."""

    def x(value: float) -> str:
        return f"{axis.share(value) * _STRIP_WIDTH:.1f}"

    middle = _STRIP_HEIGHT / 2
    marks = [
        f'<path class="level" d="M{x(level.value)} 1V{_STRIP_HEIGHT - 1}"/>' for level in levels
    ]
    for interval, kind in ((found.whole, "whole"), (found.within_tasks, "within")):
        if interval is not None:
            ends = f"M{x(interval.low)} {middle}H{x(interval.high)}"
            marks.append(f'<path class="{kind}" d="{ends}"/>')
    marks.append(f'<circle cx="{x(found.value)}" cy="{middle}" r="3.5"/>')
    size = f'viewBox="0 0 {_STRIP_WIDTH} {_STRIP_HEIGHT}"'
    return Markup(f'<svg class="strip {hue}" {size} aria-hidden="true">{"".join(marks)}</svg>')


def _curves(
    family: str, lines: Sequence[Line], hues: Mapping[str, str], levels: Sequence[LevelRow]
) -> Markup | None:
    """Adapted return against environment steps: the mean over the seeds at each evaluation."""
    curves = {
        name: _curve(line for line in lines if (line.recipe, line.task) == (name, ALL))
        for name in hues
    }
    curves = {name: curve for name, curve in curves.items() if curve}
    if not curves:
        return None
    steps = [step for curve in curves.values() for step, _ in curve]
    values = [value for curve in curves.values() for _, value in curve]
    plot = Plot(
        log_axis("environment steps", 0.9 * max(1, min(steps)), 1.1 * max(steps), _short_count),
        linear_axis("return", [*values, *(level.value for level in levels)]),
        width=720,
        height=330,
        right=190,
    )
    for level in levels:
        plot.across(level.value, "level")
    for name, curve in curves.items():
        xs, ys = zip(*curve, strict=True)
        plot.line(xs, ys, hues[name], title=name)
        for x, y in curve:
            plot.point(x, y, hues[name], title=f"{name}: {y:.2f} after {x:,} steps", radius=2.5)
    short = without_common_end(tuple(hues))
    plot.names(
        [(curve[-1][1], short[name], hues[name]) for name, curve in curves.items()], gap=13.0
    )
    words = f"{len(curves)} recipes, from their first evaluation to their last"
    return plot.svg(f"Adapted return on {family} against environment steps", words)


def without_common_end(names: Sequence[str]) -> Mapping[str, str]:
    """Each name without the words that all end with: the family's, as recipes are called."""
    words = [name.split("-") for name in names]
    count = 0
    while len({tuple(each[-1 - count :]) for each in words}) == 1 < min(map(len, words)) - count:
        count += 1
    return {name: "-".join(each[: len(each) - count]) for name, each in zip(names, words)}


def _curve(lines: Any) -> list[tuple[float, float]]:
    """Steps and means over seeds, of the evaluations that all seeds have."""
    seeds: dict[int, list[tuple[int, float]]] = {}
    for line in lines:
        if line.metric == "return":
            seeds.setdefault(line.seed, []).append((line.environment_steps, line.value))
    return [
        (statistics.fmean(step for step, _ in points), statistics.fmean(v for _, v in points))
        for points in zip(*map(sorted, seeds.values()), strict=False)
    ]


def _short_count(value: float) -> str:
    for unit, scale in (("M", 1e6), ("k", 1e3)):
        if value >= 0.999 * scale:
            return f"{value / scale:g} {unit}"
    return f"{value:g}"


# ---- runs ----------------------------------------------------------------------------------------


def _cell_row(cell: Cell, out: Path) -> dict[str, Any]:
    """One run: how it ended, what it took, and where its files are."""
    run = out / cell.place
    took = sessions(run)
    return {
        "family": cell.recipe.family,
        "recipe": cell.entry.recipe,
        "seed": cell.seed,
        "state": _state(took),
        "seconds": sum(session.seconds for session in took),
        "core_minutes": core_minutes(took),
        "sessions": len(took),
        "files": [
            (name, str(place.relative_to(out)))
            for name, place in (
                ("config", run / "config.json"),
                ("metrics", run / "metrics.csv"),
                ("episodes", run / "eval.csv"),
                ("log", beside(run, ".log")),
            )
            if place.exists()
        ],
    }


def _state(took: Sequence[Session]) -> str:
    if any(session.exit_code == DONE for session in took):
        return "done"
    if not took:
        return "not begun, or cut short"
    return "out of core-minutes" if took[-1].exit_code == SPENT else "not finished"


# ---- template ------------------------------------------------------------------------------------


def _number(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")


def _range(interval: Interval | None) -> str:
    if interval is None:
        return "one seed: none"
    return f"{_number(interval.low)} to {_number(interval.high)}"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} min"


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"number": _number, "range": _range, "duration": _duration}
    return environment.from_string(_text(__package__, "page.html.jinja"))


def _text(package: str, name: str) -> str:
    return (resources.files(package) / name).read_text(encoding="utf-8")
