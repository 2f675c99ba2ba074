"""Results are worked out from episodes: whole tasks only, paired, and every one in the table."""

from __future__ import annotations

import csv
import dataclasses
import io

import numpy as np
import pytest

from sim2real.evaluation import metrics
from sim2real.evaluation.metrics import bootstrap_interval, wilson_interval
from sim2real.evaluation.results import episodes_csv, results_document
from sim2real.runtime.kinds.registry import belief_of
from tests.evaluation.fakes import bench_task, header
from tests.evaluation.test_journal import RECORD

TASKS = [bench_task(f"test/{index}", 0.1 * index) for index in range(4)]
RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    def quick(values):
        return bootstrap_interval(values, num_resamples=200)

    monkeypatch.setattr(metrics, "bootstrap_interval", quick)


def record(task: str, condition: str, trial: int, episode: int, **more):
    values = {
        "task": task,
        "condition": condition,
        "trial": trial,
        "episode": episode,
        "total_reward": float(RNG.normal()),
        "is_success": bool(RNG.integers(2)),
        "success_fraction": float(RNG.uniform()),
    }
    return dataclasses.replace(RECORD, **{**values, **more})


def whole(num_trials: int = 2, num_episodes: int = 3):
    adapted = [
        record(task.name, "adapted", trial, episode)
        for task in TASKS
        for trial in range(num_trials)
        for episode in range(num_episodes)
    ]
    others = [
        record(task.name, condition, trial, num_episodes - 1)
        for condition in ("frozen_prior", "wrong_task", "robust")
        for task in TASKS
        for trial in range(num_trials)
    ]
    head = header(TASKS, num_episodes=num_episodes, num_trials=num_trials)
    return head, [*adapted, *others]


def per_task(records, condition: str, episode: int, field: str) -> np.ndarray:
    found = [r for r in records if r.condition == condition and r.episode == episode]
    return np.array(
        [np.mean([getattr(r, field) for r in found if r.task == task.name]) for task in TASKS]
    )


def test_conditions_are_means_over_tasks_with_their_intervals():
    head, records = whole()

    document = results_document(head, records)

    assert set(document["conditions"]) == {
        "adapted", "episode_0", "frozen_prior", "wrong_task", "robust",
    }  # fmt: skip
    rates = per_task(records, "adapted", 2, "is_success")
    interval = wilson_interval(rates, num_trials=head.num_trials)
    assert document["conditions"]["adapted"]["success"] == interval._asdict()
    returns = per_task(records, "robust", 2, "total_reward")
    assert document["conditions"]["robust"]["return"]["mean"] == pytest.approx(returns.mean())
    first = per_task(records, "adapted", 0, "total_reward")
    assert document["conditions"]["episode_0"]["return"]["mean"] == pytest.approx(first.mean())
    assert document["adapted_by_episode"][2] == document["conditions"]["adapted"]


def test_differences_are_paired_by_task():
    head, records = whole()
    shifted = [
        dataclasses.replace(r, total_reward=1000.0 * int(r.task[-1]) + (r.condition == "adapted"))
        for r in records
    ]

    difference = results_document(head, shifted)["differences"]["adapted - wrong_task"]["return"]

    assert difference == {"mean": 1.0, "low": 1.0, "high": 1.0}


def test_a_task_counts_for_a_condition_once_all_its_trials_are_done():
    head, records = whole()
    missing = [r for r in records if (r.task, r.condition, r.trial) != ("test/3", "wrong_task", 1)]

    document = results_document(head, missing)

    assert document["conditions"]["wrong_task"]["tasks"] == 3
    assert document["conditions"]["adapted"]["tasks"] == 4
    assert "wrong_task" not in document["per_task"][3]
    assert "wrong_task" in document["per_task"][2]


def test_nothing_measured_is_no_number():
    document = results_document(header(TASKS, num_episodes=3), [])

    assert document["conditions"] == document["differences"] == {}
    assert document["adapted_by_episode"] == []


def test_a_fault_is_reported_and_counts_for_nothing():
    head, records = whole()
    fault = record("test/0", "adapted", 0, 0, outcome="fault", reason="overload", evidence={})

    document = results_document(head, [fault, *records])

    assert document["interventions"] == 1
    assert document["faults"][0]["reason"] == "overload"
    assert document["conditions"] == results_document(head, records)["conditions"]


def test_counts_and_latencies_are_summed_up():
    head, records = whole()

    document = results_document(head, records)

    assert document["evidence"] == {"accepted": 30 * len(records), "late": len(records)}
    assert document["safety_events"] == {"stale_reading": len(records)}
    assert document["latency_s"]["read"]["count"] == 2 * len(records)
    assert document["latency_s"]["read"]["max"] == pytest.approx(1_000_001e-9)


def test_every_episode_is_a_line_that_reads_back():
    head, records = whole()

    lines = list(csv.DictReader(io.StringIO(episodes_csv(head, records))))

    assert len(lines) == len(records)
    for line, one in zip(lines, records, strict=True):
        assert float(line["return"]) == one.total_reward
        assert int(line["success"]) == one.is_success
        assert (line["task"], line["robot"]) == (one.task, "simulated")


def test_a_belief_is_shown_as_mean_and_deviation():
    memory = {
        "precision": (4.0, 100.0),
        "weighted_mean": (8.0, -100.0),
        "num_transitions": (3.0,),
    }

    belief = belief_of(memory)

    np.testing.assert_allclose(belief.mean, [2.0, -1.0])
    np.testing.assert_allclose(belief.sd, [0.5, 0.1])
    prior = belief_of({name: tuple(0.0 for _ in values) for name, values in memory.items()})
    np.testing.assert_allclose(prior.sd, [1.0, 1.0])
    assert belief_of({"hidden": (1.0,), "num_transitions": (0.0,)}) is None
