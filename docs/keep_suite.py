"""Keep what a benchmark came to: `python docs/keep_suite.py OUT docs/results/NAME`.

OUT is the folder of `taskbelief benchmark`. What is kept is a small one of the same layout: suite,
page, table (compressed), and of every run its configuration and what it took; and `README.md`, the
page's tables as Markdown. Networks and episodes stay behind. Runs of several machines, each with
`--seeds` of its own, are kept one after the other.
"""

from __future__ import annotations

import gzip
import shutil
import statistics
import sys
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from sim2real.contract.output_file import write_file
from sim2real.evaluation.protocol import Condition
from training.engines.training import beside, core_minutes, sessions
from training.exact.levels import exact_returns
from training.suite.aggregates import Aggregate, Scores, estimate, interquartile_mean, mean
from training.suite.command import finished_lines, is_done
from training.suite.page import page_of
from training.suite.results import ALL, Line, read_results, scores, write_results
from training.suite.suite import Cell, FamilyEntry, held_out, suite_of

CONTROLS = (Condition.FROZEN_PRIOR, Condition.WRONG_TASK)


def keep(out: Path, kept: Path) -> None:
    """Write `kept` from the finished runs in `out`, and from those that it has from elsewhere."""
    suite = suite_of(str(out / "suite.json"))
    lines = finished_lines(suite, out)
    if (kept / "suite.json").exists():
        if suite_of(str(kept / "suite.json")) != suite:
            sys.exit(f"{kept}: is of another suite; remove it first")
        here = {(line.recipe, line.seed) for line in lines}
        lines += [line for line in kept_lines(kept) if (line.recipe, line.seed) not in here]
    for cell in suite.cells:
        if is_done(cell, out):
            _keep_run(out / cell.place, kept / cell.place)
    for given in (out / "suite.json", *out.glob("*.jsonl")):
        shutil.copy(given, kept)
    write_results(kept / "results.csv", lines)
    table = (kept / "results.csv").read_bytes()
    (kept / "results.csv").unlink()
    write_file(kept / "results.csv.gz", gzip.compress(table, mtime=0))
    page = page_of(suite, lines, kept)
    write_file(kept / "page.html", page.replace('"results.csv"', '"results.csv.gz"'))
    write_file(kept / "README.md", tables(kept))


def _keep_run(run: Path, kept: Path) -> None:
    kept.mkdir(parents=True, exist_ok=True)
    shutil.copy(run / "config.json", kept)
    shutil.copy(beside(run, ".clock.jsonl"), kept.parent)


def kept_lines(kept: Path) -> list[Line]:
    """The table that is kept there."""
    return read_results(gzip.decompress((kept / "results.csv.gz").read_bytes()).decode())


def tables(kept: Path) -> str:
    """Markdown, from what is kept there."""
    suite, lines = suite_of(str(kept / "suite.json")), kept_lines(kept)
    done = [cell for cell in suite.cells if is_done(cell, kept)]
    hours = sum(core_minutes(sessions(kept / cell.place)) for cell in done) / 60.0
    parts = [
        f"# The suite `{kept.name}`",
        "Made by `docs/keep_suite.py` from [results.csv.gz](results.csv.gz), the table of "
        f"`taskbelief benchmark {kept.name}`; written by hand is nothing here. As a page with "
        "figures: [page.html](page.html), to be opened from a checkout. "
        "[How it is counted](../../benchmark.md#how-it-is-counted).",
        f"**{len(done)} of {len(suite.cells)} runs, {hours:.1f} core-hours**, simulation. "
        "Intervals are 95 %: seeds drawn whole, and tasks.",
    ]
    by_family = {entry.family: entry for entry in suite.families}
    for family, some in groupby(sorted(lines), lambda line: line.family):
        parts += _of_family(by_family[family], done, list(some), kept)
    return "\n\n".join(parts) + "\n"


def _of_family(
    entry: FamilyEntry, done: Sequence[Cell], lines: Sequence[Line], kept: Path
) -> Iterator[str]:
    returns, success = scores(lines, "return"), scores(lines, "success")
    controls = [scores(lines, "return", condition=condition) for condition in CONTROLS]
    order = sorted(returns, key=lambda name: -returns[name].mean())
    cells = {name: [cell for cell in done if cell.entry.recipe == name] for name in order}
    minutes = {cell.place: core_minutes(sessions(kept / cell.place)) for cell in done}
    yield f"## `{entry.family}`, {next(iter(returns.values())).shape[1]} held-out tasks"
    levels = _levels(entry, [cells[name][0] for name in order])
    if levels:
        yield levels
    yield _table(
        "recipe|seeds|iterations|adapted return|interquartile mean|frozen prior|wrong task|"
        "success|steps|core-minutes a run",
        [
            (
                f"`{name}`",
                len(returns[name]),
                _iterations(cells[name][0]),
                _figure(returns[name], mean),
                _figure(returns[name], interquartile_mean),
                *(_middle(control.get(name)) for control in controls),
                f"{success[name].mean():.2f}",
                f"{max(line.environment_steps for line in lines if line.recipe == name):,}",
                f"{statistics.fmean(minutes[cell.place] for cell in cells[name]):.1f}",
            )
            for name in order
        ],
    )
    yield "By episode of a trial, mean over seeds and tasks:"
    yield _table(
        "recipe|return of episode 0, 1, ...|of a trial|adapted return by seed",
        [(f"`{name}`", *_by_episode(lines, name), _by_seed(returns[name])) for name in order],
    )
    missing = [each.recipe for each in entry.recipes if each.recipe not in returns]
    if missing:
        yield "Not run: " + ", ".join(f"`{name}`" for name in missing) + "."


def _levels(entry: FamilyEntry, cells: Sequence[Cell]) -> str:
    """A sentence about the exact references of the longest trials that were played."""
    longest = max(cells, key=lambda cell: cell.recipe.num_trial_episodes).recipe
    exact = exact_returns(entry.family, held_out(longest), longest.num_trial_episodes)
    if exact is None:
        return ""
    levels = ", ".join(f"{level.name} {level.by_episode[-1]:.2f}" for level in exact.levels)
    return (
        f"Exact, over the whole distribution, episode {longest.num_trial_episodes - 1} of a trial: "
        f"{levels}. Told the task, on these very tasks: {exact.known.mean():.2f}."
    )


def _iterations(cell: Cell) -> str:
    """How many, and whether the recipe itself has more."""
    own = cell.recipe.num_iterations
    shortened = any(setting.startswith("num_iterations=") for setting in cell.entry.settings)
    return f"{own}, shortened" if shortened else str(own)


def _figure(values: Scores, aggregate: Aggregate) -> str:
    found = estimate(values, aggregate)
    return f"{found.value:.2f} [{found.whole.low:.2f}, {found.whole.high:.2f}]"


def _middle(values: Scores | None) -> str:
    return "" if values is None else f"{values.mean():.2f}"


def _by_episode(lines: Sequence[Line], recipe: str) -> tuple[str, str]:
    """Every episode, and all of them together."""
    found: dict[int, list[float]] = {}
    for line in lines:
        what = line.recipe, line.metric, line.condition
        if what == (recipe, "return", Condition.ADAPTED) and line.task != ALL:
            found.setdefault(line.episode, []).append(line.value)
    means = [statistics.fmean(found[episode]) for episode in sorted(found)]
    return " ".join(f"{value:.1f}" for value in means), f"{sum(means):.1f}"


def _by_seed(values: Scores) -> str:
    return ", ".join(f"{value:.2f}" for value in values.mean(1))


def _table(head: str, rows: Sequence[Sequence[object]]) -> str:
    columns = head.split("|")
    lines = [columns, ["---"] * len(columns), *([str(value) for value in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    keep(Path(sys.argv[1]), Path(sys.argv[2]))
