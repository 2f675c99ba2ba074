"""No package knows itself by a detour, not even for the sake of types."""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).resolve().parents[2]


def packages_known_by(root: str) -> dict[str, set[str]]:
    """Which packages and modules right under `root` each of them imports."""
    graph = grimp.build_graph(root, exclude_type_checking_imports=False, cache_dir=None)
    known: dict[str, set[str]] = defaultdict(set)
    for module in graph.modules:
        for other in graph.find_modules_directly_imported_by(module):
            one, two = module.split(".")[1:2], other.split(".")[1:2]
            if one and two and one != two:
                known[one[0]].add(two[0])
    return known


def reached(known: dict[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        fresh = known.get(waiting.pop(), set()) - seen
        seen |= fresh
        waiting += fresh
    return seen


@pytest.mark.parametrize("root", ["sim2real", "training"])
def test_no_package_is_in_a_circle(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(ROOT), *sys.path])
    known = packages_known_by(root)

    assert len(known) > 10
    assert [name for name in known if name in reached(known, name)] == []


def test_a_circle_over_three_is_found() -> None:
    known = {"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}

    assert [name for name in known if name in reached(known, name)] == ["a", "b", "c"]
