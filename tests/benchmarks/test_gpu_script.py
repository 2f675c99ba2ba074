"""The script for a machine with a GPU: the same commands, tiny, on the processor."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sim2real.contract.errors import BadInput
from training.benchmarks.time_to_success import print_time_to_success

ROOT = Path(__file__).resolve().parents[2]
TINY = (
    "num_iterations=2", "num_gradient_steps=1", "num_initial_steps=20", "tasks_per_iteration=1",
    "num_prior_steps=20", "num_posterior_steps=20", "num_test_tasks=2", "evaluation_interval=1",
)  # fmt: skip


def script(*words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHON": sys.executable, "OMP_NUM_THREADS": "1"}
    command = [str(ROOT / "benchmarks" / "gpu.sh"), *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=5000)


def test_without_a_gpu_or_a_file_to_write_it_says_so(tmp_path):
    assert script().returncode == script("a", "b").returncode == 2
    if subprocess.run(["sh", "-c", "nvidia-smi"], capture_output=True).returncode == 0:
        pytest.skip("there is a GPU here")
    refused = script(str(tmp_path / "gpu.jsonl"))
    assert refused.returncode == 2
    assert "nvidia-smi finds no GPU" in refused.stderr
    assert not (tmp_path / "gpu.jsonl").exists()


@pytest.mark.slow
@pytest.mark.skipif(
    "TASKBELIEF_DRY_RUN" not in os.environ,
    reason="minutes of a core for a script that few run: TASKBELIEF_DRY_RUN=1",
)
@pytest.mark.skipif(
    importlib.util.find_spec("mujoco_warp") is None, reason="MuJoCo Warp is not installed"
)
def test_a_dry_run_measures_every_part(tmp_path):
    done = script("--dry-run", str(tmp_path / "gpu.jsonl"))

    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in (tmp_path / "gpu.jsonl").read_text().splitlines()]
    assert {line["card"] for line in lines} == {"none: a dry run on the processor"}
    assert {line["bench"] for line in lines} == {"sim", "train", "time_to_success"}
    assert all(line["value"] is not None for line in lines)
    cases = [line["case"] for line in lines]
    assert "valve_turn@400hz/warp/cpu/threads=1" in cases
    assert any(case.startswith("update/reference_sizes/context=1024") for case in cases)


@pytest.mark.slow
def test_what_is_not_reached_has_no_time(tmp_path, capsys):
    options = {"recipe": "pearl-point-robot", "settings": TINY}

    assert print_time_to_success(tmp_path / "run", success=1.0, limit_s=120.0, **options) == 0

    record = json.loads(capsys.readouterr().out)
    assert record["case"] == "pearl-point-robot/mujoco/cpu"
    assert record["value"] is None
    assert 0.0 <= record["success_reached"] < 1.0
    with pytest.raises(BadInput, match="expected no run"):
        print_time_to_success(tmp_path / "run", **options)
