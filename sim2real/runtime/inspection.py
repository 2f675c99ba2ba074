"""What a bundle is, for a person or as JSON."""

from __future__ import annotations

import json as json_format
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sim2real.contract.camera import num_features
from sim2real.contract.errors import BadInput
from sim2real.contract.manifest import Manifest
from sim2real.contract.robot_spec import DCLAW, load_robot_spec
from sim2real.runtime.bundle import Bundle, read_bundle, require_robot
from sim2real.runtime.golden import require_golden
from sim2real.runtime.kinds.kind import Settings
from sim2real.runtime.kinds.registry import kind_of

Rows = list[tuple[str, str]]


def inspect(
    path: Annotated[Path, tyro.conf.Positional], json: bool = False, robot_config: Path = DCLAW
) -> int:
    """Show what a bundle observes, does, was trained on, how it scored, and whether it verifies.

    Args:
        path: the folder of a bundle.
        json: print JSON instead of tables.
        robot_config: the robot.yaml that the bundle is held to.
    """
    try:
        bundle = read_bundle(path)
    except BadInput as refused:
        if not json:
            raise
        print(json_format.dumps({"verified": False, "problem": str(refused)}, indent=1))
        return 2
    problem, difference = _verified(bundle, robot_config)
    if json:
        document = json_format.loads(bundle.manifest.to_json())
        document |= {"digest": bundle.digest, "verified": not problem, "problem": problem or None}
        print(json_format.dumps(document, indent=1))
    else:
        _show_bundle(bundle, problem, difference)
    return 2 if problem else 0


def _verified(bundle: Bundle, robot_config: Path) -> tuple[str, float]:
    """What keeps the bundle from this robot, if anything; the golden vectors' difference."""
    spec = load_robot_spec(robot_config)
    try:
        require_robot(bundle, spec)
        return "", require_golden(bundle, spec)
    except BadInput as refused:
        return str(refused), float("nan")


# ---- a bundle ----------------------------------------------------------------------------------


def _show_bundle(bundle: Bundle, problem: str, difference: float) -> None:
    manifest, console = bundle.manifest, Console(highlight=False)
    verdict = "[bold red]no[/]" if problem else f"yes, golden vectors within {difference:.1g}"
    console.print(_table(f"{manifest.name}  {bundle.digest}", _overview(bundle), verdict))
    console.print(_observation_table(manifest))
    if manifest.results:
        console.print(_results_table(manifest))
    if problem:
        console.print(f"[bold red]not verified[/]  {escape(problem)}", soft_wrap=True)


def _overview(bundle: Bundle) -> Rows:
    manifest, settings = bundle.manifest, bundle.settings()
    action, origin = manifest.action, manifest.provenance
    steps = sorted({f"{step:g}" for step in action.max_step_rad})
    seen = "visible" if manifest.skill.target_visible else "hidden: to be inferred from reward"
    rate = 1.0 / manifest.control_period_s
    seconds = manifest.episode_length * manifest.control_period_s
    return [
        ("robot", f"{manifest.robot.name}, {len(manifest.robot.joint_names)} joints"),
        ("skill", f"{manifest.skill.name}, goal {seen}"),
        ("rate", f"{rate:g} Hz, ±{manifest.control_period_tolerance:.0%} to count as evidence"),
        ("episode", f"{manifest.episode_length} ticks, {seconds:g} s"),
        ("acts by", f"{action.kind} joint targets, at most {' or '.join(steps)} rad a tick"),
        ("adapts by", kind_of(settings).words(settings).acts_by),
        *_camera_rows(manifest),
        ("context", _context_text(manifest)),
        ("trained", f"{origin.algorithm} on {origin.family}, recipe {origin.recipe}"),
        ("", f"seed {origin.seed}, {origin.environment_steps:,} environment steps"),
        ("commit", origin.git_commit),
        ("tasks", origin.task_set_sha256),
        ("parity", ", ".join(f"{g.role} {g.max_parity_error:.1e}" for g in manifest.graphs)),
        ("made with", ", ".join(f"{k} {v}" for k, v in origin.packages.items()) or "unknown"),
        ("episodes", _exploration_text(settings)),
    ]


def _camera_rows(manifest: Manifest) -> Rows:
    """What a policy sees through; nothing of one that is blind."""
    camera = manifest.camera
    if camera is None:
        return []
    size, rate = f"{camera.height} x {camera.width} pixels", 1.0 / camera.period_s
    features = num_features(manifest.observation.layout)
    return [("sees", f"camera {camera.name}, {size} at {rate:g} Hz, as {features} features")]


def _exploration_text(settings: Settings) -> str:
    how = ", with noise on their actions" if settings.takes_action_noise else ""
    return f"the first {settings.num_exploration_episodes} of a trial explore{how}"


def _context_text(manifest: Manifest) -> str:
    if manifest.context is None:
        return "none"
    layout = manifest.context.layout
    outcome = ", next observation" if layout.uses_next_observation else ""
    return f"observation, applied action, reward{outcome}: {layout.size} numbers"


def _table(title: str, rows: Rows, verdict: str) -> Table:
    table = Table(title=title, show_header=False, title_justify="left")
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, text in rows:
        table.add_row(name, escape(text))
    table.add_row("verified", verdict)
    return table


def _observation_table(manifest: Manifest) -> Table:
    layout = manifest.observation.layout
    table = Table(title=f"observes {layout.size} numbers", title_justify="left")
    table.add_column("index", justify="right")
    for column in ("term", "unit", "mean", "deviation"):
        table.add_column(column)
    for term in layout.terms:
        part = layout.slice_of(term.name)
        index = f"{part.start}" if term.size == 1 else f"{part.start}-{part.stop - 1}"
        mean, std = manifest.normalizer.mean[part], manifest.normalizer.std[part]
        table.add_row(index, term.name, term.unit, _range_text(mean), _range_text(std))
    return table


def _range_text(values: Iterable[float]) -> str:
    low, high = min(values := list(values)), max(values)
    return f"{low:.3g}" if low == high else f"{low:.3g} to {high:.3g}"


def _results_table(manifest: Manifest) -> Table:
    results = manifest.results
    tasks = f"{results['tasks']:g} held-out tasks" if "tasks" in results else "held-out tasks"
    table = Table(title=f"on {tasks} (95 % intervals)", title_justify="left")
    metrics = ("return", "success")
    table.add_column("condition")
    for metric in metrics:
        table.add_column(metric)
    for place in sorted({name.split("/")[0] for name in results if "/" in name}):
        table.add_row(place, *(_interval_text(results, f"{place}/{name}") for name in metrics))
    return table


def _interval_text(results: Any, name: str) -> str:
    if name not in results:
        return ""
    mean, low, high = (results[f"{name}{end}"] for end in ("", "/low", "/high"))
    return f"{mean:.2f}  [{low:.2f}, {high:.2f}]".replace("[", r"\[")
