"""From a learner to a bundle: graphs, manifest, golden vectors, results, model card."""

from __future__ import annotations

import dataclasses
import math
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from sim2real.contract.manifest import (
    SCHEMA_VERSION,
    Adaptation,
    ContextRecord,
    GraphRecord,
    LatentSource,
    Manifest,
    NormalizerRecord,
    ObservationRecord,
    Provenance,
    RobotReference,
    SkillReference,
)
from sim2real.contract.transition import Transition
from sim2real.runtime.bundle import GOLDEN, TASKS, Bundle, graph_record
from sim2real.runtime.golden import ENDS_EPISODE, write_golden
from sim2real.runtime.graphs import Role, signatures
from sim2real.skills.skill import Skill
from training.algorithms.learner import ExportParts
from training.benches.arena import SimulatedArena
from training.export.parity import MAX_PARITY_ERROR, parity_error
from training.export.record_golden import record_golden
from training.export.to_onnx import to_onnx
from training.tasks.task_set import TaskSet
from training.worlds.claw import ClawScene

CONTROL_PERIOD_TOLERANCE = 0.2
"""a fifth of a period: more is another dynamics than the one trained on, less rejects the ordinary
jitter of a Linux host"""


class ParityError(RuntimeError):
    """ONNX Runtime does not compute what torch computes: nothing is exported."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What a bundle says about where it comes from."""

    name: str
    provenance: Provenance
    latent_source: LatentSource = "episode_sample"
    """what the policy is conditioned on where there is a latent"""
    resample_every_ticks: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Draft:
    """A bundle in memory, before its results and its card are known."""

    manifest: Manifest
    files: dict[str, bytes]

    def as_bundle(self, folder: Path = Path("draft")) -> Bundle:
        """To be run without a disk."""
        return Bundle(folder=folder, manifest=self.manifest, digest="draft", files=self.files)


def make_draft(parts: ExportParts, scene: ClawScene, task_set: TaskSet, origin: Origin) -> Draft:
    """Graphs and golden vectors of a learner, with the measured parity in the manifest.

    Raises `ParityError` where torch and ONNX Runtime differ by more than `MAX_PARITY_ERROR`.
    """
    manifest = _manifest(parts, scene, origin)
    modules = {role: parts.modules[role] for role in signatures(manifest)}
    files = {
        f"{role}.onnx": to_onnx(module, signatures(manifest)[role])
        for role, module in modules.items()
    }
    manifest = dataclasses.replace(manifest, graphs=_graphs(manifest, dict.fromkeys(modules, 0.0)))
    draft = Draft(manifest=manifest, files=files)
    arena = SimulatedArena(scene, task_set.test[0], row=0)
    with arena.robot as robot:
        robot.activate()
        golden = record_golden(draft.as_bundle(), arena, seed=origin.provenance.seed)
    errors = _parity(draft, modules, golden)
    files = {**files, GOLDEN: write_golden(golden), TASKS: _saved(task_set)}
    manifest = dataclasses.replace(manifest, graphs=_graphs(manifest, errors))
    return Draft(manifest=manifest, files=files)


def _saved(task_set: TaskSet) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / TASKS
        task_set.save(path)
        return path.read_bytes()


def _manifest(parts: ExportParts, scene: ClawScene, origin: Origin) -> Manifest:
    spec, layout, context = scene.spec, scene.skill.layout, parts.context_layout
    return Manifest(
        schema_version=SCHEMA_VERSION,
        name=origin.name,
        robot=RobotReference(
            name=spec.name, fingerprint=spec.fingerprint, joint_names=spec.joint_names
        ),
        control_period_s=scene.control_period_s,
        control_period_tolerance=CONTROL_PERIOD_TOLERANCE,
        episode_length=scene.episode_length,
        skill=skill_reference(scene.skill),
        observation=ObservationRecord(layout=layout, digest=layout.digest),
        context=None if context is None else ContextRecord(layout=context, digest=context.digest),
        action=scene.action_map,
        normalizer=NormalizerRecord.of(parts.normalizer),
        adaptation=Adaptation(
            kind=parts.adaptation,
            latent_size=parts.latent_size,
            hidden_size=parts.hidden_size,
            latent_source=origin.latent_source,
            resample_every_ticks=origin.resample_every_ticks,
            num_exploration_episodes=parts.num_exploration_episodes,
        ),
        graphs=(),
        files=(),
        provenance=origin.provenance,
        results={},
    )


def skill_reference(skill: Skill) -> SkillReference:
    """How to make the same skill again; the options are its numeric settings."""
    assert dataclasses.is_dataclass(skill)
    names = [item.name for item in dataclasses.fields(skill) if item.type in ("float", float)]
    return SkillReference(
        name=skill.name,
        target_visible=skill.target_visible,
        options={name: float(getattr(skill, name)) for name in names},
    )


def _graphs(manifest: Manifest, errors: Mapping[Role, float]) -> tuple[GraphRecord, ...]:
    return tuple(
        graph_record(manifest, role, f"{role}.onnx", error) for role, error in errors.items()
    )


def _parity(
    draft: Draft, modules: Mapping[Role, nn.Module], golden: Mapping[str, NDArray[Any]]
) -> dict[Role, float]:
    """Largest difference per graph over the golden sequence."""
    models, errors = draft.as_bundle().models(), dict[Role, float]()
    recorded = graph_inputs(draft.manifest, golden)
    for role, module in modules.items():
        signature = signatures(draft.manifest)[role]
        error = parity_error(module, models[role], signature, recorded[role])
        if not error <= MAX_PARITY_ERROR or math.isnan(error):
            raise ParityError(f"{role}: torch and ONNX Runtime differ by {error:.3g}")
        errors[role] = error
    return errors


def graph_inputs(
    manifest: Manifest, golden: Mapping[str, NDArray[Any]]
) -> dict[Role, dict[str, NDArray[np.float32]]]:
    """What entered each graph during the golden sequence, (T, size) by input name."""
    observation, condition = golden["observation"], golden["condition"]
    adaptation = manifest.adaptation
    name = {"gaussian_belief": "latent", "recurrent_belief": "hidden"}.get(adaptation.kind, "")
    inputs: dict[Role, dict[str, NDArray[np.float32]]] = {
        "policy": {"observation": observation, **({name: condition} if name else {})}
    }
    if manifest.context is None:
        return inputs
    after = np.flatnonzero(golden["is_evidence"])
    ended = golden["event"][after] == ENDS_EPISODE
    context_row = manifest.context.layout.row(
        Transition(
            observation=observation[after - 1],
            action=golden["applied_action"][after - 1],
            reward=golden["reward"][after].astype(np.float32),
            next_observation=observation[after],
            terminated=np.zeros_like(ended),
            truncated=ended,
        )
    )
    inputs["encoder"] = {"context_row": context_row}
    inputs["recurrent"] = {"context_row": context_row, "hidden": condition[after - 1]}
    return inputs
