"""`taskbelief upgrade`: a bundle of manifest schema 1 as one of schema 2.

Graphs, tasks and model card stay the same files, golden vectors the same numbers. What changes is
how the manifest says how behaviour changes with context, and with it the bundle's digest.
"""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

from sim2real.contract.errors import BadInput
from sim2real.contract.manifest import SCHEMA_VERSION, parse_manifest
from sim2real.contract.robot_spec import DCLAW, load_robot_spec
from sim2real.contract.text_file import parse_json
from sim2real.runtime.bundle import (
    GOLDEN,
    MANIFEST,
    Bundle,
    read_files,
    read_manifest,
    require_robot,
    write_bundle,
)
from sim2real.runtime.golden import require_golden, write_golden
from sim2real.runtime.kinds.registry import KINDS

_ADDED: dict[str, Any] = {"takes_action_noise": False, "read_out": None, "cell_noise_size": 0}
"""settings that schema 1 did not have, as its bundles behave"""
_RENAMED = {"condition": "shown"}
"""columns of the golden vectors"""


def upgrade(
    old: Annotated[Path, tyro.conf.Positional],
    new: Annotated[Path, tyro.conf.Positional],
    robot_config: Path = DCLAW,
) -> None:
    """Convert the bundle OLD of an older schema to the folder NEW, once it verifies.

    Args:
        old: the folder of a bundle of schema 1; it stays as it is, unless it is NEW.
        new: the folder to write; a bundle that is there already is replaced.
        robot_config: the robot.yaml that the bundle is held to.
    """
    text, _ = read_manifest(old)
    where = str(old / MANIFEST)
    manifest = parse_manifest(_upgraded(text, where), where)
    files = read_files(old, manifest)
    files[GOLDEN] = _renamed(files[GOLDEN]) if GOLDEN in files else b""
    spec = load_robot_spec(robot_config)
    draft = Bundle(folder=old, manifest=manifest, digest="upgraded", files=files)
    require_robot(draft, spec)
    difference = require_golden(draft, spec)
    digest = write_bundle(new, manifest, files)
    print(f"{new}: bundle {digest}, golden vectors within {difference:.1g}")


def _upgraded(text: str, where: str) -> str:
    """The manifest's text in schema 2. Raises `BadInput` where it is not of schema 1."""
    document = parse_json(text, where, "a manifest")
    version = document.get("schema_version")
    if version != 1:
        remedy = "it needs no upgrade" if version == SCHEMA_VERSION else ""
        raise BadInput(where, "schema_version", found=version, expected="1", remedy=remedy)
    before = document.get("adaptation")
    if not isinstance(before, dict) or before.get("kind") not in KINDS:
        expected = f"a mapping with the kind {' or '.join(KINDS)}"
        raise BadInput(where, "adaptation", found=before, expected=expected)
    kind, known = before["kind"], {**_ADDED, **before}
    names = [field.name for field in dataclasses.fields(KINDS[kind].settings_type)]
    settings = {name: known[name] for name in names if name in known}
    document |= {
        "schema_version": SCHEMA_VERSION,
        "adaptation": {"kind": kind, "settings": settings},
    }
    return json.dumps(document)


def _renamed(golden: bytes) -> bytes:
    with np.load(io.BytesIO(golden), allow_pickle=False) as file:
        return write_golden({_RENAMED.get(name, name): file[name] for name in file.files})
