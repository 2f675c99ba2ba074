"""Who may know whom, checked in a fresh interpreter rather than in the import graph alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def modules_after(statement: str) -> set[str]:
    code = f"{statement}\nimport sys; print('\\n'.join(sys.modules))"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return {name.split(".")[0] for name in run.stdout.split()}


def test_contract_and_skills_load_numpy_and_nothing_heavy():
    loaded = modules_after(import_all("contract", "skills"))

    assert not loaded & {"torch", "mujoco", "rclpy", "onnxruntime", "serial", "training"}
    assert "numpy" in loaded


def test_serving_and_recording_load_neither_physics_nor_a_port():
    loaded = modules_after(import_all("runtime", "recording"))

    assert not loaded & {"torch", "mujoco", "rclpy", "serial", "training"}
    assert {"onnxruntime", "mcap"} <= loaded


def test_the_robot_side_never_loads_training_or_torch():
    packages = [path.parent.name for path in (ROOT / "sim2real").glob("*/__init__.py")]

    loaded = modules_after(import_all(*packages))

    assert not loaded & {"torch", "training", "gymnasium", "rclpy"}


def import_all(*packages: str) -> str:
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for package in packages
        for path in sorted((ROOT / "sim2real" / package).rglob("*.py"))
        if path.stem != "__init__"
    ]
    return "\n".join(f"import {name}" for name in names)


@pytest.mark.parametrize("folder", ["launch", "hardware_configs"])
def test_data_folders_are_no_packages(folder):
    # launch/__init__.py would shadow ROS 2's own `launch` package.
    assert not (ROOT / folder / "__init__.py").exists()
