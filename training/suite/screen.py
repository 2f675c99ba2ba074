"""What a person sees while a suite runs: all runs on one screen, and about when they will be done.

In a file or a pipe it is a line whenever a run ends.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from training.engines.drive import Standing
from training.engines.training import DONE, SPENT, Training
from training.runs.metrics import iterations_done
from training.suite.suite import Cell

VERDICTS = {DONE: "done", SPENT: "out of core-minutes"}
_EVERY_S = 0.5


class Screen(AbstractContextManager["Screen"]):
    """Told by the drive where all runs are; `num_before` were finished when it began."""

    def __init__(
        self, console: Console, cells: Mapping[Training, Cell], *, width: int, num_before: int
    ) -> None:
        self._console, self._cells, self._num_before = console, cells, num_before
        self._remaining = Remaining(width)
        self._shown_at, self._told = 0.0, 0
        self._live = Live(console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> Screen:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def watch(self, standing: Standing) -> None:
        """Show it, though not more often than a person looks."""
        now = time.monotonic()
        if now - self._shown_at >= _EVERY_S or len(standing.ended) > self._told:
            self._shown_at = now
            shares = {each: self._share(each) for each in standing.running}
            left = self._remaining.seconds(standing, shares, now)
            self._tell(standing, left)
            if self._console.is_terminal:
                self._live.update(self._picture(standing, shares, left), refresh=True)

    def _share(self, training: Training) -> float:
        """Done of its iterations."""
        done = iterations_done(training.directory / "metrics.csv")
        return min(1.0, done / self._cells[training].recipe.num_iterations)

    def _tell(self, standing: Standing, left: float | None) -> None:
        """A line for each that has ended since."""
        for training, code in list(standing.ended.items())[self._told :]:
            self._told += 1
            verdict = VERDICTS.get(code, f"failed: {training.log}")
            count = f"{self._num_before + self._told} of {self._num_before + len(self._cells)}"
            line = f"{count}  {training.recipe} {training.seed}: {verdict}{_about(left)}"
            self._console.print(line, highlight=False, soft_wrap=True)

    def _picture(
        self, standing: Standing, shares: Mapping[Training, float], left: float | None
    ) -> RenderableType:
        room = max(1, self._console.height - 4)
        table = Table.grid(padding=(0, 2))
        for training, share in list(shares.items())[:room]:
            bar = ProgressBar(total=1.0, completed=share, width=24)
            table.add_row(f"{training.recipe} {training.seed}", bar, f"{share:.0%}")
        failed = sum(code != DONE for code in standing.ended.values())
        ended = self._num_before + len(standing.ended) - failed
        counts = f"{ended} done, {len(shares)} running, {len(standing.waiting)} waiting"
        failures = f", {failed} failed" if failed else ""
        return Group(table, Text(f"{counts}{failures}{_about(left)}", style="bold"))


class Remaining:
    """How long all will still take, from how long others of the same recipe took."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._began: dict[Training, tuple[float, float]] = {}
        """when each was first seen, and which share was done by then"""
        self._took: dict[str, list[float]] = {}
        """seconds of a whole run, by recipe"""
        self._num_ended = 0

    def seconds(
        self, standing: Standing, shares: Mapping[Training, float], now: float
    ) -> float | None:
        """None while nobody knows."""
        for training, share in shares.items():
            self._began.setdefault(training, (now, share))
        for training in list(standing.ended)[self._num_ended :]:
            self._num_ended += 1
            began, share = self._began.get(training, (now, 1.0))
            if share < 1.0:
                self._took.setdefault(training.recipe, []).append((now - began) / (1.0 - share))
        known = [each for some in self._took.values() for each in some]
        if not known:
            return None
        everybody = sum(known) / len(known)
        shares_left = dict.fromkeys(standing.waiting, 1.0)
        shares_left |= {each: 1.0 - share for each, share in shares.items()}
        whole = sum(self._of(each, everybody) * share for each, share in shares_left.items())
        return whole / max(1, min(self._width, len(shares_left)))

    def _of(self, training: Training, everybody: float) -> float:
        same = self._took.get(training.recipe)
        return sum(same) / len(same) if same else everybody


def _about(seconds: float | None) -> str:
    if not seconds:
        return ""
    if seconds < 90.0:
        return f"; about {seconds:.0f} s left"
    return f"; about {seconds / 60:.0f} min left" if seconds < 5400 else f"; {seconds / 3600:.1f} h"
