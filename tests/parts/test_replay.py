"""Rings of many tasks in one tensor."""

import numpy as np
import pytest
import torch

from sim2real.contract.transition import Transition
from training.parts.replay import TaskReplay, TransitionLayout

CPU = torch.device("cpu")


def rows_of(*values: float) -> np.ndarray:
    return np.array(values, np.float32)[:, None]


def content(replay: TaskReplay, task: int) -> list[float]:
    return replay.rows[task, : replay.size[task], 0].tolist()


def test_rows_keep_their_order_within_a_task() -> None:
    replay = TaskReplay(3, 1, 10, CPU)
    replay.add(np.array([2, 0, 2, 0, 2]), rows_of(1, 2, 3, 4, 5))
    replay.add(np.array([0]), rows_of(6))

    assert content(replay, 0) == [2, 4, 6]
    assert content(replay, 1) == []
    assert content(replay, 2) == [1, 3, 5]


def test_a_full_ring_forgets_its_oldest_rows() -> None:
    replay = TaskReplay(1, 1, 4, CPU)
    for value in range(10):
        replay.add(np.array([0]), rows_of(value))

    assert sorted(content(replay, 0)) == [6, 7, 8, 9]
    assert replay.size[0] == 4


def test_memory_grows_with_what_is_stored_and_keeps_it() -> None:
    replay = TaskReplay(2, 1, 100_000, CPU)
    small = replay.rows.numel()
    values = np.arange(3000, dtype=np.float32)
    replay.add(np.zeros(3000, np.int64), values[:, None])

    assert small < 1000 < replay.rows.numel() < 20_000
    assert content(replay, 0) == values.tolist()


def test_p7_samples_of_a_task_are_its_own() -> None:
    replay = TaskReplay(5, 1, 100, CPU)
    tasks = np.repeat(np.arange(5), 20)
    replay.add(tasks, rows_of(*(100 * tasks + np.tile(np.arange(20), 5))))
    chosen = np.array([3, 0, 3, 4])

    batch = replay.sample(chosen, 50, torch.Generator().manual_seed(0))

    assert batch.shape == (4, 50, 1)
    assert ((batch[..., 0] / 100).floor().long() == torch.from_numpy(chosen)[:, None]).all()


def test_sampling_reaches_every_row_and_no_other() -> None:
    replay = TaskReplay(1, 1, 1000, CPU)
    replay.add(np.zeros(7, np.int64), rows_of(*range(1, 8)))

    batch = replay.sample(np.array([0]), 500, torch.Generator().manual_seed(0))

    assert set(batch.flatten().tolist()) == {1, 2, 3, 4, 5, 6, 7}


def test_more_rows_at_once_than_a_ring_holds_are_refused() -> None:
    with pytest.raises(ValueError, match="5 rows of a task at once"):
        TaskReplay(1, 1, 4, CPU).add(np.zeros(5, np.int64), rows_of(1, 2, 3, 4, 5))


def test_sampling_from_nothing_is_refused() -> None:
    replay = TaskReplay(3, 1, 10, CPU)
    replay.add(np.array([0]), rows_of(1))

    with pytest.raises(ValueError, match=r"no rows of tasks \[2\]"):
        replay.sample(np.array([0, 2]), 4, torch.Generator())


def test_clearing_forgets_exactly_the_named_tasks() -> None:
    replay = TaskReplay(3, 1, 10, CPU)
    replay.add(np.array([0, 1, 2]), rows_of(1, 2, 3))
    replay.clear(np.array([0, 2]))

    assert [content(replay, task) for task in range(3)] == [[], [2], []]


def test_restored_replay_equals_the_saved_one() -> None:
    replay, again = TaskReplay(2, 3, 10_000, CPU), TaskReplay(2, 3, 10_000, CPU)
    rows = np.random.default_rng(0).normal(size=(9000, 3)).astype(np.float32)
    replay.add(np.zeros(9000, np.int64), rows)
    replay.add(np.ones(10, np.int64), rows[:10])
    blocks = [
        (task, index, replay.block(task, index))
        for task in range(2)
        for index in range(replay.num_blocks(task))
    ]
    again.restore(replay.size.tolist(), replay.cursor.tolist(), blocks)

    assert len(blocks) == 4
    for task in range(2):
        torch.testing.assert_close(
            again.rows[task, : again.size[task]], replay.rows[task, : replay.size[task]]
        )
    assert (again.cursor == replay.cursor).all()


def test_split_gives_back_what_was_stored_and_time_limits_leave_no_mark() -> None:
    rng = np.random.default_rng(0)
    layout = TransitionLayout(3, 2)
    transition = Transition(
        observation=rng.normal(size=(4, 3)).astype(np.float32),
        action=rng.normal(size=(4, 2)).astype(np.float32),
        reward=rng.normal(size=4).astype(np.float32),
        next_observation=rng.normal(size=(4, 3)).astype(np.float32),
        terminated=np.array([False, True, False, False]),
        truncated=np.array([False, False, True, True]),
    )
    batch = layout.split(torch.from_numpy(layout.rows(transition))[None])

    np.testing.assert_array_equal(batch.observation[0], transition.observation)
    np.testing.assert_array_equal(batch.action[0], transition.action)
    np.testing.assert_array_equal(batch.reward[0], transition.reward)
    np.testing.assert_array_equal(batch.next_observation[0], transition.next_observation)
    assert batch.terminated[0].tolist() == [0, 1, 0, 0]
