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

from sim2real.contract.camera import with_eye
from sim2real.contract.manifest import (
    SCHEMA_VERSION,
    ContextRecord,
    GraphRecord,
    Manifest,
    NormalizerRecord,
    ObservationRecord,
    Provenance,
    RobotReference,
    SkillReference,
)
from sim2real.contract.robot_spec import RobotSpec
from sim2real.runtime.bundle import GOLDEN, TASKS, Bundle, graph_record
from sim2real.runtime.golden import RecordedNoise, golden_controller, replay, write_golden
from sim2real.runtime.kinds.kind import Role
from sim2real.runtime.kinds.registry import record_of, signatures
from sim2real.runtime.onnx_model import OnnxModel
from sim2real.skills.registry import make_skill
from sim2real.skills.skill import Skill
from training.algorithms.learner import Deployed
from training.benches.arena import SimulatedArena
from training.export.parity import MAX_EYE_PARITY_ERROR, MAX_PARITY_ERROR, parity_error
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


@dataclass(frozen=True, kw_only=True, eq=False)
class Draft:
    """A bundle in memory, before its results and its card are known."""

    manifest: Manifest
    files: dict[str, bytes]

    def as_bundle(self, folder: Path = Path("draft")) -> Bundle:
        """To be run without a disk."""
        return Bundle(folder=folder, manifest=self.manifest, digest="draft", files=self.files)


def make_draft(deployed: Deployed, scene: ClawScene, task_set: TaskSet, origin: Origin) -> Draft:
    """Graphs and golden vectors of a learner, with the measured parity in the manifest.

    Raises `ParityError` where torch and ONNX Runtime differ by more than `MAX_PARITY_ERROR`, or
    where the golden sequence does not show whether they do.
    """
    manifest = _manifest(deployed, scene, origin)
    wanted = signatures(manifest, deployed.settings)
    modules = {role: deployed.modules[role] for role in wanted}
    files = {f"{role}.onnx": to_onnx(module, wanted[role]) for role, module in modules.items()}
    manifest = dataclasses.replace(manifest, graphs=_graphs(manifest, dict.fromkeys(modules, 0.0)))
    draft = Draft(manifest=manifest, files=files)
    arena = SimulatedArena(scene, task_set.test[0], row=0)
    with arena.robot as robot:
        robot.activate()
        golden = record_golden(draft.as_bundle(), arena, seed=origin.provenance.seed)
    errors = _parity(draft, modules, golden, scene.spec)
    files = {**files, GOLDEN: write_golden(golden), TASKS: _saved(task_set)}
    manifest = dataclasses.replace(manifest, graphs=_graphs(manifest, errors))
    return Draft(manifest=manifest, files=files)


def _saved(task_set: TaskSet) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / TASKS
        task_set.save(path)
        return path.read_bytes()


def _manifest(deployed: Deployed, scene: ClawScene, origin: Origin) -> Manifest:
    spec, layout, context = scene.spec, scene.skill.layout, deployed.context_layout
    if scene.camera is not None:
        layout = with_eye(layout, deployed.observation_size - layout.size)
    return Manifest(
        schema_version=SCHEMA_VERSION,
        name=origin.name,
        robot=RobotReference(
            name=spec.name, fingerprint=spec.fingerprint, joint_names=spec.joint_names
        ),
        control_period_s=scene.control_period_s,
        control_period_tolerance=CONTROL_PERIOD_TOLERANCE,
        episode_length=scene.episode_length,
        skill=skill_reference(scene.skill, len(scene.spec.joints)),
        observation=ObservationRecord(layout=layout, digest=layout.digest),
        context=None if context is None else ContextRecord(layout=context, digest=context.digest),
        action=scene.action_map,
        normalizer=NormalizerRecord.of(deployed.normalizer),
        adaptation=record_of(deployed.settings),
        graphs=(),
        files=(),
        provenance=origin.provenance,
        results={},
        camera=scene.camera,
    )


def skill_reference(skill: Skill, num_joints: int) -> SkillReference:
    """How to make the same skill again for a hand of J joints; its numeric settings are options.

    Raises `ValueError` for one that has others: a robot would be paid for another thing.
    """
    assert dataclasses.is_dataclass(skill)
    kinds = ("float", float, "bool", bool)
    names = [item.name for item in dataclasses.fields(skill) if item.type in kinds]
    names.remove("target_visible")  # has a place of its own
    reference = SkillReference(
        name=skill.name,
        target_visible=skill.target_visible,
        options={name: float(getattr(skill, name)) for name in names},
    )
    again = make_skill(reference, num_joints, "skill")
    if again != skill:
        raise ValueError(
            f"{again} is not {skill}: only settings that are a number or a flag are kept"
        )
    return reference


def _graphs(manifest: Manifest, errors: Mapping[Role, float]) -> tuple[GraphRecord, ...]:
    return tuple(
        graph_record(manifest, role, f"{role}.onnx", error) for role, error in errors.items()
    )


def _parity(
    draft: Draft,
    modules: Mapping[Role, nn.Module],
    golden: Mapping[str, NDArray[Any]],
    spec: RobotSpec,
) -> dict[Role, float]:
    """Largest difference per graph over all that entered it during the golden sequence."""
    bundle, errors = draft.as_bundle(), dict[Role, float]()
    entered, models = graph_inputs(bundle, golden, spec), bundle.models()
    wanted = signatures(draft.manifest, bundle.settings())
    for role, module in modules.items():
        for name, values in entered[role].items():
            if not values.any():  # what a zero is multiplied by may be anything
                raise ParityError(f"{role}: {name} is zero throughout the golden sequence")
        error = parity_error(module, models[role], wanted[role], entered[role])
        limit = MAX_EYE_PARITY_ERROR if role == "eye" else MAX_PARITY_ERROR
        if not error <= limit or math.isnan(error):
            raise ParityError(f"{role}: torch and ONNX Runtime differ by {error:.3g}")
        errors[role] = error
    return errors


def graph_inputs(
    bundle: Bundle, golden: Mapping[str, NDArray[Any]], spec: RobotSpec
) -> dict[Role, dict[str, NDArray[Any]]]:
    """What enters each graph when the golden sequence is replayed, (T, ...) by input name."""
    models = {
        graph.role: _Overheard(bundle.files[graph.file], graph, graph.file)
        for graph in bundle.manifest.graphs
    }
    for model in models.values():
        model.entered.clear()  # what it was warmed up with
    replay(golden_controller(bundle, spec, RecordedNoise(golden), models), golden)
    return {role: model.columns() for role, model in models.items()}


class _Overheard(OnnxModel):
    """A graph that remembers what entered it."""

    def __init__(self, content: bytes, record: GraphRecord, where: str) -> None:
        self.entered: list[dict[str, NDArray[Any]]] = []
        super().__init__(content, record, where)

    def run(self) -> None:
        self.entered.append({name: array[0].copy() for name, array in self.inputs.items()})
        super().run()

    def columns(self) -> dict[str, NDArray[Any]]:
        """(T, ...) by input name."""
        return {
            name: np.array([row[name] for row in self.entered]).reshape(-1, *array.shape[1:])
            for name, array in self.inputs.items()
        }
