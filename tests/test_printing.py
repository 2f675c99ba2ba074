"""Printing ends no work: other encodings, full disks, closed and deserted outputs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = (
    "num_iterations=2", "num_initial_steps=20", "tasks_per_iteration=20", "num_prior_steps=20",
    "num_extra_steps=20", "num_gradient_steps=3", "hidden_sizes=8,8", "evaluation_interval=1",
    "num_exploration_episodes=1", "num_trial_episodes=2", "checkpoint_interval=1",
)  # fmt: skip
TRAIN = ("train", "pearl-point-robot", "--out", "run", "--settings", *SETTINGS)
TASKS = ("tasks", "sparse_point_robot", "t.json")


def shell(
    tmp_path: Path, *arguments: str, redirect: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    """A verb with its output sent wherever a shell can send it."""
    words = " ".join(f"'{word}'" for word in (sys.executable, "-m", "sim2real.cli", *arguments))
    return subprocess.run(
        ["bash", "-c", f"{words} {redirect}"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        encoding="latin-1",
    )


def is_trained(folder: Path) -> bool:
    return (folder / "run/checkpoints/0000002").is_dir() and (folder / "run/eval.json").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_training_goes_on_in_any_encoding(tmp_path, encoding):
    ended = shell(tmp_path, *TRAIN, PYTHONIOENCODING=encoding)

    assert ended.returncode == 0, ended.stderr
    assert is_trained(tmp_path)
    assert "iteration 2" in ended.stdout
    assert "\\u2192" in ended.stdout, "an arrow that such an output does not know"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("redirect", "code", "said"),
    [
        (">/dev/full", 1, "what was printed is not whole: No space left on device"),
        ("| true; exit ${PIPESTATUS[0]}", 141, ""),
        (">&-", 0, ""),
    ],
)
def test_training_is_finished_whoever_reads(tmp_path, redirect, code, said):
    ended = shell(tmp_path, *TRAIN, redirect=redirect)

    assert is_trained(tmp_path)
    assert ended.returncode == code, ended.stderr
    assert said in ended.stderr
    assert ended.stderr.count("\n") == bool(said)


@pytest.mark.parametrize(
    ("redirect", "code"),
    [(">/dev/full", 1), (">&-", 0), ("2>&-", 0), (">&- 2>&- <&-", 0), ("2>/dev/full", 0)],
)
def test_tasks_are_saved_whoever_reads(tmp_path, redirect, code):
    ended = shell(tmp_path, *TASKS, redirect=redirect)

    assert ended.returncode == code, ended.stderr
    assert (tmp_path / "t.json").read_text().startswith("{\n"), "and nothing was printed into it"
    assert [path.name for path in tmp_path.iterdir()] == ["t.json"]


@pytest.mark.parametrize("redirect", ["2>&-", "2>/dev/full", ">&- 2>&-"])
def test_a_refusal_that_cannot_be_said_is_still_one(tmp_path, redirect):
    assert shell(tmp_path, "tasks", "valve_spin", "t.json", redirect=redirect).returncode == 2


def test_help_in_ascii(tmp_path):
    ended = shell(tmp_path, "train", "--help", PYTHONIOENCODING="ascii")

    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="needs a user who may mount")
@pytest.mark.parametrize("verb", ["tasks", "train", "evaluate"])
def test_a_full_disk_is_one_line(tmp_path, verb, exported_bundles):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)])
    if mount.returncode != 0:
        pytest.skip("no right to mount")
    try:
        given = {
            "tasks": ("tasks", "valve_turn", "disk/t.json", "--num-train", "2000"),
            "train": tuple("disk/run" if word == "run" else word for word in TRAIN),
            "evaluate": (
                "evaluate", str(exported_bundles("gaussian_belief")), "--out", "disk/out",
            ),
        }  # fmt: skip
        ended = shell(tmp_path, *given[verb])
        left = [str(path) for path in disk.rglob("*.part")]
    finally:
        subprocess.run(["umount", str(disk)], check=True)

    assert ended.returncode == 1, ended.stderr
    assert "Traceback" not in ended.stderr
    assert "No space left on device" in ended.stderr or "disk full" in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert not [path for path in left if not path.endswith(".mcap.part")]
