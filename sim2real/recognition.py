"""What a path is taken for, and which verb it is meant for: by what is there, not by its name."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sim2real.contract.errors import BadInput

MCAP = b"\x89MCAP"
_SQLITE, _ROS1_BAG, _ZSTD = b"SQLite format 3\0", b"#ROSBAG V", b"\x28\xb5\x2f\xfd"
_HEAD_BYTES = 64
_MAX_TEXT_BYTES = 64 * 1024 * 1024
_IN_BUNDLE = ("manifest.json", "manifest.sha256", "policy.onnx", "encoder.onnx", "golden.npz")
TAKEN = "a bundle's folder, a recording (.mcap, .mcap.part), or a rosbag2 folder"
"""what `taskbelief inspect` shows"""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """Something that a person may give, though nothing here can be shown of it."""

    name: str
    """as it is called"""
    matches: Callable[[Path], bool]
    remedy: str
    """what to do with it; {path} and {folder} are its own and that of the folder it is in"""


def is_bundle(path: Path) -> bool:
    """Whether a folder is meant as a bundle, whole or not."""
    return path.is_dir() and any((path / name).exists() for name in _IN_BUNDLE)


def is_recording(path: Path) -> bool:
    """Whether a file is an MCAP, or is called like one, as one that is not there may be."""
    if path.exists() and not path.is_file():
        return False
    return path.name.endswith((".mcap", ".mcap.part")) or _begins_with(path, MCAP)


def require_known(path: Path) -> None:
    """Raise the `BadInput` that says what a path is, and what may be done with it.

    Raises `OSError` for one that cannot be looked into.
    """
    if not path.exists():
        raise BadInput(str(path), "path", found="nothing", expected=TAKEN)
    kinds = FOLDERS if path.is_dir() else FILES
    kind = next((one for one in kinds if one.matches(path)), None)
    if kind is None:
        found = "a folder of something else" if path.is_dir() else "a file of another kind"
        raise BadInput(str(path), "path", found=found, expected=TAKEN)
    remedy = kind.remedy.format(path=path, folder=path.parent, inside=_first_inside(path))
    raise BadInput(str(path), "path", found=kind.name, expected=TAKEN, remedy=remedy)


# ---- folders -----------------------------------------------------------------------------------


def _holds(*names: str) -> Callable[[Path], bool]:
    return lambda path: all((path / name).exists() for name in names)


def _holds_bundles(path: Path) -> bool:
    return any(is_bundle(inside) for inside in path.iterdir())


def _holds_files(suffix: str) -> Callable[[Path], bool]:
    return lambda path: any(path.glob(f"*{suffix}"))


def _is_empty(path: Path) -> bool:
    return not any(path.iterdir())


def _first_inside(path: Path) -> str:
    """Something in a folder that can be shown."""
    if not path.is_dir():
        return ""
    inside = sorted(path.iterdir())
    shown = [one for one in inside if is_bundle(one) or is_recording(one)]
    return str(next(iter(shown), path))


FOLDERS = (
    Kind(name="an empty folder", matches=_is_empty, remedy="nothing is in it"),
    Kind(
        name="a run of `taskbelief train`",
        matches=_holds("config.json", "tasks.json"),
        remedy="export it first: taskbelief export {path} bundles/NAME",
    ),
    Kind(
        name="an evaluation",
        matches=_holds("results.json"),
        remedy="see it with: taskbelief report {path}; its recordings are in {path}/recordings",
    ),
    Kind(
        name="an evaluation that was not finished",
        matches=_holds("journal.jsonl"),
        remedy="go on with the same `taskbelief evaluate … --out {path} --resume`",
    ),
    Kind(
        name="what `taskbelief gap` wrote",
        matches=_holds("gap.json"),
        remedy="show it in a report: taskbelief report EVALUATION --gap {path}/gap.json",
    ),
    Kind(
        name="a rosbag2 folder without its metadata.yaml",
        matches=_holds_files(".db3"),
        remedy="write it anew with: ros2 bag reindex {path}; recordings in SQLite have to be"
        " converted to MCAP as well",
    ),
    Kind(
        name="a folder of recordings",
        matches=lambda path: any(is_recording(one) for one in path.iterdir() if one.is_file()),
        remedy="give one of them, as in {inside}; taskbelief gap A B takes the folder",
    ),
    Kind(
        name="a folder of bundles",
        matches=_holds_bundles,
        remedy="give one of them, as in {inside}",
    ),
)
"""in this order; the first that fits"""


# ---- files -------------------------------------------------------------------------------------


def _begins_with(path: Path, magic: bytes) -> bool:
    """A pipe or a device is not opened: it might never end."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(_HEAD_BYTES).startswith(magic)


def _is_called(*suffixes: str) -> Callable[[Path], bool]:
    return lambda path: path.name.endswith(suffixes)


def _has_keys(*keys: str) -> Callable[[Path], bool]:
    def matches(path: Path) -> bool:
        document = _document(path)
        return all(key in document for key in keys)

    return matches


def _document(path: Path) -> Mapping[str, object]:
    """A JSON or YAML mapping; empty for anything else."""
    if path.suffix not in (".json", ".yaml", ".yml") or path.stat().st_size > _MAX_TEXT_BYTES:
        return {}
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
        found = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except (ValueError, RecursionError, yaml.YAMLError):
        return {}
    return found if isinstance(found, dict) else {}


FILES = (
    Kind(
        name="neither a file nor a folder",
        matches=lambda path: not path.is_file(),
        remedy="a pipe, a port or a device holds no recording; `taskbelief doctor` examines a hand",
    ),
    Kind(
        name="an empty file",
        matches=lambda path: path.stat().st_size == 0,
        remedy="whatever was to write it did not come to it",
    ),
    Kind(
        name="a file of a bundle",
        matches=lambda path: path.name in _IN_BUNDLE and (path.parent / _IN_BUNDLE[0]).exists(),
        remedy="give the bundle's folder: taskbelief inspect {folder}",
    ),
    Kind(
        name="a file of a rosbag2 folder",
        matches=lambda path: (
            path.name == "metadata.yaml" and "rosbag2_bagfile_information" in _document(path)
        ),
        remedy="give the folder: taskbelief inspect {folder}",
    ),
    Kind(
        name="a rosbag2 recording in SQLite",
        matches=lambda path: _begins_with(path, _SQLITE) or path.suffix == ".db3",
        remedy="convert its folder to MCAP with: ros2 bag convert -i {folder} -o mcap.yaml, where"
        " mcap.yaml holds"
        " {{output_bags: [{{uri: FOLDER, storage_id: mcap, all_topics: true}}]}}",
    ),
    Kind(
        name="a ROS 1 bag",
        matches=lambda path: _begins_with(path, _ROS1_BAG),
        remedy="nothing here can read it: taskbelief records and reads MCAP",
    ),
    Kind(
        name="the journal of an evaluation",
        matches=_is_called("journal.jsonl"),
        remedy="see what came of it with: taskbelief report {folder}",
    ),
    Kind(
        name="a compressed file",
        matches=lambda path: (
            _begins_with(path, _ZSTD)
            or path.suffix in (".zst", ".zstd", ".gz", ".xz", ".zip", ".tar", ".lz4")
        ),
        remedy="unpack it first",
    ),
    Kind(
        name="an ONNX graph",
        matches=_is_called(".onnx"),
        remedy="a graph alone says nothing about the robot: give the folder of a bundle, as"
        " `taskbelief export` writes it",
    ),
    Kind(
        name="a task set",
        matches=_has_keys("family", "train", "test"),
        remedy="run a bundle on its tasks: taskbelief evaluate BUNDLE --tasks {path}",
    ),
    Kind(
        name="the plan of an evaluation",
        matches=_has_keys("tasks", "num_trials", "num_episodes"),
        remedy="run it: taskbelief bringup --bundle BUNDLE --plan {path} --out FOLDER",
    ),
    Kind(
        name="what `taskbelief gap` found",
        matches=_has_keys("closed_loop", "replay", "left_out"),
        remedy="show it in a report: taskbelief report EVALUATION --gap {path}",
    ),
    Kind(
        name="results of an evaluation",
        matches=_has_keys("conditions", "per_task"),
        remedy="see them with: taskbelief report {folder}",
    ),
    Kind(
        name="the configuration of a run",
        matches=_has_keys("recipe", "config"),
        remedy="export the run first: taskbelief export {folder} bundles/NAME",
    ),
    Kind(
        name="a robot.yaml",
        matches=_has_keys("joints", "physics_model"),
        remedy="examine the hand with: taskbelief doctor --port PORT --unit UNIT; a bundle is held"
        " to this robot with: taskbelief inspect BUNDLE --robot-config {path}",
    ),
    Kind(
        name="the calibration of a unit",
        matches=_has_keys("unit", "servos"),
        remedy="hold it to the hand: taskbelief doctor --port PORT --unit UNIT",
    ),
    Kind(
        name="a plan of faults",
        matches=_has_keys("faults"),
        remedy="play it: taskbelief emulate --faults {path}",
    ),
    Kind(
        name="ranges of variations",
        matches=_has_keys("variations"),
        remedy="draw tasks from them: taskbelief tasks FAMILY FILE --ranges {path}",
    ),
)
"""in this order; the first that fits"""
