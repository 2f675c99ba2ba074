"""Whoever trains, in whatever order, however often it was stopped: the same table."""

from __future__ import annotations

import gzip
import importlib.util
import re
import runpy
import signal
from pathlib import Path

import pytest

from tests.suite.kills import Killer
from tests.suite.small import (
    ONE,
    SUITE,
    TIMEOUT_S,
    EndedJob,
    HereEngine,
    begun,
    kill,
    table_of,
    trainings_in,
    wait_until,
)
from training.engines.local import LocalEngine
from training.engines.slurm import SlurmEngine
from training.engines.training import DONE, FAILED, sessions
from training.runs.metrics import iterations_done
from training.suite.command import run_suite
from training.suite.suite import suite_of

ROOT = Path(__file__).resolve().parents[2]
FIRST = Path("runs") / "reinforce-point-robot" / "0"
needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray is not installed: taskbelief[ray]"
)
needs_submitit = pytest.mark.skipif(
    importlib.util.find_spec("submitit") is None, reason="submitit is not: taskbelief[cluster]"
)


@pytest.fixture(scope="module")
def suite_file(tmp_path_factory):
    """Two seeds; beside it `one.yaml` with the first of them."""
    path = tmp_path_factory.mktemp("suite") / "small.yaml"
    path.write_text(SUITE)
    path.with_name("one.yaml").write_text(ONE)
    return path


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Of one run after the other, undisturbed."""
    return table_of(SUITE, tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="module")
def half(table):
    """What it says of the first seed."""
    head, *lines = table.splitlines(keepends=True)
    return b"".join([head, *(line for line in lines if line.split(b",")[3] == b"0")])


def has_begun(out, iterations=2):
    return iterations_done(out / FIRST / "metrics.csv") >= iterations


class StoppedEngine(HereEngine):
    """Somebody stops it when the second seed's turn comes."""

    def submit(self, training):
        if training.seed == 1:
            raise KeyboardInterrupt
        return super().submit(training)


def test_what_was_stopped_shows_what_is_finished(suite_file, half, tmp_path):
    suite = suite_of(str(suite_file))

    with pytest.raises(KeyboardInterrupt):
        run_suite(suite, StoppedEngine(), tmp_path)

    assert (tmp_path / "results.csv").read_bytes() == half
    assert "1 of 2 runs" in (tmp_path / "page.html").read_text()


def test_seed_goes_after_seed(tmp_path):
    suite, handed_over = suite_of("smoke"), []

    class Asked(StoppedEngine):
        def submit(self, training):
            handed_over.append((training.seed, training.recipe))
            return EndedJob(FAILED)

    run_suite(suite, Asked(), tmp_path)

    recipes = [entry.recipe for family in suite.families for entry in family.recipes]
    assert handed_over == [(seed, recipe) for seed in suite.seeds for recipe in recipes]


def test_some_seeds_here_and_the_others_elsewhere_are_kept_as_one(
    suite_file, half, table, tmp_path
):
    suite, kept = suite_of(str(suite_file)), tmp_path / "kept"
    keep = runpy.run_path(str(ROOT / "docs" / "keep_suite.py"))["keep"]

    for seed in suite.seeds:
        out = tmp_path / f"machine-{seed}"
        assert run_suite(suite, HereEngine(), out, (seed,)) == []
        keep(out, kept)

    assert (tmp_path / "machine-0" / "results.csv").read_bytes() == half
    assert gzip.decompress((kept / "results.csv.gz").read_bytes()) == table
    assert "**2 of 2 runs" in (kept / "README.md").read_text()
    links = re.findall('href="(runs/[^"]*)"', (kept / "page.html").read_text())
    assert len(links) == 2 and all((kept / link).exists() for link in links)


@needs_submitit
def test_slurms_stand_in(suite_file, half, tmp_path):
    suite = suite_of(str(suite_file.with_name("one.yaml")))
    engine = SlurmEngine(tmp_path / "logs", minutes=10, processes=2, cluster="local")

    assert run_suite(suite, engine, tmp_path) == []

    assert (tmp_path / "results.csv").read_bytes() == half


@pytest.mark.slow
@needs_ray
def test_ray_with_a_worker_killed_and_then_ray_itself(suite_file, table, tmp_path):
    killer = Killer(suite_file, tmp_path, seed=0, longest_wait_s=1.0)
    try:
        killer.strike("ray", "worker")
        killer.strike("ray", "raylet")
        killer.finish("ray")
    finally:
        killer.end()

    assert killer.codes == [0], "one command, which began Ray anew"
    (out,) = killer.done
    assert (out / "results.csv").read_bytes() == table
    assert trainings_in(out) == {}


@pytest.mark.slow
def test_interrupted_in_the_middle(suite_file, half, tmp_path):
    path = suite_file.with_name("one.yaml")
    process = begun(path, tmp_path)
    wait_until(lambda: has_begun(tmp_path), "the run has begun")

    process.send_signal(signal.SIGINT)

    _, error = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 130, error
    assert trainings_in(tmp_path) == {}, "it has saved by then"
    assert not (tmp_path / "results.csv").exists()
    assert run_suite(suite_of(str(path)), LocalEngine(1), tmp_path) == []
    assert (tmp_path / "results.csv").read_bytes() == half
    assert [each.exit_code for each in sessions(tmp_path / FIRST)] == [130, DONE]


@pytest.mark.slow
def test_a_training_killed_in_the_middle_and_then_the_command(suite_file, half, tmp_path):
    path = suite_file.with_name("one.yaml")
    process = begun(path, tmp_path)
    wait_until(lambda: has_begun(tmp_path), "the run has begun")
    wait_until(lambda: len(trainings_in(tmp_path)) == 1, "one process trains it")
    (first,) = trainings_in(tmp_path)

    kill(first)
    wait_until(lambda: set(trainings_in(tmp_path)) - {first}, "it was handed over again")
    wait_until(lambda: has_begun(tmp_path, 6), "it goes on")
    process.kill()

    process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "results.csv").exists()
    # The training is still saving: this one waits for it.
    assert run_suite(suite_of(str(path)), LocalEngine(1), tmp_path) == []
    assert (tmp_path / "results.csv").read_bytes() == half
    # A quick machine may have come to the end of the run before it saw that the command was gone.
    *stopped, last = [each.exit_code for each in sessions(tmp_path / FIRST)]
    assert last == DONE
    assert stopped in ([], [130])
