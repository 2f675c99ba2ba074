"""The model card of a bundle: what it is for, how it was made, what it scored, where it ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sim2real.contract.manifest import Manifest
from sim2real.runtime.kinds.registry import kind_of, settings_of
from training.export.adaptation_curve import CURVE

CONDITIONS = {
    "adapted": "adapted: the last episode of a trial",
    "episode_0": "the first episode, before anything was learnt",
    "frozen_prior": "the last episode, had no evidence ever arrived",
    "wrong_task": "the last episode, on the belief of another task",
}
_PURPOSE = {
    "valve_turn": "Turns a valve to a target angle",
    "valve_screw": "Turns a valve at a target velocity",
    "pose": "Brings all joints to a pose that may move",
}


@dataclass(frozen=True, kw_only=True)
class Story:
    """What a card tells of training that a manifest does not hold."""

    has_fixed_goal: bool = False
    """whether every task asks for the same, so that nothing of it has to be inferred"""
    taught: str = ""
    """what was taught that simulation alone knows; empty: nothing"""


def model_card(story: Story, manifest: Manifest, summary: Mapping[str, Any] | None) -> str:
    """Markdown; `summary` is an evaluation's `conditions` and `adapted_by_episode`."""
    skill, origin = manifest.skill, manifest.provenance
    settings = settings_of(manifest.adaptation, manifest.name)
    parts = [
        f"# {manifest.name}",
        f"{_PURPOSE.get(skill.name, skill.name)} on a {manifest.robot.name}. "
        f"{_goal(story, manifest)} {kind_of(settings).words(settings).card}",
        "Numbers below were measured in simulation through the controller that runs on the robot. "
        "Nothing here was measured on hardware.",
    ]
    if summary is not None:
        parts += ["## Results", _results(summary), f"![Return per episode of a trial]({CURVE})"]
        parts.append(_by_episode(summary["adapted_by_episode"]))
    parts += ["## How it was made", _making(story, manifest), "## How to use it", _use(manifest)]
    parts += ["## Where it ends", _limits(manifest, origin.family)]
    return "\n\n".join(parts) + "\n"


def _goal(story: Story, manifest: Manifest) -> str:
    if manifest.skill.target_visible:
        return "The target is visible to the policy."
    if story.has_fixed_goal:
        return "The target is the same in every task and part of what was learnt."
    return "The target is hidden: it has to be inferred from the reward."


def _results(summary: Mapping[str, Any]) -> str:
    trials = "one trial" if summary["trials"] == 1 else f"{summary['trials']} trials"
    lines = [
        f"{summary['tasks']} held-out tasks, {trials} of {len(summary['adapted_by_episode'])} "
        "episodes on each; means over tasks with 95 % intervals (Wilson for success, bootstrap "
        "for return).",
        "",
        "| condition | return | success |",
        "|---|---|---|",
    ]
    for name, label in CONDITIONS.items():
        if name in summary["conditions"]:
            metrics = summary["conditions"][name]
            lines.append(f"| {label} | {_cell(metrics['return'])} | {_cell(metrics['success'])} |")
    return "\n".join(lines)


def _by_episode(episodes: Sequence[Mapping[str, Any]]) -> str:
    lines = ["| episode | return | success |", "|---|---|---|"]
    for number, metrics in enumerate(episodes):
        lines.append(f"| {number} | {_cell(metrics['return'])} | {_cell(metrics['success'])} |")
    return "\n".join(lines)


def _cell(interval: Mapping[str, float]) -> str:
    return f"{interval['mean']:.2f} [{interval['low']:.2f}, {interval['high']:.2f}]"


def _making(story: Story, manifest: Manifest) -> str:
    origin = manifest.provenance
    parity = ", ".join(f"{g.role} {g.max_parity_error:.1e}" for g in manifest.graphs)
    packages = ", ".join(f"{name} {version}" for name, version in origin.packages.items())
    return "\n".join(
        [
            f"- `taskbelief train {origin.recipe} --seed {origin.seed}`, then `taskbelief export`",
            f"- {origin.algorithm} on {origin.family}, {origin.environment_steps:,} environment "
            "steps" + (f"; {story.taught}" if story.taught else ""),
            f"- commit `{origin.git_commit}`, task set `{origin.task_set_sha256}`",
            f"- torch against ONNX Runtime over the golden vectors: {parity}",
            f"- {packages or 'library versions unknown'}",
        ]
    )


def _use(manifest: Manifest) -> str:
    return "\n".join(
        [
            "```",
            f"taskbelief inspect bundles/{manifest.name}",
            f"taskbelief evaluate bundles/{manifest.name} --robot simulated",
            "```",
            "",
            f"It must be run at {1.0 / manifest.control_period_s:g} Hz. Loading it checks every "
            "byte, the robot, and 200 recorded ticks that the controller must reproduce.",
        ]
    )


def _limits(manifest: Manifest, family: str) -> str:
    return (
        f"It knows the tasks of the family `{family}`, for a robot whose robot.yaml has the "
        f"fingerprint `{manifest.robot.fingerprint[:16]}`, and no others. Limits of current, "
        "temperature and speed are the business of the safety ladder, not of the policy."
    )
