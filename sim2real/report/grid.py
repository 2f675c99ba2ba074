"""A table of the page: what stands where, without how it looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Rows under columns; the first cell of a row says what it is about."""

    caption: str
    columns: tuple[str, ...]
    rows: Sequence[Sequence[Markup | str]]
    groups: tuple[tuple[str, int], ...] = ()
    """what stands above how many columns"""
