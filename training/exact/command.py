"""`taskbelief exact`: the exact references, for people and for scripts."""

from __future__ import annotations

import dataclasses
from json import dumps
from pathlib import Path

from rich.console import Console
from rich.table import Column, Table

from sim2real.contract.output_file import require_writable, write_json
from training.exact.references import references


def exact(json: bool = False, out: Path | None = None) -> None:
    """Work out the best, and some simpler, ways to explore small problems; no learning.

    Args:
        json: one object a line: problem, quantity, value.
        out: a JSON file that gets all of them, to be kept beside results.
    """
    require_writable(out, "--out")
    names = (Column(name, overflow="fold") for name in ("problem", "quantity"))
    table = Table(*names, Column("value", justify="right"), "")
    documents = []
    for reference in references():
        documents.append(dataclasses.asdict(reference))
        if json:
            keys = ("problem", "quantity", "value")
            print(dumps({key: documents[-1][key] for key in keys}), flush=True)
        table.add_row(
            reference.problem, reference.quantity, f"{reference.value:.4f}", reference.meaning
        )
    if not json:
        Console().print(table)
    if out is not None:
        document = {"schema_version": 1, "references": documents}
        write_json(out, document, allow_nan=False)
