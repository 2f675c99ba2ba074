"""Where a run comes from: commit, versions, machine."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import torch

_PACKAGES = (
    "taskbelief", "torch", "numpy", "mujoco", "mujoco-warp", "warp-lang", "gymnasium", "scipy",
    "onnx", "onnxruntime",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class RunProvenance:
    """What a run notes of itself when it begins."""

    git_commit: str | None
    """none outside a checkout"""
    git_is_clean: bool
    """false where tracked files had local changes"""
    packages: Mapping[str, str | None]
    """versions by name; none where it is not installed"""
    python: str
    """version"""
    machine: str
    """architecture"""
    torch_threads: int
    """on the CPU; a resumed run repeats bit for bit with as many"""


def provenance() -> RunProvenance:
    """Of this process."""
    return RunProvenance(
        git_commit=_git("rev-parse", "HEAD"),
        git_is_clean=_git("status", "--porcelain", "--untracked-files=no") == "",
        packages={name: _version(name) for name in _PACKAGES},
        python=platform.python_version(),
        machine=platform.machine(),
        torch_threads=torch.get_num_threads(),
    )


def _git(*words: str) -> str | None:
    command = ["git", "-C", str(Path(__file__).parent), *words]
    try:
        outcome = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return outcome.stdout.strip() if outcome.returncode == 0 else None


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
