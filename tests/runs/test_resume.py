"""P14: a run that was interrupted ends as one that was not, bit for bit."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from training.runs.interrupt import Interrupted
from training.runs.metrics import MetricsFile
from training.runs.start import resume_run, start_run

ALGORITHMS = pytest.mark.parametrize("algorithm", ["pearl", "sac", "rl2"])


def digests(directory: Path) -> dict[str, str]:
    """SHA-256 of everything in the latest checkpoint: weights, optimisers, buffers, generators."""
    latest = sorted((directory / "checkpoints").glob("[0-9]*"))[-1]
    return {"iteration": latest.name, **json.loads((latest / "index.json").read_text())}


def numbers(directory: Path) -> list[Any]:
    """Every metric but the wall-clock ones."""
    lines = MetricsFile(directory / "metrics.csv").read()
    return [line for line in lines if "second" not in line.metric]


def begin(recipe: Any, directory: Path) -> Any:
    return start_run(recipe, name="tiny", seed=3, directory=directory, is_quiet=True)


@ALGORITHMS
def test_p14_stopped_and_resumed_equals_uninterrupted(
    tmp_path: Path, make_recipe: Any, algorithm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = make_recipe(algorithm)
    whole, halved = tmp_path / "whole", tmp_path / "halved"
    learner = begin(recipe, whole)
    learner_type = type(learner)
    original, calls = learner_type.improve, 0

    def interrupted_in_the_third(self: Any, *arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 3:
            signal.raise_signal(signal.SIGINT)
        return original(self, *arguments, **options)

    monkeypatch.setattr(learner_type, "improve", interrupted_in_the_third)
    with pytest.raises(Interrupted, match="saved after iteration 2"):
        begin(recipe, halved)
    assert digests(halved)["iteration"] == "0000003"
    resume_run(halved, is_quiet=True)

    assert digests(halved) == digests(whole)
    # The interruption adds an evaluation, and takes nothing away.
    assert [line for line in numbers(halved) if line.iteration != 2] == [
        line for line in numbers(whole) if line.iteration != 2
    ]
    for file in ("tasks.json", "eval.csv", "eval.json"):
        assert (halved / file).read_text() == (whole / file).read_text()


_PROGRAM = """
import sys
from pathlib import Path
sys.path.insert(0, {folder!r})
from conftest import CONFIGS
from training.recipes.registry import Recipe
from training.runs.start import resume_run, start_run

recipe = Recipe(
    algorithm="pearl", family="point_robot", config=CONFIGS["pearl"],
    num_train_tasks=6, num_test_tasks=3, num_evaluation_trials=2,
)
directory = Path(sys.argv[1])
if (directory / "config.json").exists():
    resume_run(directory, is_quiet=True)
else:
    start_run(recipe, name="tiny", seed=3, directory=directory, is_quiet=True)
"""


@pytest.mark.slow
def test_p14_killed_at_any_moment_and_resumed_equals_uninterrupted(
    tmp_path: Path, make_recipe: Any
) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    begin(make_recipe(), whole)
    program = [sys.executable, "-c", _PROGRAM.format(folder=str(Path(__file__).parent))]
    clock = random.Random(time.time_ns())  # any moment, so another one in every run
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    for _ in range(2):
        process = subprocess.Popen([*program, str(killed)], env=environment)
        _wait_until_it_trains(killed, process)
        time.sleep(clock.uniform(0.0, 0.3))
        process.kill()
        process.wait()
    resume_run(killed, is_quiet=True)

    assert digests(killed) == digests(whole)
    assert numbers(killed) == numbers(whole)


def _wait_until_it_trains(directory: Path, process: subprocess.Popen[bytes]) -> None:
    """Until a metric was noted that was not there when the process began."""
    metrics = directory / "metrics.csv"
    before = metrics.stat().st_mtime_ns if metrics.exists() else 0
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        if metrics.exists() and metrics.stat().st_mtime_ns > before:
            return
        time.sleep(0.002)
