"""Text that a person may have written is parsed in one module, and files are written in one."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("sim2real", "training", "ros_ws/src", "launch")

PARSERS = {"safe_load", "load", "loads", "full_load", "unsafe_load"}
READER = "sim2real/contract/text_file.py"
READS = {
    "sim2real/evaluation/hands.py": "a line of the emulator, a process of our own",
    "sim2real/hardware/bus_benchmark.py": "a line of the emulator, a process of our own",
    "sim2real/bringup/processes.py": "a line of the emulator, a process of our own",
    "sim2real/emulator/camera_process.py": "lines of the emulator, whose process it is",
    "sim2real/bringup/graph.py": "a graph that one of our processes hands to another",
    "sim2real/recording/schemas.py": "the text of messages that are shipped",
    "sim2real/report/page.py": "templates that are shipped",
    "training/suite/page.py": "templates that are shipped",
    "training/exploration_study.py": "its own clock, and tables as it has printed them",
    "sim2real/hardware/dynamixel/port.py": "a number of the kernel",
    "sim2real/recognition.py": "looks what a file is, and refuses none",
    "sim2real/runtime/kinds/registry.py": "settings of the command line, one value each",
    "sim2real/recording/bag.py": "what rosbag2 writes, in its own spelling of YAML",
    "training/benchmarks/ros.py": "what nodes of our own logged",
}
"""modules that parse or read text by themselves, and what it is that no person writes"""

WRITER = "sim2real/contract/output_file.py"
WRITES = {
    "sim2real/runtime/bundle.py": "a folder that is renamed as a whole",
    "training/runs/checkpoint.py": "a folder that is renamed as a whole",
    "ros_ws/src/taskbelief_evaluation/taskbelief_evaluation/bench_node.py": "for its own parent",
}
"""modules that write whole files by themselves, and why"""


def calls(path: Path) -> Iterator[str]:
    """`name` or `owner.name` of everything that is called."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            yield f"{owner.id if isinstance(owner, ast.Name) else ''}.{node.func.attr}"


def modules() -> list[Path]:
    found = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
    assert len(found) > 250
    return [path for path in found if "/build/" not in str(path) and "/install/" not in str(path)]


def parses(path: Path) -> bool:
    return any(
        name == ".read_text"
        or name.endswith(".read_text")
        or (name.split(".")[0] in ("yaml", "json") and name.split(".")[1] in PARSERS)
        for name in calls(path)
    )


def writes(path: Path) -> bool:
    return any(name.endswith((".write_text", ".write_bytes")) for name in calls(path))


@pytest.mark.parametrize(
    ("does", "here", "others"), [(parses, READER, READS), (writes, WRITER, WRITES)]
)
def test_nobody_else_does(does, here, others):
    found = {str(path.relative_to(ROOT)) for path in modules() if does(path)}

    assert found - {here} == set(others), "use the one module, or say here why not"
