"""What a person sees while a run goes on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress


class Progress:
    """A bar with rate, time left, returns and KL; in a file or a pipe, a line per evaluation."""

    def __init__(self, console: Console, *, title: str, is_quiet: bool = False) -> None:
        self._console, self._title, self._is_quiet = console, title, is_quiet
        self._figures: dict[str, float] = {}

    @contextmanager
    def shown(self, first: int, num_iterations: int) -> Iterator[None]:
        """Show the bar while the block runs."""
        columns = (
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(),
        )
        is_hidden = self._is_quiet or not self._console.is_terminal
        with RichProgress(*columns, console=self._console, disable=is_hidden) as bar:
            self._bar = bar
            self._row = bar.add_task(self._title, total=num_iterations, completed=first, figures="")
            yield

    def advance(self, iteration: int, metrics: Mapping[str, float]) -> None:
        """One more iteration is done."""
        self._figures.update(metrics)
        text = self._text()
        self._bar.update(self._row, completed=iteration + 1, figures=text)
        is_plain = not self._console.is_terminal and not self._is_quiet
        if is_plain and "adapted/return" in metrics:
            line = f"{self._title}  iteration {iteration + 1}  {text}"
            self._console.print(line, highlight=False, soft_wrap=True)

    def _text(self) -> str:
        figures = self._figures
        pieces = [f"{figures['steps_per_second']:,.0f} steps/s"]
        if "kl" in figures:
            pieces.append(f"KL {figures['kl']:.2f}")
        if "adapted/return" in figures:
            first, last = figures["episode_0/return"], figures["adapted/return"]
            pieces.append(f"return {first:.2f} → {last:.2f}")
            pieces.append(f"success {figures['adapted/success']:.0%}")
        return "  ".join(pieces)
