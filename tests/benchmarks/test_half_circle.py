"""The clock of the half circle: what counts, and when the reference is evaluated."""

from __future__ import annotations

import itertools

import pytest

from sim2real.contract.errors import BadInput
from training.benchmarks import half_circle
from training.benchmarks.half_circle import METRIC, curve_of, print_half_circle
from training.benchmarks.reference_code import ReferenceCode
from training.runs.metrics import MetricsFile, lines_about


def reference(clock):
    """Gradient steps of one second and evaluations of a hundred, which cost it nothing."""

    def train():
        for steps in itertools.count(1000, 10):
            clock[0] += 1.0
            yield steps

    def adapted_return():
        clock[0] += 100.0
        return -1.0

    return ReferenceCode(
        update=lambda: None, sample=lambda: 0, train=train, adapted_return=adapted_return
    )


def test_the_references_clock_stands_still_while_it_is_evaluated(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(half_circle.time, "perf_counter", lambda: clock[0])

    found = list(curve_of(reference(clock), limit_s=10.0, every_s=4.0))

    assert [each["seconds"] for each in found] == [4.0, 8.0, 10.0]
    assert [each["gradient_steps"] for each in found] == [4, 8, 10]
    assert [each["environment_steps"] for each in found] == [1030, 1070, 1090]


def test_evaluations_are_read_as_they_come(tmp_path):
    path = tmp_path / "metrics.csv"
    assert lines_about(METRIC, path) == []
    metrics = MetricsFile(path)
    found = {"train_return": 0.5, "adapted/return": 2.5}
    metrics.append(found, iteration=3, environment_steps=400, gradient_steps=8)
    (line,) = lines_about(METRIC, path)
    assert (line.environment_steps, line.value) == (400, 2.5)


def test_a_folder_that_is_no_checkout_leaves_nothing(tmp_path):
    with pytest.raises(BadInput, match="expected a checkout of"):
        print_half_circle(reference=tmp_path, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
