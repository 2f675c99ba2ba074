"""Numbers that come from the command line, held to what they mean.

One check per kind of number, shared by all verbs: `BadInput` names the option as it was typed.
"""

from __future__ import annotations

import math
from typing import Any

from sim2real.contract.errors import BadInput

WHERE = "command line"
MAX_SEED = 2**32 - 1
"""what every generator takes"""
MAX_THREADS = 1024
MAX_COUNT = 2**31 - 1
"""what fits the integers of every library that is counted with"""


def require_counts(**counts: int | None) -> None:
    """Numbers of things: at least 1, where they are given."""
    for name, count in counts.items():
        _require(count is None or count >= 1, name, count, "at least 1")
        _require(count is None or count <= MAX_COUNT, name, count, f"at most {MAX_COUNT}")


def require_threads(**counts: int) -> None:
    """Threads of one process; 0 is refused by `require_counts` where it means nothing."""
    for name, count in counts.items():
        _require(0 <= count <= MAX_THREADS, name, count, f"0 to {MAX_THREADS}")


def require_not_negative(**numbers: int) -> None:
    """Whole numbers of which 0 means none, or a choice of the program's own."""
    for name, number in numbers.items():
        _require(number >= 0, name, number, "0 or more")
        _require(number <= MAX_COUNT, name, number, f"at most {MAX_COUNT}")


def require_seeds(**seeds: int) -> None:
    """Seeds of generators: 0 to 2³² - 1."""
    for name, seed in seeds.items():
        _require(0 <= seed <= MAX_SEED, name, seed, f"0 to {MAX_SEED}")


def require_positive(**numbers: float | None) -> None:
    """Rates and times: finite and above 0, where they are given."""
    for name, number in numbers.items():
        is_so = number is None or (math.isfinite(number) and number > 0)
        _require(is_so, name, number, "a finite number above 0")


def require_some(**lists: tuple[Any, ...]) -> None:
    """Lists that something is done for each of: nothing to do is bad input."""
    for name, values in lists.items():
        _require(len(values) > 0, name, "none", "one or more")


def option_of(name: str) -> str:
    """The option of a parameter: `num_tasks` is typed as --num-tasks."""
    return f"--{name.replace('_', '-')}"


def _require(holds: bool, name: str, found: object, expected: str) -> None:
    if not holds:
        raise BadInput(WHERE, option_of(name), found=found, expected=expected)
