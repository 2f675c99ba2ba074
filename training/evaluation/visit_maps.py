"""Where explorer and student have been, early and late: a picture, and its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim2real.contract.output_file import write_json, write_with

Shares = Mapping[str, NDArray[np.float64]]
"""by `who/when`, (X, Y): the share of steps in each cell of two observed numbers, over [-1, 1]"""


def draw_visits(shares: Shares, path: Path, *, title: str) -> None:
    """A panel for each: a map, or a profile where the second number never changes."""
    from matplotlib.figure import Figure  # without pyplot: no window system, no global state

    is_flat = all((share.any(0)).sum() <= 1 for share in shares.values())
    columns = -(-len(shares) // 2)
    figure = Figure(figsize=(3.2 * columns, 5.6), layout="constrained")
    panels = figure.subplots(2, columns, squeeze=False, sharex=True, sharey=True)
    for axes, (name, share) in zip(panels.flat, shares.items(), strict=False):
        axes.set_title(name.replace("/", ", "), fontsize="small")
        if is_flat:
            edges = np.linspace(-1.0, 1.0, len(share) + 1)
            axes.stairs(share.sum(1), edges, fill=True)
        else:
            axes.imshow(np.sqrt(share.T), origin="lower", extent=(-1, 1, -1, 1), cmap="viridis")
    figure.supxlabel("first observed number")
    figure.supylabel("share of steps" if is_flat else "second observed number")
    figure.suptitle(title)
    write_with(path, lambda beside: figure.savefig(beside, format="png", dpi=120))


def write_visits(shares: Shares, path: Path) -> None:
    """The shares as JSON, (X, Y) each, and the ends of the axes."""
    document: dict[str, Any] = {name: share.round(6).tolist() for name, share in shares.items()}
    write_json(path, {"schema_version": 1, "low": -1.0, "high": 1.0, "share": document})
