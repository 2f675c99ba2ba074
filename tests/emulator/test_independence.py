"""Emulator and driver share the codecs and nothing else: neither can hide the other.

The physics behind the emulator (the model, what a task changes about it, what light reaches a
camera) knows no driver.
"""

from __future__ import annotations

import ast
from pathlib import Path

import sim2real.emulator

CODEC = {"crc", "packet", "instructions", "stream"}
FRAMES = {"mailbox", "file_camera"}
"""how a frame is laid down for another process: what a packet is to the bus"""
PHYSICS = {"physics_model", "task_numerics", "simulated_camera"}
HOST_END = "direct_port.py"
"""the host's end of a line, which the driver opens: it belongs to neither"""
PREFIX = "sim2real.hardware."


def imported_names(path: Path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def test_only_the_codecs_are_shared():
    folder = Path(sim2real.emulator.__file__).parent
    files = [path for path in sorted(folder.glob("*.py")) if path.name != HOST_END]
    assert len(files) > 8
    allowed = {f"{PREFIX}dynamixel.{name}" for name in CODEC}
    allowed |= {f"{PREFIX}{name}" for name in FRAMES | PHYSICS}
    found = {name for path in files for name in imported_names(path) if name.startswith(PREFIX)}
    assert found <= allowed
    assert f"{PREFIX}dynamixel.packet" in found
