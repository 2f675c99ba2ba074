"""What the message and service files of the ROS workspace promise their readers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "ros_ws" / "src" / "taskbelief_interfaces"
MESSAGES = sorted(PACKAGE.glob("msg/*.msg"))
SERVICES = sorted(PACKAGE.glob("srv/*.srv"))
NUMBER = re.compile(r"(?:u?int\d+|float\d+|byte|char)(?:\[.*?\])?\s")


@pytest.mark.parametrize("path", [*MESSAGES, *SERVICES], ids=lambda path: path.name)
def test_every_number_says_what_it_counts_or_measures(path):
    unexplained = [
        line
        for line in path.read_text().splitlines()
        if NUMBER.match(line) and not re.search(r"# .*\w", line)
    ]

    assert not unexplained


def test_the_package_builds_every_file():
    listed = re.findall(r'"((?:msg|srv)/\w+\.\w+)"', (PACKAGE / "CMakeLists.txt").read_text())

    assert listed == [str(path.relative_to(PACKAGE)) for path in (*MESSAGES, *SERVICES)]
