"""An evaluation as it goes on: on a terminal a table that follows the belief, elsewhere lines.

    with LiveView(console, num_episodes=len(evaluation.missing())) as view: ...

`LiveView` observes an evaluation; whoever runs the policy may also tell it of every step.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from sim2real.contract.quantity import Quantity, said_of_all
from sim2real.evaluation.records import EpisodeRecord
from sim2real.evaluation.session import BenchTask
from sim2real.runtime.kinds.kind import BeliefSummary
from sim2real.runtime.kinds.registry import belief_of
from sim2real.runtime.policy_runner import Step

MAX_ROWS = 14
MAX_LATENTS = 5
"""of a belief are shown; a wider one is summed up"""
COLUMNS = ("task", "condition", "episode", "return", "success", "evidence", "nats", "belief")


class _Running(NamedTuple):
    """The middle of an episode."""

    condition: str
    episode: int
    reward_so_far: float
    num_transitions: int
    kl_from_prior: float
    belief: BeliefSummary | None


class LiveView:
    """Shows what it is told. `num_episodes` are to come, for the line that says how far it is.

    A belief about `quantities` is shown in their words, with what is true beside it where the task
    on the bench says it; any other is numbers of a latent.
    Whatever it is told costs next to nothing: it draws on a thread of its own, four times a second.
    """

    def __init__(self, console: Console, *, num_episodes: int = 0) -> None:
        self.num_episodes, self._num_ended = num_episodes, 0
        self.quantities: tuple[Quantity, ...] = ()
        self.knows_truth = True
        """whether what a task says is so of the bench; a real hand has dynamics of its own"""
        self.console = console
        self._rows: deque[Sequence[str]] = deque(maxlen=MAX_ROWS)
        self._running: _Running | None = None
        self._task: BenchTask | None = None
        self._latest: BeliefSummary | None = None
        self._live = Live(console=console, get_renderable=self.renderable, refresh_per_second=4)

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._live.stop()

    # ---- what it is told -----------------------------------------------------------------------

    def task_begins(self, task: BenchTask) -> None:
        self._task, self._running, self._latest = task, None, None
        if not self.console.is_terminal:
            self.console.print(described(task.name, task.parameters), markup=False)

    def step_taken(
        self,
        *,
        condition: str,
        episode: int,
        reward_so_far: float,
        num_transitions: int,
        kl_from_prior: float,
        belief: BeliefSummary | None,
    ) -> None:
        """What is believed in the middle of an episode; from any thread."""
        self._running = _Running(
            condition, episode, reward_so_far, num_transitions, kl_from_prior, belief
        )
        self._latest = belief

    def episode_ended(self, record: EpisodeRecord) -> None:
        self._num_ended += record.is_completed
        self._running = None
        belief = belief_of(record.memory) if record.is_completed else None
        self._rows.append(row_of(record, self._cell(belief)))
        if not self.console.is_terminal:
            said = "; ".join(self._in_words(belief)) or shown_belief(belief)
            self.console.print(line_of(record, said), markup=False)

    def _in_words(self, belief: BeliefSummary | None) -> list[str]:
        """A phrase per quantity; none for a belief that is about no quantities, or about others."""
        if belief is None or len(belief.mean) != len(self.quantities):
            return []
        task = self._task if self.knows_truth else None
        known = None if task is None else task.parameters
        return said_of_all(self.quantities, belief.mean, belief.sd, known)

    def _cell(self, belief: BeliefSummary | None) -> str:
        """Under the table's heading; quantities in words need lines of their own."""
        return "" if self._in_words(belief) else shown_belief(belief)

    # ---- how it looks --------------------------------------------------------------------------

    def renderable(self) -> RenderableType:
        """The task on the bench, the latest episodes, and how far it is."""
        table = Table(box=None, pad_edge=False, header_style="dim")
        for name in COLUMNS:
            table.add_column(name, justify="left" if name in _LEFT else "right", no_wrap=True)
        task, running = self._task, self._running
        for row in tuple(self._rows):
            table.add_row(*map(Text, row))
        if running is not None:
            name = "" if task is None else task.name
            cells = (*_cells(running), self._cell(running.belief))
            table.add_row(*map(Text, (name, *cells)), style="bold")
        parts: list[RenderableType] = [table]
        if task is not None:
            parts.insert(0, Text(described(task.name, task.parameters)))
        parts += [Text(f"  {phrase}") for phrase in self._in_words(self._latest)]
        if self.num_episodes:
            parts.append(Text(f"{self._num_ended} of {self.num_episodes} episodes", "dim"))
        return Group(*parts)


class LiveSteps:
    """Tells a view of the steps of a policy that runs in this process."""

    def __init__(self, view: LiveView) -> None:
        self._view, self._reward = view, 0.0

    def step(self, step: Step) -> None:
        """As `PolicyRunner.on_step`."""
        tick, belief = step.tick, step.belief
        self._reward = 0.0 if tick.number == 0 else self._reward + tick.reward
        is_gaussian = belief.variance.size > 0
        self._view.step_taken(
            condition=step.labels.condition,
            episode=tick.episode,
            reward_so_far=self._reward,
            num_transitions=belief.num_transitions,
            kl_from_prior=belief.kl_from_prior,
            belief=BeliefSummary(belief.mean, np.sqrt(belief.variance)) if is_gaussian else None,
        )


def _cells(running: _Running) -> tuple[str, ...]:
    return (
        *(_words(running.condition), str(running.episode), f"{running.reward_so_far:.1f}", "…"),
        *(str(running.num_transitions), f"{running.kl_from_prior:.1f}"),
    )


_LEFT = ("task", "condition", "success", "belief")


def row_of(record: EpisodeRecord, believed: str) -> tuple[str, ...]:
    """One episode as cells under `COLUMNS`; `believed` is what is said of its belief."""
    outcome = "yes" if record.is_success else "no"
    return (
        *(record.task, _words(record.condition), str(record.episode)),
        f"{record.total_reward:.1f}",
        outcome if record.is_completed else "fault",
        *(str(record.num_transitions), f"{record.kl_from_prior:.1f}"),
        believed if record.is_completed else record.reason,
    )


def line_of(record: EpisodeRecord, believed: str) -> str:
    """One episode as a line of text; `believed` is what is said of its belief."""
    where = f"{record.task} {_words(record.condition)}, episode {record.episode}"
    if not record.is_completed:
        return f"  {where}: fault: {record.reason}"
    believed = f"  belief {believed}" if believed else ""
    return (
        f"  {where}: return {record.total_reward:.2f}, "
        f"{'success' if record.is_success else 'missed'}, {record.num_transitions} transitions, "
        f"{record.kl_from_prior:.2f} nats{believed}"
    )


def described(name: str, parameters: Mapping[str, Sequence[float]]) -> str:
    """A task and what defines it."""
    values = (
        f"{key} {', '.join(f'{number:.3g}' for number in value)}"
        for key, value in parameters.items()
    )
    return f"{name}  {'; '.join(values)}"


def shown_belief(belief: BeliefSummary | None) -> str:
    """Mean ± standard deviation, latent by latent."""
    if belief is None:
        return ""
    shown = " ".join(
        f"{mean:+.2f}±{_short(sd)}"
        for mean, sd in zip(belief.mean[:MAX_LATENTS], belief.sd[:MAX_LATENTS], strict=True)
    )
    hidden = len(belief.mean) - MAX_LATENTS
    return shown if hidden <= 0 else f"{shown} and {hidden} more, sd {_mean(belief.sd)}"


def _short(sd: np.floating) -> str:
    return f"{sd:.2f}".removeprefix("0")


def _mean(values: NDArray[np.floating]) -> str:
    return f"{values.mean():.2f}"


def _words(condition: str) -> str:
    return condition.replace("_", " ")
