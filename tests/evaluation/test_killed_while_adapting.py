"""A process that dies while it learns between two episodes leaves what was learnt before."""

from __future__ import annotations

import dataclasses
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sim2real.evaluation.journal import JOURNAL, read_journal
from sim2real.evaluation.records import EpisodeRecord

ARGUMENTS = ("--num-episodes", "4", "--num-trials", "1", "--quiet")
DIES = """
import os, signal, sys
from sim2real.runtime.kinds import gradient

def dies(*arguments):
    calls.append(0)
    if len(calls) == 1 or {late}:  # the first is that of the golden vectors
        done = work(*arguments)
    if len(calls) == 1:
        return done
    os.kill(os.getpid(), signal.SIGKILL)

calls = []

work = getattr({owner}, "{verb}")
setattr({owner}, "{verb}", dies)
from sim2real.cli import main
sys.exit(main(sys.argv[1:]))
"""
"""an evaluation that is killed at the first step of learning"""
MOMENTS = {
    "before": {"owner": "gradient.GradientAdaptation", "verb": "_take_step", "late": False},
    "in the graph": {"owner": "gradient", "verb": "guarded_step", "late": True},
    "after": {"owner": "gradient.GradientAdaptation", "verb": "_take_step", "late": True},
}


def run(program: list[str], folder: Path, out: Path, *options: str) -> int:
    words = ["evaluate", str(folder), "--task", f"{folder / 'tasks.json'}:0", "--out", str(out)]
    command = [sys.executable, *program, *words, *ARGUMENTS, *options]
    return subprocess.run(command, capture_output=True).returncode


def without_times(records: list[EpisodeRecord]) -> list[EpisodeRecord]:
    return [dataclasses.replace(record, latency_ns={}, recording="") for record in records]


@pytest.fixture(scope="module")
def folder(exported_bundles) -> Path:
    return exported_bundles("gradient")


@pytest.fixture(scope="module")
def whole(folder, tmp_path_factory) -> list[EpisodeRecord]:
    out = tmp_path_factory.mktemp("whole") / "out"
    assert run(["-m", "sim2real.cli"], folder, out) == 0
    return without_times(read_journal(out / JOURNAL)[1])


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS)
def test_the_next_start_has_what_was_there_before_and_ends_alike(
    moment: str, folder: Path, whole: list[EpisodeRecord], tmp_path: Path
):
    out, program = tmp_path / "out", DIES.format(**MOMENTS[moment])
    assert run(["-c", program], folder, out) == -signal.SIGKILL
    before = without_times(read_journal(out / JOURNAL)[1])

    assert len(before) == 1  # the step is taken after the second episode
    assert before == whole[:1]
    assert not before[0].memory["parameters"]  # the old ones, whole
    assert run(["-m", "sim2real.cli"], folder, out, "--resume") == 0
    after = without_times(read_journal(out / JOURNAL)[1])
    assert after == whole
    assert after[1].memory["parameters"]  # the new ones
