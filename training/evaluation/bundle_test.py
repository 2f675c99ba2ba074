"""`taskbelief evaluate`: a bundle on its held-out tasks, through the controller of the robot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from sim2real.contract.errors import BadInput
from sim2real.contract.robot_spec import load_robot_spec
from sim2real.evaluation.evaluate import (
    Evaluation,
    evaluate_bundle,
    num_rounds,
    results_document,
    write_results,
    write_traces,
)
from sim2real.evaluation.trial import TrialProtocol
from sim2real.runtime.bundle import MANIFEST, TASKS, Bundle
from sim2real.runtime.verify import load_bundle
from training.evaluation.simulated import simulated_arenas
from training.families.claw import ClawFamily
from training.families.registry import FAMILIES
from training.families.task import Task, load_task_set


def evaluate(
    bundle: Annotated[Path, tyro.conf.Positional],
    robot: Literal["simulated"] = "simulated",
    out: Path | None = None,
    num_tasks: int | None = None,
    num_trials: int = 1,
    num_episodes: int = 3,
    seed: int = 0,
    robust: Path | None = None,
    traces: bool = False,
) -> None:
    """Evaluate BUNDLE on its held-out tasks, adapted and with its belief taken away.

    Args:
        bundle: the folder of a bundle.
        robot: what to run it on.
        out: the folder for results.json; none is written by default.
        num_tasks: how many of the held-out tasks; all by default.
        num_trials: trials per task.
        num_episodes: episodes of a trial; the last one is the adapted one.
        seed: of starting points and latents.
        robust: a bundle that does not adapt, to compare with on the same tasks.
        traces: also write every tick of the adapted trials, to `traces/` beside results.json.
    """
    require_counts(num_tasks=num_tasks, num_trials=num_trials, num_episodes=num_episodes)
    loaded = load_bundle(bundle, load_robot_spec())
    family = claw_family(loaded.manifest.provenance.family, loaded.path_of(MANIFEST))
    tasks = load_task_set(bundle / TASKS).test[:num_tasks]
    protocol = TrialProtocol(num_episodes=num_episodes, num_trials=num_trials, seed=seed)
    evaluation = measure(loaded, family, tasks, protocol)
    document = results_document(loaded, evaluation, robot=robot, safety_events={})
    if robust is not None:
        document["conditions"]["robust"] = _baseline(robust, loaded, family, tasks, protocol)
    if out is not None:
        write_results(out / "results.json", document)
        if traces:
            write_traces(out / "traces", evaluation)
    _show(document)


def require_counts(**counts: int | None) -> None:
    """Raise `BadInput` for options that must be at least 1, where they are given."""
    for name, count in counts.items():
        if count is not None and count < 1:
            option = f"--{name.replace('_', '-')}"
            raise BadInput("command line", option, found=count, expected="at least 1")


def _baseline(
    folder: Path,
    compared: Bundle,
    family: ClawFamily,
    tasks: Sequence[Task],
    protocol: TrialProtocol,
) -> dict[str, Any]:
    """The last episodes of a bundle without adaptation on the same tasks and starting points."""
    baseline = load_bundle(folder, load_robot_spec())
    found, expected = baseline.manifest.adaptation.kind, compared.manifest.skill.name
    where = baseline.path_of(MANIFEST)
    if found != "none":
        raise BadInput(where, "adaptation.kind", found=found, expected="none")
    if baseline.manifest.skill.name != expected:
        skill = baseline.manifest.skill.name
        raise BadInput(where, "skill.name", found=skill, expected=expected)
    summary = measure(baseline, family, tasks, protocol).summary()
    intervals: dict[str, Any] = summary["conditions"]["adapted"]
    return intervals


def claw_family(name: str, where: str) -> ClawFamily:
    """The family of that name. Raises `BadInput` for one that is met on no robot."""
    family = FAMILIES.get(name)
    if not isinstance(family, ClawFamily):
        known = [key for key, value in FAMILIES.items() if isinstance(value, ClawFamily)]
        expected = f"a family of the claw: {', '.join(known)}"
        raise BadInput(where, "family", found=name, expected=expected)
    return family


def measure(
    bundle: Bundle, family: ClawFamily, tasks: Sequence[Task], protocol: TrialProtocol
) -> Evaluation:
    """Every condition on every task, with progress on stderr.

    Raises `BadInput` where the family is simulated at another rate than the bundle's.
    """
    period, scene = bundle.manifest.control_period_s, family.scene
    if period != scene.control_period_s:
        expected = f"{scene.control_period_s}, as family {family.name} is simulated"
        raise BadInput(
            bundle.path_of(MANIFEST), "control_period_s", found=period, expected=expected
        )
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as progress:
        bar = progress.add_task(f"evaluating {bundle.manifest.name}", total=num_rounds(len(tasks)))
        return evaluate_bundle(
            bundle,
            scene.spec,
            simulated_arenas(scene, tasks),
            protocol,
            advance=lambda: progress.advance(bar),
        )


def _show(document: dict[str, Any]) -> None:
    title = f"{document['bundle']['name']} on {document['tasks']} {document['robot']} tasks"
    table = Table(title=f"{title}: mean and 95 % interval", title_justify="left")
    table.add_column("condition")
    metrics = ("return", "success")
    for metric in metrics:
        table.add_column(metric, justify="right")
    rows = {
        **{f"adapted, episode {k}": row for k, row in enumerate(document["adapted_by_episode"])},
        **{
            name.replace("_", " "): row
            for name, row in document["conditions"].items()
            if name not in ("adapted", "episode_0")
        },
    }
    for name, row in rows.items():
        table.add_row(name, *(_interval(row[metric]) for metric in metrics))
    console = Console(highlight=False)
    console.print(table)
    latency = document["latency_s"]
    console.print(
        f"tick p50 {latency['p50'] * 1e6:.0f} µs, p99 {latency['p99'] * 1e6:.0f} µs; "
        f"{document['evidence']['accepted']} transitions accepted"
    )


def _interval(interval: dict[str, float]) -> str:
    return f"{interval['mean']:.2f}  ({interval['low']:.2f} to {interval['high']:.2f})"
