"""The deployable folder: read and checked byte by byte, written whole or not at all.

    manifest.json     the contract (`sim2real.contract.manifest`)
    manifest.sha256   its checksum, as `sha256sum` prints and checks it
    *.onnx            the graphs
    golden.npz        a recorded sequence that a controller must reproduce
    tasks.json        the held-out tasks that the results were measured on
    README.md         the model card

The manifest names size and SHA-256 of every other file. Nothing is ever unpickled.
"""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from sim2real.contract.camera import (
    CAMERAS_YAML,
    CameraSpec,
    load_cameras,
    num_features,
    with_eye,
)
from sim2real.contract.errors import BadInput
from sim2real.contract.manifest import (
    FileRecord,
    GraphRecord,
    Manifest,
    TensorRecord,
    parse_manifest,
)
from sim2real.contract.output_file import naming
from sim2real.contract.robot_spec import RobotSpec
from sim2real.contract.text_file import decoded
from sim2real.runtime.kinds.kind import Role, Settings
from sim2real.runtime.kinds.registry import kind_of, settings_of, signatures
from sim2real.runtime.onnx_model import OnnxModel
from sim2real.skills.registry import make_skill
from sim2real.skills.skill import Skill

MANIFEST, CHECKSUM, GOLDEN = "manifest.json", "manifest.sha256", "golden.npz"
TASKS, MODEL_CARD = "tasks.json", "README.md"
MAX_FILE_BYTES = 64 * 2**20
"""a policy for a hand is a few megabytes; nothing larger is read into memory"""


@dataclass(frozen=True, kw_only=True, eq=False)
class Bundle:
    """A bundle whose files are all what its manifest says; held in memory, so they stay it."""

    folder: Path
    manifest: Manifest
    digest: str
    """first 16 digits of the manifest's SHA-256: names the bundle in logs and messages"""
    files: Mapping[str, bytes]

    def path_of(self, name: str) -> str:
        """A file of the bundle as messages call it."""
        return str(self.folder / name)

    def models(self) -> dict[Role, OnnxModel]:
        """A fresh set of the graphs, each with buffers of its own.

        Raises `BadInput` when a graph cannot be loaded or is not what the manifest says.
        """
        return {
            graph.role: OnnxModel(self.files[graph.file], graph, self.path_of(graph.file))
            for graph in self.manifest.graphs
        }

    def settings(self) -> Settings:
        """How its behaviour changes with context. Raises `BadInput` for what no kind has."""
        return settings_of(self.manifest.adaptation, self.path_of(MANIFEST))

    def skill(self) -> Skill:
        """The skill that the policy performs, set up as in training."""
        joints = len(self.manifest.robot.joint_names)
        return make_skill(self.manifest.skill, joints, self.path_of(MANIFEST))


def read_bundle(folder: Path) -> Bundle:
    """Read a bundle and check every byte of it.

    Raises `BadInput` naming the field, what was found and what was expected, for a file that is
    missing, damaged or no plain file, for a manifest that does not fit the schema or itself, and
    for a skill or graphs that do not fit the manifest.
    """
    text, digest = read_manifest(folder)
    where = str(folder / MANIFEST)
    manifest = parse_manifest(text, where)
    files = read_files(folder, manifest)
    bundle = Bundle(folder=folder, manifest=manifest, digest=digest[:16], files=files)
    _require_skill(bundle)
    _require_graphs(bundle, where)
    if GOLDEN not in files:
        raise BadInput(where, "files", found=sorted(files), expected=f"{GOLDEN} among them")
    return bundle


def read_manifest(folder: Path) -> tuple[str, str]:
    """The text of a manifest that fits its checksum, and its SHA-256. Raises `BadInput`."""
    content = _read(folder, MANIFEST)
    digest = hashlib.sha256(content).hexdigest()
    _require_checksum(_read(folder, CHECKSUM), digest, folder)
    return decoded(content, str(folder / MANIFEST)), digest


def read_files(folder: Path, manifest: Manifest) -> dict[str, bytes]:
    """Every other file, each as its manifest says. Raises `BadInput`."""
    return {
        file.name: _read_checked(folder, file, index) for index, file in enumerate(manifest.files)
    }


def write_bundle(folder: Path, manifest: Manifest, files: Mapping[str, bytes]) -> str:
    """Write a bundle beside `folder`, then rename; return its digest.

    `manifest.files` is worked out from `files`. An older bundle at this place is replaced; any
    other folder that holds something is refused with `BadInput`.
    """
    require_bundle_or_nothing(folder)
    records = tuple(
        FileRecord(name=name, sha256=hashlib.sha256(content).hexdigest(), num_bytes=len(content))
        for name, content in sorted(files.items())
    )
    text = replace(manifest, files=records).to_json()
    parse_manifest(text, MANIFEST)  # what cannot be read back is not written
    digest = hashlib.sha256(text.encode()).hexdigest()
    beside = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(beside, ignore_errors=True)
    written = {**files, MANIFEST: text.encode(), CHECKSUM: _checksum_line(digest)}
    try:
        with naming(folder):
            beside.mkdir(parents=True)
            for name, content in written.items():
                (beside / name).write_bytes(content)
            _put_in_place(beside, folder)
    except BaseException:  # a full disk, Ctrl-C
        shutil.rmtree(beside, ignore_errors=True)
        raise
    return digest[:16]


def require_bundle_or_nothing(folder: Path) -> None:
    """Raise `BadInput` for a place that holds something else: only a bundle is replaced."""
    is_empty = not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))
    if not is_empty and not (folder / MANIFEST).is_file():
        raise BadInput(str(folder), "folder", found="other files", expected="a bundle or nothing")


def require_robot(bundle: Bundle, spec: RobotSpec, control_period_s: float | None = None) -> None:
    """Raise `BadInput` unless the bundle was made for exactly this robot.

    `control_period_s` is the period at which it is about to be run; None: the bundle's own.
    """
    manifest, where = bundle.manifest, bundle.path_of(MANIFEST)
    robot = manifest.robot

    def require(field: str, found: object, expected: object, remedy: str = "") -> None:
        if found != expected:
            raise BadInput(where, field, found=found, expected=str(expected), remedy=remedy)

    require("robot.name", robot.name, spec.name)
    require("robot.joint_names", robot.joint_names, spec.joint_names)
    advice = "the bundle was made for another robot.yaml: export it again for this one"
    require("robot.fingerprint", robot.fingerprint, spec.fingerprint, advice)
    period = manifest.control_period_s
    require("control_period_s", period, period if control_period_s is None else control_period_s)
    _require_limits(manifest, spec, where)
    _require_camera(manifest, spec, where)


def _require_camera(manifest: Manifest, spec: RobotSpec, where: str) -> None:
    """The camera that the policy sees through, just as it was in training."""
    if manifest.camera is None:
        return
    needed, cameras = manifest.camera, load_cameras(spec)
    if needed.name not in cameras:
        at = str(spec.file_of(CAMERAS_YAML))
        expected = f"a camera {needed.name}, which bundle {manifest.name} sees through"
        raise BadInput(at, "cameras", found=list(cameras) or "none", expected=expected)
    for field in dataclasses.fields(CameraSpec):
        found, expected = getattr(needed, field.name), getattr(cameras[needed.name], field.name)
        if found != expected:
            said = f"{expected}, as {CAMERAS_YAML} of {spec.name} says"
            raise BadInput(where, f"camera.{field.name}", found=found, expected=said)


def _require_limits(manifest: Manifest, spec: RobotSpec, where: str) -> None:
    """No target beyond the joints' range, no step beyond their speed at this period."""
    action, rounding = manifest.action, 1e-9
    for index, joint in enumerate(spec.joints):
        low, high = action.lower_rad[index], action.upper_rad[index]
        if low < joint.lower_rad - rounding or high > joint.upper_rad + rounding:
            expected = f"within {joint.range_rad} of {joint.name}"
            raise BadInput(
                where, f"action.lower_rad[{index}]", found=(low, high), expected=expected
            )
        step, speed = action.max_step_rad[index], joint.max_velocity_rad_s
        if step > speed * manifest.control_period_s + rounding:
            expected = f"at most {speed} rad/s for {manifest.control_period_s} s"
            raise BadInput(where, f"action.max_step_rad[{index}]", found=step, expected=expected)


def _require_skill(bundle: Bundle) -> None:
    manifest, where = bundle.manifest, bundle.path_of(MANIFEST)
    layout, seen = bundle.skill().layout, num_features(manifest.observation.layout)
    if seen:
        layout = with_eye(layout, seen)
    if manifest.observation.digest != layout.digest:
        raise BadInput(
            where,
            "observation.digest",
            found=manifest.observation.digest,
            expected=f"{layout.digest}, as skill {manifest.skill.name} has it",
        )
    if manifest.context is not None:
        sizes = manifest.context.layout.observation_size, manifest.context.layout.action_size
        expected = layout.size, manifest.action.size
        if sizes != expected:
            raise BadInput(where, "context.layout", found=sizes, expected=f"sizes {expected}")


def _require_graphs(bundle: Bundle, where: str) -> None:
    manifest, settings = bundle.manifest, bundle.settings()
    if kind_of(settings).needs_context and manifest.context is None:
        advice = f"a context layout, as {manifest.adaptation.kind} needs one"
        raise BadInput(where, "context", found=None, expected=advice)
    expected = signatures(manifest, settings)
    roles = [graph.role for graph in manifest.graphs]
    if sorted(roles) != sorted(expected):
        raise BadInput(where, "graphs", found=roles, expected=f"each of {list(expected)} once")
    for index, graph in enumerate(manifest.graphs):
        signature = expected[graph.role]
        for kind, found, wanted in (
            ("inputs", graph.inputs, signature.inputs),
            ("outputs", graph.outputs, signature.outputs),
        ):
            if found != wanted:
                at = f"graphs[{index}].{kind}"
                raise BadInput(where, at, found=_shown(found), expected=_shown(wanted))


def _shown(tensors: tuple[TensorRecord, ...]) -> str:
    return ", ".join(f"{tensor.name} {tensor.dtype} {tensor.shape}" for tensor in tensors)


def _require_checksum(line: bytes, digest: str, folder: Path) -> None:
    stated = line[:64].decode("ascii", "replace")
    if line != _checksum_line(stated) or not set(stated) <= set("0123456789abcdef"):
        expected = f"64 hexadecimal digits and {MANIFEST}, as sha256sum prints them"
        raise BadInput(str(folder / CHECKSUM), "line", found=line[:100], expected=expected)
    if stated != digest:
        raise BadInput(str(folder / MANIFEST), "sha256", found=digest, expected=stated)


def _read_checked(folder: Path, file: FileRecord, index: int) -> bytes:
    content = _read(folder, file.name)
    where = str(folder / file.name)
    if len(content) != file.num_bytes:
        expected = f"{file.num_bytes}, as files[{index}] of the manifest says"
        raise BadInput(where, "num_bytes", found=len(content), expected=expected)
    digest = hashlib.sha256(content).hexdigest()
    if digest != file.sha256:
        raise BadInput(where, "sha256", found=digest, expected=file.sha256)
    return content


def _read(folder: Path, name: str) -> bytes:
    """A plain file of the folder: no link, which could lead anywhere, and nothing huge."""
    path = folder / name
    try:
        if path.is_symlink():
            raise BadInput(str(path), "file", found="a symbolic link", expected="a plain file")
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            expected = f"at most {MAX_FILE_BYTES} bytes"
            raise BadInput(str(path), "file", found=f"{size} bytes", expected=expected)
        return path.read_bytes()
    except FileNotFoundError:
        raise BadInput(
            str(path), "file", found="nothing", expected="a file of the bundle"
        ) from None
    except OSError as error:
        raise BadInput(str(path), "file", found=error.strerror, expected="a plain file") from None


def _checksum_line(digest: str) -> bytes:
    return f"{digest}  {MANIFEST}\n".encode(errors="replace")


def _put_in_place(beside: Path, folder: Path) -> None:
    """Rename over an older bundle; a kill in between leaves the old one beside, never a mixture."""
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    beside.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def graph_record(manifest: Manifest, role: Role, file: str, max_parity_error: float) -> GraphRecord:
    """The record of a graph with the tensors that its role has in this manifest."""
    signature = signatures(manifest, settings_of(manifest.adaptation, MANIFEST))[role]
    return GraphRecord(
        role=role,
        file=file,
        inputs=signature.inputs,
        outputs=signature.outputs,
        max_parity_error=max_parity_error,
    )
