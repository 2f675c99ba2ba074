"""The folder of a rosbag2 recording: metadata.yaml and the files that it names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sim2real.contract.errors import BadInput
from sim2real.contract.text_file import read_text
from sim2real.recording.contents import TopicKey

METADATA = "metadata.yaml"
_ROOT = "rosbag2_bagfile_information"
CONVERT = (
    "convert it with: ros2 bag convert -i {path} -o mcap.yaml, where mcap.yaml holds"
    " {{output_bags: [{{uri: FOLDER, storage_id: mcap, all_topics: true}}]}}"
)
"""what to do with a bag that is no MCAP"""


@dataclass(frozen=True, kw_only=True)
class Bag:
    """What metadata.yaml says, and which of its files are there."""

    files: tuple[Path, ...]
    """in order"""
    absent: tuple[str, ...]
    """names of files that are not there"""
    stated: Mapping[TopicKey, int]
    """messages that were recorded"""


def is_bag(path: Path) -> bool:
    """Whether a path is the folder of a rosbag2 recording."""
    return (path / METADATA).is_file()


def read_bag(folder: Path) -> Bag:
    """What a bag consists of.

    Raises `BadInput` for another storage than MCAP, for compressed files, and where none is there.
    """
    where = folder / METADATA
    bag = _information(where)
    storage, names = bag.get("storage_identifier"), bag.get("relative_file_paths")
    if storage != "mcap":
        remedy = CONVERT.format(path=folder)
        raise BadInput(
            str(where), "storage_identifier", found=storage, expected="mcap", remedy=remedy
        )
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise BadInput(
            str(where), "relative_file_paths", found=names, expected="the names of its files"
        )
    if str(bag.get("compression_mode", "")).upper() == "FILE":
        remedy = "unpack them with: zstd -d, and set compression_mode to ''"
        expected = "files that are not compressed"
        raise BadInput(
            str(where), "compression_mode", found="FILE", expected=expected, remedy=remedy
        )
    # Old versions name the folder too.
    found = [_file(folder, name) for name in names]
    there = tuple(path for path in found if path.is_file())
    if not there:
        expected = f"{', '.join(names) or 'a file'} beside it"
        raise BadInput(str(where), "relative_file_paths", found="nothing", expected=expected)
    return Bag(
        files=there,
        absent=tuple(path.name for path in found if path not in there),
        stated=_stated(bag, where),
    )


def _information(path: Path) -> Mapping[str, Any]:
    try:
        document = yaml.safe_load(read_text(path, "a bag's YAML"))
    except yaml.YAMLError as error:
        found = " ".join(str(error).split())
        raise BadInput(str(path), "file", found=found, expected="YAML") from None
    information = document.get(_ROOT) if isinstance(document, dict) else None
    if not isinstance(information, dict):
        raise BadInput(str(path), _ROOT, found="nothing", expected="what `ros2 bag record` writes")
    return information


def _file(folder: Path, name: str) -> Path:
    return folder / name if (folder / name).is_file() else folder / Path(name).name


def _stated(bag: Mapping[str, Any], where: Path) -> Mapping[TopicKey, int]:
    stated = Counter[TopicKey]()
    try:
        for row in bag.get("topics_with_message_count") or []:
            topic = row["topic_metadata"]
            stated[TopicKey(str(topic["name"]), str(topic["type"]))] += int(row["message_count"])
    except (KeyError, TypeError, ValueError) as error:
        expected = "name, type and message_count of each topic"
        raise BadInput(
            str(where), "topics_with_message_count", found=repr(error), expected=expected
        ) from None
    return stated
