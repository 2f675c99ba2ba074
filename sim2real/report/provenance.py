"""Where the numbers come from, and how to get them again."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

from sim2real.report.shown import words

_ELSEWHERE = ("task_names", "command")
"""shown elsewhere in the page"""


def provenance_rows(
    results: Mapping[str, Any], recorded_at: Sequence[str]
) -> list[tuple[str, str]]:
    """Name and value of everything that the results say about their origin."""
    origin = {
        name: value for name, value in results["provenance"].items() if name not in _ELSEWHERE
    }
    rows = [
        ("bundle", str(results["bundle"]["name"])),
        ("bundle digest", str(results["bundle"]["digest"])),
        *((words(name), _text(value)) for name, value in origin.items()),
        ("recorded", " to ".join(dict.fromkeys([*recorded_at[:1], *recorded_at[-1:]]))),
        ("report", _made_by()),
    ]
    return [(name, value) for name, value in rows if value]


def _made_by() -> str:
    """What computed the page."""
    versions = (f"{name} {metadata.version(name)}" for name in ("taskbelief", "numpy", "mcap"))
    return ", ".join([*versions, f"Python {platform.python_version()}", _machine()])


def _machine() -> str:
    return f"{platform.system()} {platform.machine()}"


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {one}" for name, one in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def commands(results: Mapping[str, Any], folder: str) -> list[str]:
    """What makes results and page again."""
    stated = results["provenance"].get("command", "")
    return [*([str(stated)] if stated else []), f"taskbelief report {folder}"]
