"""What is worked out from ticks is what happened in them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from sim2real.runtime.frame_figures import FrameFigures
from sim2real.runtime.loop_figures import LoopFigures

MS = 1_000_000


def ticks(*specs):
    """Ticks 10 ms apart; each spec changes some of: late, bus, answer (ms) and answers, missed."""
    for number, spec in enumerate(specs):
        deadline = number * 10 * MS
        started = deadline + round(spec.get("late", 0.0) * MS)
        measured = started + 1 * MS if spec.get("is_read", True) else 0
        read_done = started + round(spec.get("bus", 4.0) * MS)
        answer = spec.get("answer", 2.0)
        yield SimpleNamespace(
            deadline_ns=deadline,
            started_ns=started,
            reading_ns=measured,
            read_done_ns=read_done,
            written_ns=0 if answer is None else read_done + round(answer * MS),
            answers_ns=spec.get("answers", measured),
            num_missed=spec.get("missed", 0),
        )


def figures(*specs, lifespan_s=0.02) -> LoopFigures:
    found = LoopFigures(lifespan_s)
    for tick in ticks(*specs):
        found.take(tick)
    return found


def test_ages_count_from_the_measurement_and_from_when_it_was_in():
    found = figures({}, {"bus": 5.0, "answer": 3.0})

    assert found.histograms["age"].max == 7 * MS
    assert found.histograms["age_beyond_bus"].max == 3 * MS
    assert found.histograms["read"].max == 5 * MS
    assert found.counts["unanswered"] == 0


def test_a_command_counts_once_and_from_the_reading_that_it_answers():
    first = 1 * MS
    found = figures({"answers": 0}, {"answers": first}, {"answers": first})

    assert found.histograms["age"].count == 1
    assert found.histograms["age"].max == (10 + 4 + 2 - 1) * MS
    assert found.histograms["age_beyond_bus"].max == (10 + 2) * MS
    assert found.counts["unanswered"] == 3


@pytest.mark.parametrize(("lifespan_s", "expected"), [(0.0049, 1), (0.0051, 0)])
def test_a_command_past_its_lifespan_is_counted(lifespan_s, expected):
    assert figures({}, lifespan_s=lifespan_s).counts["past_lifespan"] == expected


def test_jitter_and_misses_are_those_of_the_ticks():
    found = figures({}, {"late": 0.5}, {"missed": 2}, {"is_read": False, "answer": None})

    assert found.histograms["jitter"].max == MS // 2
    assert found.histograms["period"].count == 3
    assert found.counts["missed"] == 2
    assert found.counts["unread"] == 1
    assert found.counts["ticks"] == 4


def test_a_pause_is_no_period():
    found = LoopFigures(0.02)
    first, second, third = ticks({}, {}, {})
    found.take(first)
    found.pause()
    found.take(second)
    found.take(third)

    assert found.histograms["period"].count == 1


def test_figures_are_seconds():
    shown = figures({}, {}).as_dict()

    assert shown["times_s"]["age"]["p50"] == pytest.approx(0.005, rel=1 / 32)
    assert shown["counts"]["ticks"] == 2


def test_frames_that_a_camera_left_out_are_counted():
    found = FrameFigures(0.05)
    for stamp_ms in (0, 50, 101, 251, 300):  # two periods without a frame after the third
        found.take(stamp_ms * MS)
    found.pause()
    found.take(10_000 * MS)

    document = found.into({"times_s": {"period": {}}, "counts": {"ticks": 3}})

    assert document["counts"] == {"ticks": 3, "frames": 6, "missed_frames": 2}
    assert document["times_s"]["frame_interval"]["max"] == pytest.approx(0.15, rel=0.05)
    assert document["times_s"]["frame_interval"]["p50"] == pytest.approx(0.05, rel=0.05)


def test_a_camera_without_frames_has_no_intervals():
    document = FrameFigures(0.05).into({"times_s": {}, "counts": {}})

    assert document == {"times_s": {}, "counts": {"frames": 0, "missed_frames": 0}}
