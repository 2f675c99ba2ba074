"""The manifest is lossless and refuses what does not fit, field by field."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from sim2real.contract.action import ActionMap
from sim2real.contract.context import ContextLayout
from sim2real.contract.errors import BadInput
from sim2real.contract.manifest import (
    SCHEMA_VERSION,
    Adaptation,
    ContextRecord,
    FileRecord,
    GraphRecord,
    Manifest,
    NormalizerRecord,
    ObservationRecord,
    Provenance,
    RobotReference,
    SkillReference,
    TensorRecord,
    parse_manifest,
)
from sim2real.contract.normalizer import FrozenNormalizer
from sim2real.contract.robot_spec import load_robot_spec
from sim2real.skills.valve_turn import ValveTurn


def example() -> Manifest:
    spec, layout = load_robot_spec(), ValveTurn().layout
    context = ContextLayout(observation_size=layout.size, action_size=9, uses_next_observation=True)
    rng = np.random.default_rng(0)
    normalizer = FrozenNormalizer(
        mean=rng.normal(size=layout.size).astype(np.float32),
        std=rng.uniform(0.1, 2, layout.size).astype(np.float32),
        clip=10.0,
    )
    return Manifest(
        schema_version=SCHEMA_VERSION,
        name="valve_turn",
        robot=RobotReference(
            name=spec.name, fingerprint=spec.fingerprint, joint_names=spec.joint_names
        ),
        control_period_s=0.05,
        control_period_tolerance=0.2,
        episode_length=60,
        skill=SkillReference(
            name="valve_turn", target_visible=False, options={"success_error_rad": 0.1}
        ),
        observation=ObservationRecord(layout=layout, digest=layout.digest),
        context=ContextRecord(layout=context, digest=context.digest),
        action=ActionMap.for_robot(spec, kind="increment", control_period_s=0.05),
        normalizer=NormalizerRecord.of(normalizer),
        adaptation=Adaptation(
            kind="gaussian_belief",
            settings={"latent_size": 5, "latent_source": "mean", "scale": 0.1, "parts": [1, 2]},
        ),
        graphs=(
            GraphRecord(
                role="policy",
                file="policy.onnx",
                inputs=(TensorRecord(name="observation", dtype="float32", shape=(1, 32)),),
                outputs=(TensorRecord(name="action", dtype="float32", shape=(1, 9)),),
                max_parity_error=1.3e-7,
            ),
        ),
        files=(FileRecord(name="policy.onnx", sha256="0" * 64, num_bytes=10),),
        provenance=Provenance(
            recipe="pearl-valve-turn",
            algorithm="pearl",
            family="valve_turn",
            seed=0,
            git_commit="0" * 40,
            task_set_sha256="1" * 64,
            environment_steps=1000,
            packages={"torch": "2.13.0"},
        ),
        results={"adapted_success": 0.875},
    )


def test_round_trip_is_lossless():
    manifest = example()

    restored = parse_manifest(manifest.to_json(), "manifest.json")

    assert restored == manifest
    normalizer = restored.normalizer.restore()
    assert normalizer.mean.dtype == np.float32
    np.testing.assert_array_equal(normalizer.mean, manifest.normalizer.restore().mean)


def _without(document: dict, *path: str) -> None:
    for name in path[:-1]:
        document = document[name]
    del document[path[-1]]


def _set(document, value, *path) -> None:
    for name in path[:-1]:
        document = document[name]
    document[path[-1]] = value


@pytest.mark.parametrize(
    ("edit", "field"),
    [
        (lambda d: _without(d, "robot", "fingerprint"), "robot.fingerprint"),
        (lambda d: _set(d, 1, "surprise"), "surprise"),
        (lambda d: _set(d, 7, "adaptation", "kind"), "adaptation.kind"),
        (lambda d: _set(d, [5], "adaptation", "settings"), "adaptation.settings"),
        (lambda d: _set(d, 3, "schema_version"), "schema_version"),
        (lambda d: _set(d, -0.05, "control_period_s"), "control_period_s"),
        (lambda d: _set(d, "../policy.onnx", "files", 0, "name"), "files[0].name"),
        (lambda d: _set(d, "/etc/passwd", "files", 0, "name"), "files[0].name"),
        (lambda d: _set(d, "..", "files", 0, "name"), "files[0].name"),
        (lambda d: _set(d, "other.onnx", "graphs", 0, "file"), "graphs[0].file"),
        (lambda d: d["files"].append(d["files"][0]), "files"),
        (lambda d: _set(d, "x", "observation", "layout", "terms", 0, "name"), "observation.digest"),
        (lambda d: _set(d, 8, "context", "layout", "action_size"), "context.digest"),
        (lambda d: _set(d, [0.0], "normalizer", "mean"), "normalizer.mean"),
        (lambda d: _set(d, ["a"], "robot", "joint_names"), "action"),
        (lambda d: _set(d, [[0.1, 0.2]], "action", "lower_rad"), "action.lower_rad[0]"),
        (lambda d: _set(d, [0.1], "action", "lower_rad"), "action"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(edit, field):
    document = json.loads(example().to_json())
    edit(document)

    with pytest.raises(BadInput) as refusal:
        parse_manifest(json.dumps(document), "manifest.json")

    assert refusal.value.field == field
    assert "\n" not in str(refusal.value)


def test_an_older_schema_is_refused_with_what_to_do():
    document = json.loads(example().to_json()) | {"schema_version": 1}

    with pytest.raises(BadInput, match=r"found 1, expected 2; .*taskbelief upgrade OLD NEW"):
        parse_manifest(json.dumps(document), "manifest.json")


def test_repeated_keys_and_broken_json_are_refused():
    text = example().to_json()

    with pytest.raises(BadInput, match="repeated keys"):
        parse_manifest(text.replace("{", '{"name": "twice",', 1), "manifest.json")
    with pytest.raises(BadInput, match="expected JSON"):
        parse_manifest(text[:-3], "manifest.json")
    with pytest.raises(BadInput, match="found 'a list', expected a mapping"):
        parse_manifest("[]", "manifest.json")


def test_not_a_number_cannot_be_written():
    with pytest.raises(ValueError, match="not JSON compliant"):
        replace(example(), results={"adapted_success": float("nan")}).to_json()
