"""A real Slurm of one node: the same table, also where it takes the node away in the middle.

Opt-in: `TASKBELIEF_SLURM=/` where Debian's packages are installed, or the folder into which they
were unpacked (`tests.suite.one_node_slurm` says how).
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.suite.one_node_slurm import one_node_slurm
from tests.suite.small import ONE, table_of, wait_until
from training.runs.metrics import iterations_done

ROOT = "TASKBELIEF_SLURM"
RUN = Path("runs") / "reinforce-point-robot" / "0"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(ROOT not in os.environ, reason=f"no Slurm is named by {ROOT}"),
    pytest.mark.skipif(
        importlib.util.find_spec("submitit") is None, reason="submitit is not: taskbelief[cluster]"
    ),
]
LONGER = ONE.replace("num_iterations=24", "num_iterations=60")


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    with one_node_slurm(Path(os.environ[ROOT]), tmp_path_factory.mktemp("slurm")) as environment:
        yield environment


def begun(suite, out, environment):
    words = [sys.executable, "-m", "sim2real.cli", "benchmark", str(suite), "--engine", "slurm"]
    with (out.parent / "said").open("wb") as said:
        return subprocess.Popen(
            [*words, "--out", str(out)], env=environment, stdout=said, stderr=said
        )


def said(environment, *words):
    """By one of Slurm's own programs."""
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    return done.stdout


def test_a_job_that_is_queued_again_in_the_middle_goes_on(slurm, tmp_path):
    suite, out = tmp_path / "suite.yaml", tmp_path / "out"
    suite.write_text(LONGER)
    process = begun(suite, out, slurm)
    wait_until(lambda: iterations_done(out / RUN / "metrics.csv") >= 4, "the job has begun")
    (job,) = said(slurm, "squeue", "--noheader", "--format=%A").split()

    said(slurm, "scontrol", "requeue", job)
    wait_until(lambda: "PENDING" in said(slurm, "scontrol", "show", "job", job), "it waits")
    said(slurm, "scontrol", "update", f"JobId={job}", "StartTime=now")  # not in two minutes

    assert process.wait(900) == 0, (tmp_path / "said").read_text()
    assert (out / "results.csv").read_bytes() == table_of(LONGER, tmp_path / "whole")
    assert "Restarts=1" in said(slurm, "scontrol", "show", "job", job)
