"""The robot's computer has neither torch nor MuJoCo nor ROS, and needs none of them."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

BLOCKED = ("torch", "mujoco", "rclpy", "training", "onnx", "gymnasium", "serial")
BLOCKER = f"""
import importlib.abc, sys
class Blocker(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {BLOCKED!r}:
            raise ModuleNotFoundError(f"{{name}} is not on this computer")
sys.meta_path.insert(0, Blocker())
"""
REPLAY = """
import sys
from pathlib import Path
from sim2real.contract.robot_spec import load_robot_spec
from sim2real.runtime.verify import load_bundle
from sim2real.runtime.golden import require_golden
spec = load_robot_spec()
bundle = load_bundle(Path(sys.argv[1]), spec)
print("difference", require_golden(bundle, spec))
"""
INSPECT = """
import sys
from pathlib import Path
from sim2real.runtime.inspection import inspect
sys.exit(inspect(Path(sys.argv[1]), json=True))
"""


@pytest.mark.parametrize(
    ("script", "expected"), [(REPLAY, "difference"), (INSPECT, '"verified": true')]
)
def test_a_bundle_is_verified_where_nothing_of_training_can_be_imported(
    exported_bundles, script, expected
):
    run = subprocess.run(
        [sys.executable, "-c", BLOCKER + script, exported_bundles()],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stderr
    assert expected in run.stdout


def test_the_blocker_does_block():
    run = subprocess.run(
        [sys.executable, "-c", BLOCKER + "import torch"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert "torch is not on this computer" in run.stderr


@pytest.mark.slow
@pytest.mark.skipif("TASKBELIEF_OFFLINE" in os.environ, reason="installs from the package index")
def test_a_plain_installation_inspects_and_replays_a_bundle(exported_bundles, tmp_path):
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, str(ROOT)], check=True, cwd=tmp_path)
    bundle = exported_bundles()

    replayed = subprocess.run(
        [python, "-c", REPLAY, bundle], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    inspected = subprocess.run(
        [python, "-c", INSPECT, bundle],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )

    assert replayed.returncode == 0, replayed.stderr
    assert inspected.returncode == 0, inspected.stderr
    assert '"verified": true' in inspected.stdout
