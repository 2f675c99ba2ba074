"""`inspect` says what a bundle is, and whether it verifies."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sim2real.contract.errors import BadInput
from sim2real.contract.robot_spec import DCLAW
from sim2real.runtime.bundle import read_bundle, write_bundle
from sim2real.runtime.inspection import inspect
from sim2real.runtime.kinds.registry import kind_of


def test_a_person_reads_what_it_observes_does_and_was_trained_on(every_bundle, capsys):
    assert inspect(every_bundle) == 0

    shown = capsys.readouterr().out
    bundle = read_bundle(every_bundle)
    manifest, settings = bundle.manifest, bundle.settings()
    assert kind_of(settings).words(settings).acts_by.split(";")[0][:40] in shown
    for term in manifest.observation.layout.terms:
        assert term.name in shown
    assert "10 Hz" in shown
    assert "increment joint targets, at most 0.25 rad" in shown
    assert "on valve_turn, recipe untrained" in shown
    assert "yes, golden vectors within" in shown


def test_json_is_the_manifest_and_the_verdict(exported_bundles, capsys):
    folder = exported_bundles()

    assert inspect(folder, json=True) == 0

    document = json.loads(capsys.readouterr().out)
    assert document["verified"] is True
    assert document["problem"] is None
    manifest = json.loads((folder / "manifest.json").read_text())
    assert {name: document[name] for name in manifest} == manifest


def test_results_are_shown_with_their_intervals(bundle_copy, tmp_path, capsys):
    from dataclasses import replace

    bundle = read_bundle(bundle_copy)
    results = {"tasks": 20.0}
    for end, value in (("", 7.25), ("/low", 6.0), ("/high", 8.5)):
        results[f"adapted/return{end}"] = value
    write_bundle(tmp_path / "scored", replace(bundle.manifest, results=results), bundle.files)

    inspect(tmp_path / "scored")

    shown = capsys.readouterr().out
    assert "20 held-out tasks" in shown
    assert "7.25  [6.00, 8.50]" in shown


def other_robot(tmp_path: Path) -> Path:
    path = tmp_path / "robot.yaml"
    path.write_text(DCLAW.read_text().replace("current_limit_ma: 900.0", "current_limit_ma: 800.0"))
    return path


def test_a_bundle_for_another_robot_is_shown_with_the_reason(exported_bundles, tmp_path, capsys):
    folder, robot = exported_bundles(), other_robot(tmp_path)

    assert inspect(folder, robot_config=robot) == 2
    assert "robot.fingerprint" in capsys.readouterr().out
    assert inspect(folder, json=True, robot_config=robot) == 2
    document = json.loads(capsys.readouterr().out)
    assert document["verified"] is False
    assert "robot.fingerprint" in document["problem"]


def test_a_damaged_bundle_is_refused_and_in_json_not_verified(bundle_copy, capsys):
    (bundle_copy / "policy.onnx").write_bytes(b"")

    with pytest.raises(BadInput, match=r"policy\.onnx"):
        inspect(bundle_copy)
    assert inspect(bundle_copy, json=True) == 2
    document = json.loads(capsys.readouterr().out)
    assert document["verified"] is False
    assert "policy.onnx" in document["problem"]


def test_nothing_there_is_refused(tmp_path):
    with pytest.raises(BadInput, match="found 'nothing'"):
        inspect(tmp_path / "missing")
