"""Whoever trains, in whatever order, however often it was stopped: the same table."""

from __future__ import annotations

import importlib.util
import signal
from pathlib import Path

import pytest

from tests.suite.small import SUITE, TIMEOUT_S, begun, kill, trainings_in, wait_until
from training.engines.local import LocalEngine
from training.engines.slurm import SlurmEngine
from training.engines.training import DONE, sessions
from training.runs.metrics import iterations_done
from training.suite.command import run_suite
from training.suite.suite import suite_of

FIRST = Path("runs") / "reinforce-point-robot" / "0"
needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray is not installed: taskbelief[ray]"
)
needs_submitit = pytest.mark.skipif(
    importlib.util.find_spec("submitit") is None, reason="submitit is not: taskbelief[cluster]"
)


@pytest.fixture(scope="module")
def suite_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("suite") / "small.yaml"
    path.write_text(SUITE)
    return path


@pytest.fixture(scope="module")
def table(suite_file, tmp_path_factory):
    """Of one process after the other, undisturbed."""
    out = tmp_path_factory.mktemp("whole")
    assert run_suite(suite_of(str(suite_file)), LocalEngine(1), out) == []
    return (out / "results.csv").read_bytes()


def is_in_the_middle(out):
    return 2 <= iterations_done(out / FIRST / "metrics.csv") <= 6


@needs_submitit
def test_slurms_stand_in(suite_file, table, tmp_path):
    engine = SlurmEngine(tmp_path / "logs", minutes=10, processes=2, cluster="local")

    assert run_suite(suite_of(str(suite_file)), engine, tmp_path) == []

    assert (tmp_path / "results.csv").read_bytes() == table


@pytest.mark.slow
@needs_ray
def test_ray_with_a_worker_killed_in_the_middle(suite_file, table, tmp_path):
    process = begun(suite_file, tmp_path, "--engine", "ray", "--processes", "2")
    wait_until(lambda: is_in_the_middle(tmp_path), "the first run has begun")
    workers = trainings_in(tmp_path)
    victim = next(iter(workers.values()))
    assert victim != process.pid and len(set(workers.values())) == 2

    kill(victim)

    _, error = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0, error
    assert (tmp_path / "results.csv").read_bytes() == table
    took = sessions(tmp_path / FIRST), sessions(tmp_path / FIRST.with_name("1"))
    assert sorted(map(len, took)) == [1, 2], "one was begun again"
    assert trainings_in(tmp_path) == {}


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_two_processes_stopped_in_the_middle(number, suite_file, table, tmp_path):
    process = begun(suite_file, tmp_path, "--processes", "2")
    wait_until(lambda: is_in_the_middle(tmp_path), "the first run has begun")

    process.send_signal(number)

    _, error = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == (130 if number == signal.SIGINT else -signal.SIGKILL), error
    if number == signal.SIGINT:
        assert trainings_in(tmp_path) == {}, "all have saved by then"
    assert not (tmp_path / "results.csv").exists()
    # Where it was killed its trainings are still saving: this one waits for them.
    assert run_suite(suite_of(str(suite_file)), LocalEngine(2), tmp_path) == []
    assert (tmp_path / "results.csv").read_bytes() == table
    took = sessions(tmp_path / FIRST)
    assert [each.exit_code for each in took] == [130, DONE]
