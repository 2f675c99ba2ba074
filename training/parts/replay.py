"""Replay of many tasks in one tensor: float32 rings on the training device, sized to need."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sim2real.contract.transition import Transition

BLOCK_SLOTS = 4096
"""slots per task that are saved as one file; a block that did not change is not written again"""

Int = NDArray[np.int64]


class Replay(Protocol):
    """What a checkpoint knows of a replay: one ring per task, saved in blocks."""

    size: Int
    """(K,) what each ring holds"""
    cursor: Int
    """(K,) where each ring goes on"""
    revision: Int
    """(K, blocks) grows whenever a block is written; an unchanged block is not saved again"""

    def num_blocks(self, task: int) -> int:
        """How many blocks of a task's ring hold something."""

    def block(self, task: int, index: int) -> NDArray[Any]:
        """The filled part of a block, on the host, as `numpy.save` takes it without pickling."""

    def restore(
        self,
        size: Sequence[int],
        cursor: Sequence[int],
        blocks: Iterable[tuple[int, int, NDArray[Any]]],
    ) -> None:
        """Take over what was saved: sizes and cursors (K,), and `(task, index, block)`."""


class Places(NamedTuple):
    """Where what is appended to the rings of tasks goes."""

    order: Int
    """(M,) the order that it is taken in: by task, as it came within one"""
    of_task: Int
    """(M,) whose ring"""
    slots: Int
    """(M,) where in it"""
    counts: Int
    """(K,) how much each ring gets"""


def places_in_rings(tasks: Int, cursor: Int, capacity: int, what: str) -> Places:
    """Places for one thing (`what`, for messages) per element of `tasks` (M,).

    `cursor` (K,) says where each ring goes on. Raises `ValueError` for more of a task at once than
    its ring holds.
    """
    order = np.argsort(tasks, kind="stable")
    of_task = tasks[order]
    rank = np.arange(len(tasks)) - np.searchsorted(of_task, of_task)
    counts = np.bincount(tasks, minlength=len(cursor))
    if counts.max(initial=0) > capacity:
        raise ValueError(f"{counts.max()} {what} of a task at once: a ring holds {capacity}")
    slots = (cursor[of_task] + rank) % capacity
    return Places(order, of_task, slots, counts)


class TaskReplay:
    """One ring of rows (F,) per task. Memory grows by doubling up to `capacity` rows a task."""

    def __init__(self, num_tasks: int, row_size: int, capacity: int, device: torch.device) -> None:
        self.capacity = capacity
        self.rows = torch.zeros(num_tasks, min(capacity, 256), row_size, device=device)
        self.size: Int = np.zeros(num_tasks, np.int64)
        self.cursor: Int = np.zeros(num_tasks, np.int64)
        self.revision: Int = np.zeros((num_tasks, -(-capacity // BLOCK_SLOTS)), np.int64)
        """(K, blocks) grows by one whenever a block is written: what checkpoints go by"""

    def add(self, tasks: Int, rows: NDArray[np.float32]) -> None:
        """Append rows (M, F) to the rings of `tasks` (M,); within a task they keep their order.

        Raises `ValueError` for more rows of a task at once than its ring holds.
        """
        order, of_task, slots, counts = places_in_rings(tasks, self.cursor, self.capacity, "rows")
        self._grow_to(int((self.size + counts).max()))
        device = self.rows.device
        self.rows[torch.from_numpy(of_task).to(device), torch.from_numpy(slots).to(device)] = (
            torch.from_numpy(rows[order]).to(device)
        )
        self.revision[of_task, slots // BLOCK_SLOTS] += 1
        self.cursor = (self.cursor + counts) % self.capacity
        self.size = np.minimum(self.size + counts, self.capacity)

    def clear(self, tasks: Int) -> None:
        """Forget everything about `tasks`."""
        self.size[tasks] = 0
        self.cursor[tasks] = 0

    def sample(self, tasks: Int, batch_size: int, generator: torch.Generator) -> Tensor:
        """(K, B, F): for each of `tasks` (K,), rows drawn uniformly with replacement.

        Raises `ValueError` when one of the tasks has no rows.
        """
        if not self.size[tasks].all():
            raise ValueError(f"no rows of tasks {tasks[self.size[tasks] == 0].tolist()} to sample")
        device = self.rows.device
        size = torch.from_numpy(self.size[tasks]).to(device)[:, None]
        uniform = torch.rand(len(tasks), batch_size, generator=generator, device=device)
        slots = torch.minimum((uniform * size).long(), size - 1)  # float32 can round up to size
        return self.rows[torch.from_numpy(tasks).to(device)[:, None], slots]

    def _grow_to(self, needed: int) -> None:
        num_tasks, allocated, row_size = self.rows.shape
        needed = min(needed, self.capacity)
        if needed <= allocated:
            return
        grown = min(max(needed, 2 * allocated), self.capacity)
        rows = torch.zeros(num_tasks, grown, row_size, device=self.rows.device)
        rows[:, :allocated] = self.rows
        self.rows = rows

    def block(self, task: int, index: int) -> NDArray[np.float32]:
        """The filled part of one block of a task's ring, (≤ BLOCK_SLOTS, F), on the host."""
        start = index * BLOCK_SLOTS
        stop = min(start + BLOCK_SLOTS, int(self.size[task]))
        return self.rows[task, start:stop].cpu().numpy()

    def num_blocks(self, task: int) -> int:
        return -(-int(self.size[task]) // BLOCK_SLOTS)

    def restore(
        self,
        size: Sequence[int],
        cursor: Sequence[int],
        blocks: Iterable[tuple[int, int, NDArray[Any]]],
    ) -> None:
        """Take over a saved replay: sizes and cursors (K,), and `(task, index, rows)` blocks."""
        self.size, self.cursor = np.array(size, np.int64), np.array(cursor, np.int64)
        self._grow_to(int(self.size.max(initial=0)))
        for task, index, rows in blocks:
            start = index * BLOCK_SLOTS
            self.rows[task, start : start + len(rows)] = torch.from_numpy(rows).to(self.rows.device)


class Batch(NamedTuple):
    """Transitions as tensors, (K, B, ...)."""

    observation: Tensor
    action: Tensor
    reward: Tensor
    next_observation: Tensor
    terminated: Tensor
    """(K, B) 1 where no value lies beyond, 0 elsewhere, time limits included"""


class TransitionLayout(NamedTuple):
    """How a transition lies in a replay row: one row, one gather, five views."""

    observation_size: int
    action_size: int

    @property
    def size(self) -> int:
        return 2 * self.observation_size + self.action_size + 2

    def rows(self, transition: Transition) -> NDArray[np.float32]:
        """(M, F); a time limit leaves no mark, because value lies beyond it."""
        columns = (transition.reward[:, None], transition.terminated[:, None])
        return np.concatenate(
            [transition.observation, transition.action, transition.next_observation, *columns],
            axis=-1,
            dtype=np.float32,
        )

    def split(self, rows: Tensor) -> Batch:
        """(K, B, F) to its parts, as views."""
        sizes = [self.observation_size, self.action_size, self.observation_size, 1, 1]
        observation, action, next_observation, reward, terminated = torch.split(rows, sizes, dim=-1)
        return Batch(
            observation, action, reward.squeeze(-1), next_observation, terminated.squeeze(-1)
        )
