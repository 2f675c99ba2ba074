"""Kinds of adaptation have one room: nobody else names them, or knows what is in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sim2real.runtime.kinds.registry import KINDS

ROOT = Path(__file__).resolve().parents[2]
ROOM = ROOT / "sim2real" / "runtime" / "kinds"
NAMES = [name for name in KINDS if "_" in name]
WORDS = [name for name in KINDS if name not in (*NAMES, "none")]
"""these are words like any other, and `none` is in quotes as well: named where they are quoted, or
where their module is"""
MAY_NAME = (ROOM, ROOT / "training" / "algorithms")
"""the kinds themselves, and the algorithms that deploy as one of them"""
PYTHON = sorted(
    path
    for folder in ("sim2real", "training", "ros_ws/src", "launch")
    for path in (ROOT / folder).rglob("*.py")
)
INTERFACES = sorted((ROOT / "ros_ws" / "src").rglob("*.msg"))


def naming(text: str) -> set[str]:
    named = {name for name in NAMES if re.search(rf"\b{name}\b", text)}
    quoted = {name for name in WORDS if re.search(rf"[\"']{name}[\"']|kinds[. ].*\b{name}\b", text)}
    return named | quoted


@pytest.mark.parametrize("path", [*PYTHON, *INTERFACES], ids=lambda p: str(p.relative_to(ROOT)))
def test_no_other_module_names_a_kind(path):
    if not any(path.is_relative_to(folder) for folder in MAY_NAME):
        assert not naming(path.read_text(encoding="utf-8"))


def test_every_kind_is_a_file_of_its_name():
    files = {path.stem for path in ROOM.glob("*.py")} - {"__init__", "kind", "registry"}

    assert files == set(KINDS)
    assert all(kind.name == name for name, kind in KINDS.items())


def test_a_name_would_be_found():
    assert naming('if adaptation.kind == "recurrent_belief":') == {"recurrent_belief"}
    assert naming("if kind == 'gradient': of the policy gradient") == {"gradient"}
    assert naming("from sim2real.runtime.kinds.gradient import KIND") == {"gradient"}
    assert naming("from sim2real.runtime.kinds import gradient") == {"gradient"}
    assert not naming("a step of policy gradient, or none")
    assert len(PYTHON) > 200
    assert any(naming(path.read_text()) for path in PYTHON if path.is_relative_to(MAY_NAME[1]))
