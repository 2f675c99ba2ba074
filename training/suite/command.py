"""`taskbelief benchmark`: every recipe of a suite under every seed; one table, one page.

    suite.json           what the suite is; the folder goes on as that or not at all
    runs/RECIPE/SEED     run directories, and beside each what it printed and what it took
    results.csv          every number of the page, with no times in it
    page.html            the page
    *.jsonl              what else it shows, where that was given

What was stopped, by whatever means, goes on with the same command: finished runs are left alone,
others begin at their checkpoints. Any engine may go on with what another has begun. Seed goes after
seed, so that what is stopped has most recipes under few seeds, not few recipes under all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich.console import Console

from sim2real.contract.errors import BadInput
from sim2real.contract.output_file import require_folder, write_file, write_json
from sim2real.contract.registry import one_of
from sim2real.contract.require import require_counts
from training.engines.drive import drive
from training.engines.engine import Engine
from training.engines.registry import Hosts, engine_on
from training.engines.training import DONE, Training, sessions
from training.runs.same import require_same
from training.suite.expected import outside
from training.suite.given import keep, read_desiderata, read_growth
from training.suite.page import page_of
from training.suite.results import Line, lines_of, scores, write_results
from training.suite.screen import Screen
from training.suite.suite import SUITES, Cell, Suite, suite_of


def benchmark(
    suite: Annotated[str, tyro.conf.Positional, tyro.conf.arg(help=f"a file, or {one_of(SUITES)}")],
    out: Path,
    engine: Literal["local", "slurm", "ray"] = "local",
    processes: int = 2,
    timeout_min: int = 240,
    address: str = "",
    seeds: tuple[int, ...] | None = None,
    growth: Path | None = None,
    desiderata: Path | None = None,
) -> int:
    """Train every recipe of SUITE under every seed; OUT/results.csv and OUT/page.html come of it.

    What was stopped goes on with the same command. Returns 1 if a run failed, or was stopped for
    its core-minutes: the table then holds the others.

    Args:
        out: the folder; where other machines train, one that all of them see.
        engine: processes of this machine, Slurm, or Ray.
        processes: runs at the same time on this machine; Slurm gets all of them at once.
        timeout_min: minutes until Slurm stops a run, which is then queued again.
        address: of a Ray cluster that is there; by default one of this machine's cores is started.
        seeds: those of the suite to run now; the others another time, or elsewhere.
        growth: lines of `taskbelief bench growth --out`, for the page.
        desiderata: lines of `taskbelief desiderata --out`, for the page.
    """
    require_counts(processes=processes, timeout_min=timeout_min)
    require_folder(out, "--out")
    chosen = suite_of(suite)
    if seeds is not None and not set() < set(seeds) <= set(chosen.seeds):
        expected = f"some of {', '.join(map(str, chosen.seeds))}"
        raise BadInput("command line", "--seeds", found=list(seeds), expected=expected)
    same = {name: value for name, value in chosen.document().items() if name != "core_minutes"}
    require_same(out / "suite.json", same, "a suite")
    if growth is not None:
        read_growth(growth)
    if desiderata is not None:
        read_desiderata(desiderata)
    hosts = Hosts(processes=processes, minutes=timeout_min, folder=out / "logs", address=address)
    chosen_engine = engine_on(engine, hosts)
    keep(out, growth, desiderata)
    failed = run_suite(chosen, chosen_engine, out, seeds)
    for words in outside(chosen, scores(finished_lines(chosen, out), "return")):
        print(f"outside of what is expected: {words}")
    for directory in failed:
        print(f"{directory}: failed, or out of core-minutes; what it printed: {directory}.log")
    print(out / "page.html")
    return 1 if failed else 0


def run_suite(
    suite: Suite, engine: Engine, out: Path, seeds: Sequence[int] | None = None
) -> list[Path]:
    """Train what is missing of these seeds, or of all; write table and page.

    Returns the directories of what has no end.
    """
    write_json(out / "suite.json", suite.document())
    chosen = [cell for cell in suite.cells if seeds is None or cell.seed in seeds]
    in_turn = sorted(chosen, key=lambda cell: suite.seeds.index(cell.seed))
    missing = {_training(suite, each, out): each for each in in_turn if not is_done(each, out)}
    num_before = len(in_turn) - len(missing)
    screen = Screen(Console(), missing, width=engine.width, num_before=num_before)
    try:
        with screen:
            ended = drive(engine, list(missing), screen.watch)
    except KeyboardInterrupt:  # all is saved by now, and what is finished can be looked at
        if any(is_done(cell, out) for cell in suite.cells):
            write_table_and_page(suite, out)
        raise
    write_table_and_page(suite, out)
    return [training.directory for training, code in ended.items() if code != DONE]


def write_table_and_page(suite: Suite, out: Path) -> None:
    """From the runs that are finished."""
    lines = finished_lines(suite, out)
    write_results(out / "results.csv", lines)
    write_file(out / "page.html", page_of(suite, lines, out))


def finished_lines(suite: Suite, out: Path) -> list[Line]:
    """What all finished runs have come to."""
    done = [cell for cell in suite.cells if is_done(cell, out)]
    return [line for cell in done for line in lines_of(cell, out)]


def is_done(cell: Cell, out: Path) -> bool:
    return any(session.exit_code == DONE for session in sessions(out / cell.place))


def _training(suite: Suite, cell: Cell, out: Path) -> Training:
    return Training(
        recipe=cell.entry.recipe,
        seed=cell.seed,
        directory=out / cell.place,
        settings=cell.settings,
        core_minutes=suite.core_minutes,
    )
