"""The search's table, from the runs as they stand: `python table.py RUNS > table.md`.

RUNS is what `taskbelief sweep --out` was given: RUNS/RECIPE/SEED. A run that has not ended is shown
with what it has, and marked.
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

COLUMNS = (
    "| recipe | seed | steps | success on 40 held-out tasks, as it went | at the end | return |"
)
Curve = list[tuple[int, dict[str, float]]]


def curve(run: Path) -> Curve:
    """Steps of the environment, and what was measured on held-out tasks then."""
    found: dict[int, dict[str, float]] = {}
    with (run / "metrics.csv").open(encoding="utf-8") as file:
        for line in csv.DictReader(file):
            if line["metric"].startswith("adapted/"):
                at = found.setdefault(int(line["environment_steps"]), {})
                at[line["metric"].removeprefix("adapted/")] = float(line["value"])
    return sorted(found.items())


def row(run: Path) -> str:
    """One run as a row of the table."""
    recipe = json.loads((run / "config.json").read_text(encoding="utf-8"))["recipe"]
    measured = curve(run)
    name = f"| `{run.parent.name}` | {run.name} "
    if not measured:
        return f"{name}| | not measured yet | | |"
    steps, last = measured[-1]
    iterations = _iterations(run)
    is_over = iterations == recipe["num_iterations"]
    went = " ".join(f"{at['success']:.2f}" for _, at in measured)
    success = f"{last['success']:.2f} [{last['success/low']:.2f}, {last['success/high']:.2f}]"
    end = success if is_over else f"not over: {iterations} of {recipe['num_iterations']} iterations"
    return f"{name}| {steps:,} | {went} | {end} | {last['return']:.0f} |"


def _iterations(run: Path) -> int:
    with (run / "metrics.csv").open(encoding="utf-8") as file:
        return 1 + max(int(line["iteration"]) for line in csv.DictReader(file))


def main() -> None:
    runs = sorted(path.parent for path in Path(sys.argv[1]).glob("*/*/metrics.csv"))
    print(COLUMNS, "|---|--:|--:|---|---|--:|", *map(row, runs), sep="\n")


if __name__ == "__main__":
    main()
