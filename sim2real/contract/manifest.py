"""The manifest's schema: everything a robot must know about a policy before it may act.

Numbers are written as JSON prints a Python float, which is lossless; nothing is rounded. Reading
is strict: a missing, unknown or ill-typed field is refused by name. What the files *contain* is
verified by the bundle that holds them.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from sim2real.contract.action import ActionMap
from sim2real.contract.camera import EYE, CameraSpec, num_features
from sim2real.contract.context import ContextLayout
from sim2real.contract.errors import BadInput
from sim2real.contract.normalizer import FrozenNormalizer
from sim2real.contract.observation import ObservationLayout
from sim2real.contract.strict import build
from sim2real.contract.text_file import parse_json

SCHEMA_VERSION = 2


@dataclass(frozen=True, kw_only=True)
class RobotReference:
    """The robot that the policy was trained for."""

    name: str
    fingerprint: str
    """`RobotSpec.fingerprint`: another robot.yaml, another robot"""
    joint_names: tuple[str, ...]
    """the order of every joint array"""


@dataclass(frozen=True, kw_only=True)
class SkillReference:
    """Which skill the policy performs, and how it was set up."""

    name: str
    target_visible: bool
    options: Mapping[str, float]
    """numeric settings of the skill, as its constructor takes them"""


@dataclass(frozen=True, kw_only=True)
class ObservationRecord:
    """The observation layout with its digest, so that a hand edit of either shows."""

    layout: ObservationLayout
    digest: str


@dataclass(frozen=True, kw_only=True)
class ContextRecord:
    """The context layout with its digest."""

    layout: ContextLayout
    digest: str


@dataclass(frozen=True, kw_only=True)
class NormalizerRecord:
    """The statistics that are compiled into the policy graph, for people to read."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    clip: float

    @classmethod
    def of(cls, normalizer: FrozenNormalizer) -> NormalizerRecord:
        return cls(
            mean=tuple(map(float, normalizer.mean)),
            std=tuple(map(float, normalizer.std)),
            clip=normalizer.clip,
        )

    def restore(self) -> FrozenNormalizer:
        """The value it was made of, bit for bit."""
        return FrozenNormalizer(
            mean=np.array(self.mean, np.float32),
            std=np.array(self.std, np.float32),
            clip=self.clip,
        )


@dataclass(frozen=True, kw_only=True)
class Adaptation:
    """How behaviour changes with context on the robot."""

    kind: str
    """one of `sim2real.runtime.kinds.registry.KINDS`"""
    settings: Mapping[str, Any]
    """plain JSON: the fields of that kind's settings"""


@dataclass(frozen=True, kw_only=True)
class TensorRecord:
    """One input or output of a graph."""

    name: str
    dtype: Literal["float32", "int64", "bool", "uint8"]
    shape: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class GraphRecord:
    """One ONNX graph of the bundle."""

    role: Literal["policy", "encoder", "recurrent", "adapt", "decoder", "critic", "eye"]
    file: str
    inputs: tuple[TensorRecord, ...]
    outputs: tuple[TensorRecord, ...]
    max_parity_error: float
    """largest difference between torch and ONNX Runtime over the golden sequence; of numbers above
    one, relative to them"""


@dataclass(frozen=True, kw_only=True)
class FileRecord:
    """One file of the bundle beside the manifest."""

    name: str
    sha256: str
    num_bytes: int


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where the policy comes from."""

    recipe: str
    algorithm: str
    family: str
    seed: int
    git_commit: str
    task_set_sha256: str
    environment_steps: int
    packages: Mapping[str, str]
    """names and versions of the libraries that trained and exported it"""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The contract of one bundle."""

    schema_version: int
    name: str
    robot: RobotReference
    control_period_s: float
    control_period_tolerance: float
    """fraction of the period by which two readings may be off and still count as evidence"""
    episode_length: int
    """ticks of an episode in training"""
    skill: SkillReference
    observation: ObservationRecord
    context: ContextRecord | None
    """None where nothing adapts"""
    action: ActionMap
    normalizer: NormalizerRecord
    adaptation: Adaptation
    graphs: tuple[GraphRecord, ...]
    files: tuple[FileRecord, ...]
    provenance: Provenance
    results: Mapping[str, float]
    """how it scored on held-out tasks, as `evaluate` measured it"""
    camera: CameraSpec | None = None
    """what its eye looks through; None for a policy that is blind"""

    def to_json(self) -> str:
        """Lossless JSON, keys in the order of the schema; what was added later only if it is used,
        so that a bundle which does without stays the same byte for byte."""
        document = dataclasses.asdict(self)
        for name, nothing in _ADDED_LATER.items():
            if document[name] == nothing:
                del document[name]
        return json.dumps(document, indent=1, allow_nan=False) + "\n"


_ADDED_LATER: Mapping[str, Any] = {"camera": None}
"""fields that manifests of this schema once lacked, as bundles without them behave"""


def parse_manifest(text: str, where: str) -> Manifest:
    """Read a manifest; `where` names its file in messages.

    Raises `BadInput` when it is not JSON, has another schema version, or a field does not fit.
    """
    document = parse_json(text, where, "a manifest")
    version = document.get("schema_version")
    if version != SCHEMA_VERSION:  # first: other versions may have other fields
        raise BadInput(
            where,
            "schema_version",
            found=version,
            expected=str(SCHEMA_VERSION),
            remedy=_UPGRADE if version == 1 else _EXPORT_AGAIN,
        )
    manifest = build(Manifest, {**_ADDED_LATER, **document}, where)
    _validate(manifest, where)
    return manifest


_UPGRADE = "convert the bundle: taskbelief upgrade OLD NEW"
_EXPORT_AGAIN = "export the run again with this version of taskbelief"


_PLAIN_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


def _validate(manifest: Manifest, where: str) -> None:
    def require(holds: bool, field: str, found: object, expected: str) -> None:
        if not holds:
            raise BadInput(where, field, found=found, expected=expected)

    for index, file in enumerate(manifest.files):
        plain = _PLAIN_FILE_NAME.fullmatch(file.name) is not None
        require(plain, f"files[{index}].name", file.name, "a plain file name inside the bundle")
    listed = {file.name for file in manifest.files}
    names = [file.name for file in manifest.files]
    require(len(listed) == len(names), "files", sorted(names), "every name once")
    for index, graph in enumerate(manifest.graphs):
        require(graph.file in listed, f"graphs[{index}].file", graph.file, "a name in `files`")
    observation, action = manifest.observation, manifest.action
    digest = observation.layout.digest
    require(observation.digest == digest, "observation.digest", observation.digest, digest)
    context = manifest.context
    if context is not None:
        digest = context.layout.digest
        require(context.digest == digest, "context.digest", context.digest, digest)
    size = observation.layout.size
    found = len(manifest.normalizer.mean)
    require(found == size, "normalizer.mean", f"{found} values", f"{size}, as the observation has")
    seen = num_features(observation.layout)
    is_seeing, terms = manifest.camera is not None, f"a term {EYE} last in the observation"
    require((seen > 0) == is_seeing, "camera", manifest.camera, f"one just where there is {terms}")
    joints = len(manifest.robot.joint_names)
    require(action.size == joints, "action", f"{action.size} joints", f"{joints}, as the robot has")
    period = manifest.control_period_s
    require(period > 0, "control_period_s", period, "seconds above 0")
