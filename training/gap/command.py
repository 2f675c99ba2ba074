"""`taskbelief gap`: what lies between two robots, or between a robot and its simulation."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import mujoco
import tyro
from rich.console import Console

from sim2real.contract.errors import BadInput
from sim2real.contract.output_file import require_folder, write_file
from sim2real.contract.require import require_not_negative, require_seeds
from sim2real.contract.robot_spec import DCLAW, load_robot_spec
from sim2real.gap.measure import measure_gap
from sim2real.gap.show import show_gap
from sim2real.gap.side import Side, read_side
from sim2real.gap.tables import gap_tables, write_tables
from sim2real.hardware.physics_model import load_physics_model
from training.benches.emulate import task_named
from training.families.ranges import write_ranges
from training.gap.identification import identification, ranges_file
from training.gap.identify import FitOptions
from training.gap.unknowns import with_dynamics
from training.worlds.dynamics import VARIATIONS

GAP, RANGES, FIGURES = "gap.json", "ranges.yaml", "gap"
Parameters = dict[str, tuple[float, ...]]
Dynamics = Literal["recorded", "nominal"]


def gap(
    a: Annotated[Path, tyro.conf.Positional],
    b: Annotated[Path, tyro.conf.Positional],
    out: Path | None = None,
    dynamics: Dynamics = "recorded",
    task: str | None = None,
    identify: int = 0,
    seed: int = 0,
    namespace: tuple[str, ...] = (),
    robot_config: Path = DCLAW,
) -> int:
    """Measure what lies between A and B: B minus A, from their recordings alone.

    A and B are recordings (*.mcap), or folders that hold some, as `taskbelief evaluate --out` and
    `taskbelief excite` write them. A is the reference, as in simulation.

    Args:
        a: the reference.
        b: what is compared with it.
        out: folder for gap.json, gap/*.csv and ranges.yaml; none are written by default.
        dynamics: what replays run in: the dynamics of the tasks as far as recordings state them, or
            the robot as its model file describes it, which is all that is known of a real one.
        task: FILE:INDEX, a task of a saved set whose dynamics all replays run in instead.
        identify: how many of B's tasks to identify the dynamics of, from its recordings.
        seed: of the bootstraps.
        namespace: of the robot, where recordings hold the topics of several: one for A and B, or
            A's and B's, as in `--namespace left right`.
        robot_config: the hand of both: a robot.yaml, its folder, or a robot's name.
    """
    require_not_negative(identify=identify)
    require_seeds(seed=seed)
    require_folder(out, "--out")
    spec = load_robot_spec(robot_config)
    base = load_physics_model(spec)
    fixed = None if task is None else _dynamics_of(dict(task_named(task, spec).parameters))
    of_a, of_b = _namespaces(namespace)
    sides = read_side(a, of_a), read_side(b, of_b)
    assumed = _assumed(sides[1], dynamics, fixed)

    def model_of(side: Side, name: str) -> mujoco.MjModel:
        return with_dynamics(base, _assumed(side, dynamics, fixed)(name))

    shown = f"of {task}" if task else dynamics
    document = measure_gap(*sides, spec, model_of, dynamics=shown, seed=seed)
    console = Console(highlight=False, soft_wrap=True)
    if identify:
        with Console(stderr=True).status("identifying") as status:
            document["identification"] = identification(
                sides[1],
                identify,
                spec,
                base,
                assumed,
                options=FitOptions(),
                tell=lambda name: status.update(f"identifying {name}"),
            )
    if out is not None:
        _write(out, document, sides[1])
    show_gap(console, document)
    return 0


def _namespaces(given: tuple[str, ...]) -> tuple[str | None, str | None]:
    """A's and B's; None: there is one robot only."""
    if len(given) > 2:
        raise BadInput(
            "command line", "--namespace", found=given, expected="one name, or A's and B's"
        )
    return (given[0], given[-1]) if given else (None, None)


def _assumed(
    side: Side, dynamics: Dynamics, fixed: Parameters | None
) -> Callable[[str], Parameters]:
    """By task, the dynamics that replays of a side run in. A real object's are not known."""

    def parameters(task: str) -> Parameters:
        if fixed is not None:
            return fixed
        if dynamics == "nominal" or side.robot == "serial":
            return {}
        return _dynamics_of(dict(side.tasks.get(task, {})))

    return parameters


def _dynamics_of(parameters: Parameters) -> Parameters:
    return {name: value for name, value in parameters.items() if name in VARIATIONS}


def _write(folder: Path, document: dict[str, Any], b: Side) -> None:
    """Each file is written beside its target, then renamed."""
    write_file(folder / GAP, json.dumps(document, indent=1, allow_nan=False) + "\n")
    write_tables(folder / FIGURES, gap_tables(document))
    found = document["identification"]
    if found is not None and found["ranges"]:
        write_ranges(folder / RANGES, ranges_file(found, b))
