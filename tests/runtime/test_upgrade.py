"""A bundle of the older schema becomes one of this, and nothing that it computes changes."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pytest

from sim2real.cli import main
from sim2real.contract.errors import BadInput
from sim2real.contract.robot_spec import load_robot_spec
from sim2real.runtime.bundle import CHECKSUM, GOLDEN, MANIFEST, read_bundle
from sim2real.runtime.golden import read_golden
from sim2real.runtime.upgrade import upgrade
from sim2real.runtime.verify import load_bundle

SPEC = load_robot_spec()
OLD_KINDS = ("none", "gaussian_belief", "recurrent_belief")
"""of adaptation, that the older schema knew"""
BUNDLES = Path(__file__).resolve().parents[2] / "bundles"


def as_it_was(
    bundle: Path, folder: Path, edit=lambda document: None, alter=lambda columns: None
) -> Path:
    """The bundle as schema 1 had it, with its manifest edited and its golden vectors altered."""
    folder.mkdir()
    for path in bundle.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    document = json.loads((folder / MANIFEST).read_text())
    settings = document["adaptation"]["settings"]
    bag = {"latent_size": 0, "hidden_size": 0, "latent_source": "episode_sample"}
    bag |= {"resample_every_ticks": 0, "num_exploration_episodes": 0}
    bag |= {name: value for name, value in settings.items() if name in bag}
    document["adaptation"] = {"kind": document["adaptation"]["kind"], **bag}
    document["schema_version"] = 1
    with np.load(folder / GOLDEN) as file:
        columns = {{"shown": "condition"}.get(name, name): file[name] for name in file.files}
    alter(columns)
    buffer = io.BytesIO()
    np.savez(buffer, **columns)
    (folder / GOLDEN).write_bytes(buffer.getvalue())
    for file in document["files"]:
        content = (folder / file["name"]).read_bytes()
        file |= {"sha256": hashlib.sha256(content).hexdigest(), "num_bytes": len(content)}
    edit(document)
    text = json.dumps(document, indent=1)
    (folder / MANIFEST).write_text(text)
    digest = hashlib.sha256(text.encode()).hexdigest()
    (folder / CHECKSUM).write_text(f"{digest}  {MANIFEST}\n")
    return folder


@pytest.mark.parametrize("kind", OLD_KINDS)
def test_an_upgraded_bundle_is_the_same_policy(exported_bundles, tmp_path, kind):
    now = exported_bundles(kind)
    old = as_it_was(now, tmp_path / "old")
    with pytest.raises(BadInput, match="taskbelief upgrade OLD NEW"):
        load_bundle(old, SPEC)

    upgrade(old, tmp_path / "new")

    new, expected = load_bundle(tmp_path / "new", SPEC), read_bundle(now)
    assert new.settings() == expected.settings()
    assert new.manifest.graphs == expected.manifest.graphs
    for name in expected.files:
        if name != GOLDEN:
            assert new.files[name] == expected.files[name]
    columns, wanted = (
        read_golden(one.files[GOLDEN], one.manifest, GOLDEN) for one in (new, expected)
    )
    assert set(columns) == set(wanted)
    for name in wanted:
        np.testing.assert_array_equal(columns[name], wanted[name])


def test_a_bundle_may_be_upgraded_where_it_lies(exported_bundles, tmp_path, capsys):
    old = as_it_was(exported_bundles(), tmp_path / "bundle")

    assert main(["upgrade", str(old), str(old)]) == 0

    assert "golden vectors within" in capsys.readouterr().out
    load_bundle(old, SPEC)
    assert main(["upgrade", str(old), str(old)]) == 2  # it needs no other
    assert "it needs no upgrade" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("edit", "field"),
    [
        (lambda d: d["adaptation"].update(kind="telepathy"), "adaptation"),
        (lambda d: d.pop("adaptation"), "adaptation"),
        (lambda d: d["adaptation"].pop("latent_size"), "adaptation.settings.latent_size"),
        (lambda d: d["robot"].update(fingerprint="0" * 64), "robot.fingerprint"),
    ],
)
def test_what_does_not_verify_is_not_written(exported_bundles, tmp_path, edit, field):
    old = as_it_was(exported_bundles(), tmp_path / "old", edit)

    with pytest.raises(BadInput) as refused:
        upgrade(old, tmp_path / "new")

    assert refused.value.field == field
    assert [path.name for path in tmp_path.iterdir()] == ["old"]


def test_other_numbers_than_were_recorded_are_not_upgraded(exported_bundles, tmp_path):
    def alter(columns: dict[str, np.ndarray]) -> None:
        columns["action"][50, 0] += 0.01

    old = as_it_was(exported_bundles(), tmp_path / "old", alter=alter)

    with pytest.raises(BadInput, match=r"action\[50, 0\]"):
        upgrade(old, tmp_path / "new")

    assert not (tmp_path / "new").exists()


SHIPPED = sorted(path.parent.name for path in BUNDLES.glob("*/manifest.json"))


@pytest.mark.parametrize("folder", SHIPPED)
def test_shipped_bundles_load_and_verify(folder):
    load_bundle(BUNDLES / folder, SPEC)
