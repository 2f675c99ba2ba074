"""The rehearsal of docs/first_day.md: its own commands, as written, on an emulated hand's port."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sim2real.contract.robot_spec import load_robot_spec
from sim2real.emulator.bus_server import EmulatedBus

pytestmark = [pytest.mark.realtime, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "docs" / "first_day.md").read_text()
SPEC = load_robot_spec()
LONGEST_S = 900.0
TRIES = 3
"""an emulated hand in real time is stopped, rightly, where the machine is away for a while; what is
refused is refused at once"""
OF_ROS = ("ros2",)
"""needs ros2cli, which the wheels do not bring; tests/ros takes the same node the same way"""


def commands() -> list[str]:
    """Of the page's blocks, in order; a line that ends with a backslash goes on."""
    blocks = re.findall(r"^```\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [" ".join(line.split()) for line in lines if line.strip()]


def rehearsed(command: str, port: str, out: Path) -> str:
    """What the page says to change for a rehearsal: port and unit. Results go elsewhere."""
    text = command.replace("/dev/ttyUSB0", port).replace("SERIAL", "emulated")
    return text.replace("results/", f"{out}/")


def test_the_page_has_its_commands():
    verbs = {command.split()[0] + " " + command.split()[1] for command in commands()}

    assert {"taskbelief doctor", "taskbelief provision", "taskbelief evaluate"} <= verbs
    assert {"taskbelief gap", "pytest tests/hil", "ros2 lifecycle"} <= verbs


def test_every_command_works_on_an_emulated_port(tmp_path):
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    with EmulatedBus(SPEC) as bus:
        for command in commands():
            if command.startswith(OF_ROS):
                continue
            for _ in range(TRIES):
                ended = subprocess.run(
                    rehearsed(command, bus.port, tmp_path),
                    shell=True,
                    cwd=ROOT,
                    env=environment,
                    input="yes\n",
                    capture_output=True,
                    text=True,
                    timeout=LONGEST_S,
                )
                print(command, "->", ended.returncode)
                if ended.returncode == 0 or ended.returncode == 2:
                    break
            assert ended.returncode == 0, f"{command}\n{ended.stdout[-3000:]}{ended.stderr[-3000:]}"
    assert (tmp_path / "first" / "report.html").is_file()
