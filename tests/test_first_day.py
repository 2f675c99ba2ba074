"""The rehearsal of docs/first_day.md: its own commands, as written, on an emulated hand's port."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sim2real.bringup.graph import EmulatorSpec
from sim2real.bringup.processes import EmulatedHand
from sim2real.runtime.realtime import may_use_realtime
from sim2real.tether import tethered

pytestmark = [pytest.mark.realtime, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "docs" / "first_day.md").read_text()
LONGEST_S = 900.0
PRIORITY = 10 if may_use_realtime(10) else 0
"""as `taskbelief demo` has it: an emulated hand in real time is stopped, rightly, where the machine
is away for a while"""
TRIES = 3
"""without that priority it may be; what is refused is refused at once"""
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


def run(command: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        tethered(["bash", "-c", command], os.getpid(), PRIORITY),
        cwd=ROOT,
        env={**os.environ, "PATH": path},
        input="yes\n",
        capture_output=True,
        text=True,
        timeout=LONGEST_S,
    )


def test_the_page_has_its_commands():
    verbs = {" ".join(command.split()[:2]) for command in commands()}

    assert {"taskbelief doctor", "taskbelief provision", "taskbelief evaluate"} <= verbs
    assert {"taskbelief gap", "pytest tests/hil", "ros2 lifecycle"} <= verbs


def test_every_command_works_on_an_emulated_port(tmp_path):
    spec = EmulatorSpec(link=str(tmp_path / "ttyUSB0"), realtime_priority=PRIORITY)
    with EmulatedHand(spec, environment=os.environ) as hand:
        port = hand.await_port()["port"]
        for command in commands():
            if command.startswith(OF_ROS):
                continue
            for _ in range(TRIES):
                ended = run(rehearsed(command, port, tmp_path))
                print(command, "->", ended.returncode)
                if ended.returncode in (0, 2):
                    break
            said = ended.stdout[-3000:] + ended.stderr[-3000:]
            assert ended.returncode == 0, f"{command}\n{said}"
    assert (tmp_path / "first" / "report.html").is_file()
