"""`taskbelief adapted`: what a robot has learnt about a task, kept beside the bundle it began with.

A file of JSON: the memory at the end of a recorded trial, the digest of the bundle, and the hash of
the recording that it came of. The bundle stays as it is, and the file means nothing without it:
`read_adapted` refuses it on any other. What is kept is not taken from the recording but computed
again from its readings, and has to agree with it to the bit.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from sim2real.contract.errors import BadInput
from sim2real.contract.output_file import require_writable, write_json
from sim2real.contract.robot_spec import DCLAW, load_robot_spec
from sim2real.contract.strict import build
from sim2real.contract.text_file import read_json
from sim2real.recording.reader import read_recording
from sim2real.recording.replay import replay
from sim2real.runtime.bundle import Bundle
from sim2real.runtime.kinds.kind import Memory
from sim2real.runtime.verify import load_bundle

SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Adapted:
    """An adapted bundle: what to add to a bundle to go on where a trial ended."""

    schema_version: int
    bundle_name: str
    bundle_digest: str
    """the base's: it is of use on no other"""
    robot: str
    task: str
    """as the trial was labelled"""
    num_episodes: int
    """of the trial"""
    num_transitions: int
    """that were evidence in it"""
    recording_sha256: str
    """of the file that it came of"""
    memory: Mapping[str, tuple[float, ...]]
    """by name, as the bundle's kind of adaptation has it; numbers lose nothing"""


def adapted(
    bundle: Annotated[Path, tyro.conf.Positional],
    recording: Annotated[Path, tyro.conf.Positional],
    out: Path,
    robot_config: Path = DCLAW,
) -> None:
    """Save what BUNDLE had learnt at the end of the last trial in RECORDING, to go on with later.

    Args:
        bundle: the folder of the bundle that was run.
        recording: the file of a recording of it (.mcap).
        out: the file to write, as in `bundles/valve_turn.adapted.json`.
        robot_config: the robot.yaml that the bundle is held to.
    """
    require_writable(out, "--out")
    spec = load_robot_spec(robot_config)
    loaded = load_bundle(bundle, spec)
    *_, last = replay(read_recording(recording), loaded, spec)
    differences = {name: value for name, value in last.differences().items() if value}
    if differences:
        name, value = next(iter(differences.items()))
        expected = "what this bundle computes from its readings"
        raise BadInput(str(recording), name, found=f"{value:g} away", expected=expected)
    start, memory = last.episode.start, last.learnt
    kept = Adapted(
        schema_version=SCHEMA_VERSION,
        bundle_name=loaded.manifest.name,
        bundle_digest=loaded.digest,
        robot=start.robot,
        task=start.task,
        num_episodes=start.episode + 1,
        num_transitions=0 if last.outcome is None else last.outcome.num_transitions,
        recording_sha256=hashlib.sha256(recording.read_bytes()).hexdigest(),
        memory={name: tuple(map(float, values)) for name, values in memory.items()},
    )
    write_json(out, dataclasses.asdict(kept), allow_nan=False)
    print(f"{out}: {kept.num_episodes} episodes on {kept.task}, for bundle {kept.bundle_digest}")


def read_adapted(path: Path, bundle: Bundle) -> Memory:
    """The memory to give to a `PolicyRunner` of `bundle`, between two episodes.

    Raises `BadInput` for a file that is something else, and for one of another bundle.
    """
    document = read_json(path, "an adapted bundle")
    kept = build(Adapted, document, str(path))
    if kept.schema_version != SCHEMA_VERSION:
        raise BadInput(
            str(path), "schema_version", found=kept.schema_version, expected=str(SCHEMA_VERSION)
        )
    if kept.bundle_digest != bundle.digest:
        expected = f"{bundle.digest}, the bundle that is loaded"
        advice = f"load {kept.bundle_name} {kept.bundle_digest}, which it was adapted from"
        raise BadInput(
            str(path),
            "bundle_digest",
            found=kept.bundle_digest,
            expected=expected,
            remedy=advice,
        )
    return {name: np.array(values, np.float64) for name, values in kept.memory.items()}
