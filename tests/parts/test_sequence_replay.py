"""Rings of whole sequences."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch

from training.parts.replay import BLOCK_SLOTS, Replay
from training.parts.sequence_replay import Column, SequenceReplay, Sequences

CPU = torch.device("cpu")
COLUMNS = {"number": Column(shape=(2,)), "image": Column(shape=(2, 3), dtype="uint8")}


def replay_of(*, num_tasks: int = 3, max_length: int = 5, capacity: int = 4) -> SequenceReplay:
    return SequenceReplay(
        COLUMNS, num_tasks=num_tasks, max_length=max_length, capacity=capacity, device=CPU
    )


def sequences(first: int, lengths: list[int], max_length: int = 5) -> dict[str, np.ndarray]:
    """Sequence n holds (first + n, step); what lies behind its end is 77."""
    number = np.full((max_length, len(lengths), 2), 77.0, np.float32)
    for index, length in enumerate(lengths):
        number[:length, index, 0] = first + index
        number[:length, index, 1] = np.arange(length)
    image = np.broadcast_to(number[:, :, :1, None], (*number.shape[:2], 2, 3)).astype(np.uint8)
    return {"number": number, "image": image}


def fill(replay: SequenceReplay, task: int, first: int, lengths: list[int]) -> None:
    tasks = np.full(len(lengths), task)
    replay.add(tasks, sequences(first, lengths, replay.max_length), np.array(lengths))


def check_each_is_one_sequence(drawn: Sequences) -> None:
    """Within a column of the batch: one sequence, its steps in their order, zeros behind them."""
    number, valid = drawn.columns["number"], drawn.is_valid > 0
    for column in range(number.shape[1]):
        mask = valid[:, column]
        length = int(mask.sum())
        assert length > 0 and mask[:length].all()
        of_sequence, step = number[:length, column].T
        assert (of_sequence == of_sequence[0]).all()
        assert torch.equal(step, drawn.start[column] + torch.arange(length))
        assert (number[length:, column] == 0).all()
        assert (drawn.columns["image"][:length, column] == of_sequence[0].to(torch.uint8)).all()


def test_q1_no_sampled_sequence_joins_two() -> None:
    replay, generator = replay_of(), torch.Generator().manual_seed(0)
    fill(replay, 0, 10, [3, 5, 1])
    fill(replay, 2, 20, [2, 4])
    for window in (None, 1, 2, 3, 5):
        per_task = replay.sample_per_task(np.array([2, 0]), 50, generator, window=window)
        overall = replay.sample(100, generator, window=window)
        check_each_is_one_sequence(per_task)
        check_each_is_one_sequence(overall)
        if window is None:
            assert (overall.start == 0).all() and overall.is_valid.sum(0).max() == 5
        else:
            assert len(overall.is_valid) == window


def test_q1_whole_sequences_end_at_their_own_end() -> None:
    replay = replay_of()
    fill(replay, 0, 10, [3, 5, 1])
    drawn = replay.sample(100, torch.Generator().manual_seed(0))
    length = dict(zip(drawn.columns["number"][0, :, 0].tolist(), drawn.is_valid.sum(0).tolist()))

    assert length == {10: 3, 11: 5, 12: 1}


def test_p7_samples_of_a_task_are_its_own_and_lie_side_by_side() -> None:
    replay = replay_of()
    for task in range(3):
        fill(replay, task, 10 * task + 1, [5, 4])
    drawn = replay.sample_per_task(np.array([2, 0]), 20, torch.Generator().manual_seed(0))

    assert drawn.task.tolist() == [2] * 20 + [0] * 20
    assert (drawn.columns["number"][0, :, 0] // 10 == drawn.task).all()


def test_every_window_is_as_likely_as_another() -> None:
    replay = replay_of()
    fill(replay, 0, 0, [5, 2])  # windows of 2: four and one
    drawn = replay.sample(20_000, torch.Generator().manual_seed(0), window=2)
    index = (drawn.columns["number"][0, :, 0] * 4 + drawn.start).long()

    share = torch.bincount(index, minlength=5) / 20_000
    torch.testing.assert_close(share, torch.full((5,), 0.2), atol=0.02, rtol=0)


def test_q2_a_full_ring_forgets_its_oldest_sequences() -> None:
    replay = replay_of(capacity=3)
    for value in range(8):
        fill(replay, 1, value, [1 + value % 5])
    drawn = replay.sample(200, torch.Generator().manual_seed(0))

    assert set(drawn.columns["number"][0, :, 0].tolist()) == {5, 6, 7}
    assert replay.size.tolist() == [0, 3, 0]
    check_each_is_one_sequence(drawn)  # a shorter one shows nothing of the longer one before


def test_q2_memory_grows_with_what_is_stored_and_keeps_it() -> None:
    replay = replay_of(num_tasks=1, capacity=10_000)
    small = replay.columns["number"].numel()
    for value in range(0, 100, 10):
        fill(replay, 0, value, [5] * 10)

    assert small < replay.columns["number"].numel() < 20 * small
    assert replay.columns["number"][0, :100, 0, 0].tolist() == list(range(100))


def saved_and_loaded(replay: Replay) -> list[tuple[int, int, np.ndarray]]:
    """All blocks, through files as a checkpoint writes them: nothing may need pickling."""
    blocks = []
    for task in range(len(replay.size)):
        for index in range(replay.num_blocks(task)):
            content = io.BytesIO()
            np.save(content, replay.block(task, index), allow_pickle=False)
            content.seek(0)
            blocks.append((task, index, np.load(content)))
    return blocks


def test_q3_restored_replay_equals_the_saved_one_bit_for_bit() -> None:
    replay, again = (replay_of(max_length=BLOCK_SLOTS // 2, capacity=7) for _ in range(2))
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 50, size=9)
    for length in lengths:
        number = rng.normal(size=(length, 1, 2)).astype(np.float32)
        image = rng.integers(256, size=(length, 1, 2, 3), dtype=np.uint8)
        replay.add(np.array([1]), {"number": number, "image": image}, np.array([length]))
    blocks = saved_and_loaded(replay)
    again.restore(replay.size.tolist(), replay.cursor.tolist(), blocks)

    assert len(blocks) == 4 and [len(records) for *_, records in blocks] == [2, 2, 2, 1]
    assert np.array_equal(again.cursor, replay.cursor) and replay.cursor[1] == 2
    one = replay.sample(30, torch.Generator().manual_seed(1))
    other = again.sample(30, torch.Generator().manual_seed(1))
    assert torch.equal(one.is_valid, other.is_valid)
    assert all(torch.equal(one.columns[name], other.columns[name]) for name in COLUMNS)


def test_q4_revision_marks_exactly_the_changed_blocks() -> None:
    replay = replay_of(max_length=BLOCK_SLOTS // 2, capacity=6)  # two sequences a block

    def changed_by(task: int, count: int) -> list[list[int]]:
        before = replay.revision.copy()
        fill(replay, task, 0, [1] * count)
        return np.argwhere(replay.revision != before).tolist()

    assert replay.revision.shape == (3, 3)
    assert changed_by(0, 1) == [[0, 0]]
    assert changed_by(0, 2) == [[0, 0], [0, 1]]
    assert changed_by(2, 3) == [[2, 0], [2, 1]]
    assert changed_by(0, 4) == [[0, 0], [0, 1], [0, 2]]  # around the end of the ring


def test_q5_bytes_stay_bytes() -> None:
    replay = replay_of()
    fill(replay, 0, 200, [3])
    drawn = replay.sample(4, torch.Generator().manual_seed(0), window=5)

    assert drawn.columns["image"].dtype == torch.uint8
    assert (drawn.columns["image"][:3] == 200).all() and (drawn.columns["image"][3:] == 0).all()
    assert replay.columns["image"].element_size() == 1
    assert replay.block(0, 0)["image"].dtype == np.uint8


def test_clearing_forgets_exactly_the_named_tasks() -> None:
    replay = replay_of()
    for task in range(3):
        fill(replay, task, task, [2])
    replay.clear(np.array([0, 2]))

    assert set(replay.sample(20, torch.Generator().manual_seed(0)).task.tolist()) == {1}
    with pytest.raises(ValueError, match=r"tasks \[0\]"):
        replay.sample_per_task(np.array([1, 0]), 2, torch.Generator())
    replay.clear(np.array([1]))
    with pytest.raises(ValueError, match="no sequences"):
        replay.sample(2, torch.Generator())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"image": None}, "columns"),
        ({"image": np.zeros((5, 1, 2, 3), np.float32)}, "image: float32"),
        ({"number": np.zeros((5, 1, 3), np.float32)}, r"number: float32 \(5, 1, 3\)"),
        ({"number": np.zeros((2, 1, 2), np.float32)}, "number"),
    ],
)
def test_other_columns_are_refused(change: dict, words: str) -> None:
    columns = {k: v for k, v in (sequences(0, [3]) | change).items() if v is not None}
    with pytest.raises(ValueError, match=words):
        replay_of().add(np.array([0]), columns, np.array([3]))


@pytest.mark.parametrize("lengths", [[0], [6], [2, 2]])
def test_other_lengths_are_refused(lengths: list[int]) -> None:
    with pytest.raises(ValueError, match="lengths"):
        replay_of().add(np.array([0]), sequences(0, [3]), np.array(lengths))


def test_more_at_once_than_a_ring_holds_is_refused() -> None:
    with pytest.raises(ValueError, match="5 sequences of a task"):
        fill(replay_of(), 0, 0, [1] * 5)
