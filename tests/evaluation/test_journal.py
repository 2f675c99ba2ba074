"""What is in the journal survives; what was cut off is no episode."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim2real.contract.errors import BadInput
from sim2real.evaluation.journal import JOURNAL, Journal, read_journal
from sim2real.evaluation.records import EpisodeRecord
from tests.evaluation.fakes import bench_task, header

HEADER = header([bench_task("test/0", 0.1)], num_episodes=2)
RECORD = EpisodeRecord(
    task="test/0",
    condition="adapted",
    trial=0,
    episode=0,
    seed=2**63 + 1,
    total_reward=0.1 + 0.2,
    is_success=True,
    success_fraction=1.0 / 3.0,
    num_steps=30,
    num_transitions=30,
    kl_from_prior=3.25,
    outcome="completed",
    reason="",
    evidence={"accepted": 30, "late": 1},
    safety_events={"stale_reading": 1},
    latency_ns={"read": (1_000_001, 5)},
    memory={"precision": (1e300, 1e-300), "num_transitions": (30.0,)},
    recording="test-0.adapted.0.mcap",
)
numbers = st.floats(allow_nan=False, allow_infinity=False)


@settings(max_examples=30)
@given(reward=numbers, memory=st.lists(numbers, max_size=4), reason=st.text(max_size=20))
def test_nothing_is_lost_on_the_way_to_the_disk(tmp_path_factory, reward, memory, reason):
    record = dataclasses.replace(
        RECORD, total_reward=reward, memory={"hidden": tuple(memory)}, reason=reason
    )
    folder = tmp_path_factory.mktemp("journal") / "out"
    journal = Journal.begin(folder, HEADER)
    journal.append(record)

    assert read_journal(folder / JOURNAL) == (HEADER, [record])


@pytest.mark.parametrize("cut", [1, 20, -1])
def test_a_line_that_a_kill_cut_off_is_no_episode(tmp_path, cut):
    journal = Journal.begin(tmp_path, HEADER)
    journal.append(RECORD)
    whole = journal.path.read_bytes()
    journal.append(dataclasses.replace(RECORD, episode=1))
    second = journal.path.read_bytes()[len(whole) :]
    journal.path.write_bytes(whole + second[:cut])

    again = Journal.resume(tmp_path, HEADER)
    assert again.records == [RECORD]
    again.append(dataclasses.replace(RECORD, episode=2))

    assert [record.episode for record in read_journal(journal.path)[1]] == [0, 2]


def test_a_folder_with_files_is_not_begun_in(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")

    with pytest.raises(BadInput, match="--resume"):
        Journal.begin(tmp_path, HEADER)


def test_resuming_begins_where_there_is_nothing(tmp_path):
    journal = Journal.resume(tmp_path / "out", HEADER)

    assert journal.records == []
    assert (tmp_path / "out" / JOURNAL).exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [("seed", 1), ("num_episodes", 5), ("robot", "serial"), ("bundle_digest", "1" * 16)],
)
def test_another_evaluation_is_not_gone_on_with(tmp_path, field, value):
    Journal.begin(tmp_path, HEADER)

    with pytest.raises(BadInput, match=field):
        Journal.resume(tmp_path, dataclasses.replace(HEADER, **{field: value}))


def test_newer_code_goes_on_with_an_evaluation_and_does_not_claim_it(tmp_path):
    Journal.begin(tmp_path, HEADER)

    journal = Journal.resume(tmp_path, dataclasses.replace(HEADER, git_commit="newer"))

    assert journal.header.git_commit == HEADER.git_commit


def test_a_damaged_line_is_named(tmp_path):
    journal = Journal.begin(tmp_path, HEADER)
    with journal.path.open("a") as file:
        file.write('{"task": "test/0"}\n')

    with pytest.raises(BadInput, match="line 2"):
        Journal.resume(tmp_path, HEADER)
