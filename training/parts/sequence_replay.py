"""Replay of whole sequences, episodes or trials: what recurrent and latent models learn from.

A sequence takes a slot of its own, padded to the longest: none that is sampled can join two. That
wastes memory where many end early, and none where they end by time. Columns keep their type, so
that images stay bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.parts.replay import BLOCK_SLOTS, Int, places_in_rings

LENGTH = "length"
"""the name under which a block keeps the sequences' lengths"""


@dataclass(frozen=True, kw_only=True)
class Column:
    """One quantity of a step."""

    shape: tuple[int, ...]
    """of one step: () for a reward, (O,) for an observation, (H, W, C) for an image"""
    dtype: Literal["float32", "uint8"] = "float32"
    """as it is stored, sampled and saved"""


class Sequences(NamedTuple):
    """B sequences of up to T steps, or windows of them."""

    columns: dict[str, Tensor]
    """(T, B, ...) by name; 0 where nothing is valid"""
    is_valid: Tensor
    """(T, B) 1 for a step, 0 behind a sequence's end"""
    task: Tensor
    """(B,) int64, whose ring it came from"""
    start: Tensor
    """(B,) int64 the step of its sequence at which it begins, not counting what was asked for from
    before it: 0 for whole ones"""


class SequenceReplay:
    """One ring of sequences per task. Memory grows by doubling up to `capacity` a task."""

    def __init__(
        self,
        columns: Mapping[str, Column],
        *,
        num_tasks: int,
        max_length: int,
        capacity: int,
        device: torch.device,
    ) -> None:
        """`max_length` is in steps, `capacity` in sequences per task."""
        if LENGTH in columns or not columns:
            raise ValueError(f"columns {sorted(columns)}: some are needed, none called {LENGTH!r}")
        self.layout, self.max_length, self.capacity = dict(columns), max_length, capacity
        self.block_size = max(1, BLOCK_SLOTS // max_length)
        """sequences per task that are saved as one file"""
        self.columns = {
            name: torch.zeros(
                num_tasks,
                min(capacity, 16),
                max_length,
                *column.shape,
                dtype=getattr(torch, column.dtype),
                device=device,
            )
            for name, column in columns.items()
        }
        """(K, slots, T, ...) by name"""
        self.length = torch.zeros(num_tasks, min(capacity, 16), dtype=torch.int64, device=device)
        """(K, slots)"""
        self.size: Int = np.zeros(num_tasks, np.int64)
        self.cursor: Int = np.zeros(num_tasks, np.int64)
        self.revision: Int = np.zeros((num_tasks, -(-capacity // self.block_size)), np.int64)
        """(K, blocks) grows by one whenever a block is written: what checkpoints go by"""

    def add(self, tasks: Int, columns: Mapping[str, NDArray[Any]], lengths: Int) -> None:
        """Append M sequences, (T, M, ...) by column with `lengths` (M,), to the rings of `tasks`.

        Within a task they keep their order; what lies behind a sequence's end is not kept. Raises
        `ValueError` for other columns, shapes or types than the replay's, for lengths outside 1
        to `max_length`, and for more sequences of a task at once than its ring holds.
        """
        self._check(tasks, columns, lengths)
        order, of_task, slots, counts = places_in_rings(
            tasks, self.cursor, self.capacity, "sequences"
        )
        self._grow_to(int((self.size + counts).max()))
        device = self.length.device
        place = torch.from_numpy(of_task).to(device), torch.from_numpy(slots).to(device)
        self.length[place] = torch.from_numpy(lengths[order]).to(device)
        num_steps = int(lengths.max())
        is_past = np.arange(num_steps)[:, None] >= lengths[order]
        for name, values in columns.items():
            kept = values[:num_steps, order].copy()
            kept[is_past] = 0
            padded = torch.zeros_like(self.columns[name][place])
            padded[:, :num_steps] = torch.from_numpy(kept).to(device).transpose(0, 1)
            self.columns[name][place] = padded
        np.add.at(self.revision, (of_task, slots // self.block_size), 1)
        self.cursor = (self.cursor + counts) % self.capacity
        self.size = np.minimum(self.size + counts, self.capacity)

    def clear(self, tasks: Int) -> None:
        """Forget everything about `tasks`."""
        self.size[tasks] = 0
        self.cursor[tasks] = 0

    def sample_per_task(
        self, tasks: Int, batch_size: int, generator: torch.Generator, *, window: int | None = None
    ) -> Sequences:
        """(T, K·B, ...): `batch_size` for each of `tasks` (K,), a task's side by side.

        Drawn with replacement: whole sequences, each as likely as another, as long as the longest
        drawn; or windows of `window` steps that lie in one sequence, each as likely as another
        (one shorter than that is one window, and padded). Raises `ValueError` when one of the
        tasks has none.
        """
        if not self.size[tasks].all():
            raise ValueError(f"no sequences of tasks {tasks[self.size[tasks] == 0].tolist()}")
        drawn = [
            self._draw(np.array([task]), batch_size, generator, window) for task in tasks.tolist()
        ]
        task, slot, start = (torch.cat(parts) for parts in zip(*drawn))
        return self._gather(task, slot, start, window)

    def sample(
        self,
        batch_size: int,
        generator: torch.Generator,
        *,
        window: int | None = None,
        num_before: int = 0,
    ) -> Sequences:
        """(T, B, ...) drawn from all tasks together, else as `sample_per_task`.

        As many as `num_before` steps from before every window come first; where its sequence had
        not begun, they repeat its first step. Raises `ValueError` when there is nothing to sample.
        """
        if not self.size.any():
            raise ValueError("no sequences to sample")
        every = np.flatnonzero(self.size)
        return self._gather(*self._draw(every, batch_size, generator, window), window, num_before)

    def _draw(
        self, tasks: Int, batch_size: int, generator: torch.Generator, window: int | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Tasks, slots and starts, (B,) each: uniform over everything that could be drawn."""
        device = self.length.device
        of_task = torch.from_numpy(np.repeat(tasks, self.size[tasks])).to(device)
        slots = torch.from_numpy(np.concatenate([np.arange(self.size[t]) for t in tasks]))
        slots = slots.to(device)
        num_starts = torch.ones_like(slots)
        if window is not None:
            num_starts = (self.length[of_task, slots] - window + 1).clamp(min=1)
        ends = num_starts.cumsum(0)
        total = int(ends[-1])
        drawn = torch.randint(total, (batch_size,), generator=generator, device=device)
        chosen = torch.searchsorted(ends, drawn, right=True)
        start = drawn - (ends - num_starts)[chosen]
        return of_task[chosen], slots[chosen], start

    def _gather(
        self,
        task: Tensor,
        slot: Tensor,
        start: Tensor,
        window: int | None,
        num_before: int = 0,
    ) -> Sequences:
        left = self.length[task, slot] - start
        num_steps = int(left.max()) if window is None else window
        offset = torch.arange(-num_before, num_steps, device=task.device)[:, None]
        is_valid = offset < left
        step = (start + offset).clamp(min=0, max=self.max_length - 1)
        columns = {}
        for name, values in self.columns.items():
            taken = values[task, slot, step]
            mask = is_valid.reshape(*is_valid.shape, *(1,) * (taken.dim() - 2))
            columns[name] = torch.where(mask, taken, torch.zeros_like(taken))
        return Sequences(columns, is_valid.float(), task, start)

    def _check(self, tasks: Int, columns: Mapping[str, NDArray[Any]], lengths: Int) -> None:
        if set(columns) != set(self.layout):
            raise ValueError(f"columns {sorted(columns)}, expected {sorted(self.layout)}")
        if not len(tasks) or len(lengths) != len(tasks):
            raise ValueError(f"{len(lengths)} lengths for {len(tasks)} sequences")
        if lengths.min() < 1 or lengths.max() > self.max_length:
            raise ValueError(f"lengths {lengths.min()} to {lengths.max()}: 1 to {self.max_length}")
        for name, values in columns.items():
            column = self.layout[name]
            expected = (len(tasks), *column.shape)
            if (
                values.shape[1:] != expected
                or len(values) < lengths.max()
                or values.dtype != column.dtype
            ):
                raise ValueError(
                    f"{name}: {values.dtype} {values.shape}, expected {column.dtype} "
                    f"(≥ {lengths.max()}, {', '.join(map(str, expected))})"
                )

    def _grow_to(self, needed: int) -> None:
        allocated = self.length.shape[1]
        needed = min(needed, self.capacity)
        if needed <= allocated:
            return
        grown = min(max(needed, 2 * allocated), self.capacity)

        def larger(values: Tensor) -> Tensor:
            room = values.new_zeros(values.shape[0], grown, *values.shape[2:])
            room[:, :allocated] = values
            return room

        self.length = larger(self.length)
        self.columns = {name: larger(values) for name, values in self.columns.items()}

    def num_blocks(self, task: int) -> int:
        return -(-int(self.size[task]) // self.block_size)

    def block(self, task: int, index: int) -> NDArray[Any]:
        """The filled part of one block of a task's ring, on the host: (≤ `block_size`,) records.

        A record holds the sequence's length and its columns, (T, ...) each in its own type.
        """
        start = index * self.block_size
        stop = min(start + self.block_size, int(self.size[task]))
        fields: list[Any] = [(LENGTH, np.int64)]
        fields += [
            (name, column.dtype, (self.max_length, *column.shape))
            for name, column in self.layout.items()
        ]
        records = np.zeros(max(stop - start, 0), fields)
        records[LENGTH] = self.length[task, start:stop].cpu().numpy()
        for name, values in self.columns.items():
            records[name] = values[task, start:stop].cpu().numpy()
        return records

    def restore(
        self,
        size: Sequence[int],
        cursor: Sequence[int],
        blocks: Iterable[tuple[int, int, NDArray[Any]]],
    ) -> None:
        """Take over a saved replay: sizes and cursors (K,), and `(task, index, records)` blocks."""
        self.size, self.cursor = np.array(size, np.int64), np.array(cursor, np.int64)
        self._grow_to(int(self.size.max(initial=0)))
        device = self.length.device
        for task, index, records in blocks:
            start = index * self.block_size
            place = slice(start, start + len(records))
            self.length[task, place] = torch.from_numpy(records[LENGTH].copy()).to(device)
            for name, values in self.columns.items():
                values[task, place] = torch.from_numpy(records[name].copy()).to(device)
