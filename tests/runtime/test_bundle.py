"""A bundle is what its manifest says, byte for byte, or it is refused by name."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import random
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from sim2real.contract.context import ContextLayout
from sim2real.contract.errors import BadInput
from sim2real.contract.robot_spec import load_robot_spec
from sim2real.runtime.bundle import CHECKSUM, GOLDEN, MANIFEST, read_bundle, write_bundle
from sim2real.runtime.controller import Controller
from sim2real.runtime.golden import require_golden
from sim2real.runtime.kinds.registry import KINDS, record_of
from sim2real.runtime.verify import load_bundle

SPEC = load_robot_spec()
Document = dict
BUNDLES = Path(__file__).resolve().parents[2] / "bundles"
SHIPPED = sorted(path.parent for path in BUNDLES.glob("*/manifest.json"))
DIFFERENCE = 1e-6
"""of float32 sums in another order"""


def rewrite(folder: Path, edit: Callable[[Document], None]) -> None:
    """Edit the manifest as somebody would who also keeps the checksum right."""
    document = json.loads((folder / MANIFEST).read_text())
    edit(document)
    text = json.dumps(document)
    (folder / MANIFEST).write_text(text)
    digest = hashlib.sha256(text.encode()).hexdigest()
    (folder / CHECKSUM).write_text(f"{digest}  {MANIFEST}\n")


def replace_file(folder: Path, name: str, content: bytes) -> None:
    """Exchange a file and let the manifest agree."""

    def edit(document: Document) -> None:
        record = next(file for file in document["files"] if file["name"] == name)
        record |= {"sha256": hashlib.sha256(content).hexdigest(), "num_bytes": len(content)}

    (folder / name).write_bytes(content)
    rewrite(folder, edit)


def refusal(folder: Path, **options: object) -> BadInput:
    with pytest.raises(BadInput) as refused:
        load_bundle(folder, SPEC, **options)  # type: ignore[arg-type]
    message = str(refused.value)
    assert "\n" not in message
    assert "found" in message
    assert "expected" in message
    return refused.value


def test_every_kind_of_bundle_loads_and_reproduces_its_golden_vectors(every_bundle):
    bundle = load_bundle(every_bundle, SPEC)

    assert require_golden(bundle, SPEC) <= 1e-6


@pytest.mark.parametrize("name", [path.name for path in SHIPPED])
def test_what_processors_differ_by_does_not_grow_from_tick_to_tick(name, monkeypatch):
    """Shipped policies see how far their own targets are ahead: fed back, 1e-7 became 1.2."""
    bundle = load_bundle(BUNDLES / name, SPEC)
    act = Controller._act
    monkeypatch.setattr(
        Controller, "_act", lambda controller: act(controller) + np.float32(DIFFERENCE)
    )

    assert DIFFERENCE / 2 < require_golden(bundle, SPEC) < 10 * DIFFERENCE


def test_any_flipped_bit_of_the_manifest_and_its_checksum_is_refused(bundle_copy):
    for name in (MANIFEST, CHECKSUM):
        content = (bundle_copy / name).read_bytes()
        with (bundle_copy / name).open("r+b", buffering=0) as file:
            for place, byte in enumerate(content):
                file.seek(place)
                file.write(bytes([byte ^ 1 << place % 8]))
                with pytest.raises(BadInput) as refused:
                    read_bundle(bundle_copy)
                assert refused.value.field in ("sha256", "line")
                assert "\n" not in str(refused.value)
                file.seek(place)
                file.write(bytes([byte]))
    read_bundle(bundle_copy)


def test_a_flipped_byte_of_any_other_file_is_refused_by_its_name(bundle_copy):
    rng = random.Random(0)
    names = {path.name for path in bundle_copy.iterdir()} - {MANIFEST, CHECKSUM}
    assert names >= {"policy.onnx", "encoder.onnx", GOLDEN}
    for name in names:
        path = bundle_copy / name
        content = path.read_bytes()
        for place in (0, len(content) - 1, *rng.sample(range(len(content)), 20)):
            damaged = bytearray(content)
            damaged[place] ^= 0x10
            path.write_bytes(damaged)
            refused = refusal(bundle_copy)
            assert refused.where == str(path)
            assert refused.field == "sha256"
        path.write_bytes(content)


def test_the_checksum_is_one_that_sha256sum_checks(bundle_copy):
    digest = hashlib.sha256((bundle_copy / MANIFEST).read_bytes()).hexdigest()

    assert (bundle_copy / CHECKSUM).read_text() == f"{digest}  {MANIFEST}\n"


@pytest.mark.parametrize("name", [MANIFEST, CHECKSUM, "policy.onnx", GOLDEN])
def test_a_missing_file_is_refused(bundle_copy, name):
    (bundle_copy / name).unlink()

    refused = refusal(bundle_copy)

    assert (refused.where, refused.found) == (str(bundle_copy / name), "nothing")


def test_a_truncated_and_an_extended_file_are_refused_by_size(bundle_copy):
    content = (bundle_copy / "policy.onnx").read_bytes()
    for changed in (content[:-1], content + b"\0", b""):
        (bundle_copy / "policy.onnx").write_bytes(changed)
        assert refusal(bundle_copy).field == "num_bytes"


def _swap_joints(document: Document) -> None:
    names = document["robot"]["joint_names"]
    names[0], names[1] = names[1], names[0]


def _setting(document: Document, **settings: object) -> None:
    document["adaptation"]["settings"].update(settings)


def _still() -> Document:
    return asdict(record_of(KINDS["none"].examples[0]))


@pytest.mark.parametrize(
    ("edit", "field"),
    [
        (lambda d: d.update(schema_version=3), "schema_version"),
        (lambda d: d["robot"].update(name="allegro"), "robot.name"),
        (lambda d: d["robot"].update(fingerprint="0" * 64), "robot.fingerprint"),
        (_swap_joints, "robot.joint_names"),
        (lambda d: d["skill"].update(name="juggle"), "skill.name"),
        (lambda d: d["skill"].update(target_visible=True), "observation.digest"),
        (lambda d: d["skill"]["options"].update(courage=1.0), "skill.options"),
        (lambda d: d["action"]["lower_rad"].__setitem__(2, -3.0), "action.lower_rad[2]"),
        (lambda d: d["action"]["max_step_rad"].__setitem__(4, 0.5), "action.max_step_rad[4]"),
        (lambda d: d["graphs"][0]["inputs"][0].update(shape=[1, 3]), "graphs[0].inputs"),
        (lambda d: d["graphs"][0]["inputs"][1].update(dtype="int64"), "graphs[0].inputs"),
        (lambda d: d["graphs"][0]["outputs"][0].update(name="actions"), "graphs[0].outputs"),
        (lambda d: d["graphs"].pop(), "graphs"),
        (lambda d: d["graphs"].append(d["graphs"][0]), "graphs"),
        (lambda d: d["adaptation"].update(_still()), "graphs"),
        (lambda d: d["adaptation"].update(kind="telepathy"), "adaptation.kind"),
        (lambda d: _setting(d, latent_size=6), "graphs[0].inputs"),
        (lambda d: _setting(d, latent_size="5"), "adaptation.settings.latent_size"),
        (lambda d: _setting(d, latent_size=True), "adaptation.settings.latent_size"),
        (lambda d: _setting(d, latent_size=0), "adaptation.settings"),
        (lambda d: _setting(d, resample_every_ticks=3), "adaptation.settings"),
        (lambda d: _setting(d, num_exploration_episodes=-1), "adaptation.settings"),
        (lambda d: _setting(d, courage=1), "adaptation.settings.courage"),
        (lambda d: _setting(d, takes_action_noise=True), "graphs[0].inputs"),
        (
            lambda d: d["adaptation"]["settings"].pop("latent_source"),
            "adaptation.settings.latent_source",
        ),
        (lambda d: d.update(context=None), "context"),
        (lambda d: d["files"].pop(1), "files"),
        (lambda d: d["files"][0].update(name="../policy.onnx"), "files[0].name"),
        (lambda d: d["files"][0].update(name="/etc/hostname"), "files[0].name"),
        (lambda d: d["files"][0].update(name="..\\policy.onnx"), "files[0].name"),
        (lambda d: d["files"][0].update(name="a\0b"), "files[0].name"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(bundle_copy, edit, field):
    rewrite(bundle_copy, edit)

    refused = refusal(bundle_copy)

    assert refused.field == field
    assert refused.where == str(bundle_copy / MANIFEST)


def test_a_context_of_another_size_is_refused(bundle_copy):
    def edit(document: Document) -> None:
        layout = document["context"]["layout"] | {"action_size": 8}
        document["context"] = {"layout": layout, "digest": ContextLayout(**layout).digest}

    rewrite(bundle_copy, edit)

    assert refusal(bundle_copy).field == "context.layout"


def test_a_kind_that_nobody_serves_is_refused_with_those_that_are(bundle_copy):
    rewrite(bundle_copy, lambda document: document["adaptation"].update(kind="telepathy"))

    refused = refusal(bundle_copy)

    assert refused.found == "telepathy"
    assert refused.expected == f"one of {', '.join(KINDS)}"


def test_another_control_period_is_refused_wherever_it_comes_from(bundle_copy):
    period = read_bundle(bundle_copy).manifest.control_period_s

    refused = refusal(bundle_copy, control_period_s=period / 2)
    assert (refused.field, refused.found, refused.expected) == (
        "control_period_s",
        period,
        str(period / 2),
    )

    # Written into the manifest, it makes evidence of the golden readings come too early.
    rewrite(bundle_copy, lambda document: document.update(control_period_s=2 * period))
    refused = refusal(bundle_copy)
    assert refused.where == str(bundle_copy / GOLDEN)
    assert refused.field.startswith("is_evidence")


@pytest.mark.parametrize(
    "other",
    [
        {"joints": (replace(SPEC.joints[0], current_limit_ma=800.0), *SPEC.joints[1:])},
        # Two fingers swapped, as in the model that the first bundles were trained on.
        {"base_angle_rad": {**SPEC.base_angle_rad, "finger1_top": -1.05, "finger2_top": 1.05}},
    ],
    ids=["another current limit", "fingers elsewhere"],
)
def test_another_robot_is_refused(exported_bundles, other):
    with pytest.raises(BadInput) as refused:
        load_bundle(exported_bundles("none"), replace(SPEC, **other))

    assert refused.value.field == "robot.fingerprint"
    assert "\n" not in str(refused.value)


def test_golden_vectors_that_are_not_reproduced_are_refused_by_place(bundle_copy):
    with np.load(bundle_copy / GOLDEN) as file:
        columns = dict(file)
    columns["action"][57, 3] += 2e-4
    buffer = io.BytesIO()
    np.savez(buffer, **columns)
    replace_file(bundle_copy, GOLDEN, buffer.getvalue())

    assert refusal(bundle_copy).field == "action[57, 3]"


def test_other_weights_do_not_reproduce_the_golden_vectors(bundle_copy):
    for name, column in (("policy.onnx", "action"), ("encoder.onnx", "shown")):
        content = (bundle_copy / name).read_bytes()
        model = onnx.load_model_from_string(content)
        weights = next(part for part in model.graph.initializer if len(part.dims) == 2)
        values = onnx.numpy_helper.to_array(weights) + np.float32(0.05)
        weights.CopyFrom(onnx.numpy_helper.from_array(values, weights.name))
        replace_file(bundle_copy, name, model.SerializeToString())

        assert refusal(bundle_copy).field.startswith(column)
        replace_file(bundle_copy, name, content)
    load_bundle(bundle_copy, SPEC)


@pytest.mark.parametrize(
    ("column", "change", "field"),
    [
        ("event", lambda values: np.zeros_like(values), "event"),
        ("event", lambda values: np.where(np.arange(len(values)) > 0, 0, values), "event"),
        ("position_rad", lambda values: values[:, :-1], "position_rad"),
        ("position_rad", lambda values: np.full_like(values, np.nan), "replay"),
        ("observation", lambda values: values[:, :-1], "observation"),
        ("observation", lambda values: np.full_like(values, np.nan), "observation[0, 0]"),
        ("surprise", lambda _: np.zeros(1), "columns"),
        ("goal", lambda values: values.astype(object), "file"),
    ],
)
def test_golden_vectors_of_another_form_are_refused(bundle_copy, column, change, field):
    with np.load(bundle_copy / GOLDEN) as file:
        columns = dict(file)
    columns[column] = change(columns.get(column))
    buffer = io.BytesIO()
    np.savez(buffer, **columns)
    replace_file(bundle_copy, GOLDEN, buffer.getvalue())

    assert refusal(bundle_copy).field == field


def test_a_link_is_refused_wherever_it_leads(bundle_copy, tmp_path):
    outside = tmp_path / "policy.onnx"
    (bundle_copy / "policy.onnx").rename(outside)
    (bundle_copy / "policy.onnx").symlink_to(outside)

    assert refusal(bundle_copy).found == "a symbolic link"


def test_a_folder_in_place_of_a_file_is_refused(bundle_copy):
    (bundle_copy / "policy.onnx").unlink()
    (bundle_copy / "policy.onnx").mkdir()

    assert refusal(bundle_copy).expected == "a plain file"


def test_a_manifest_that_is_not_text_is_refused(bundle_copy):
    (bundle_copy / MANIFEST).write_bytes(b"\xff\xfe")
    digest = hashlib.sha256(b"\xff\xfe").hexdigest()
    (bundle_copy / CHECKSUM).write_text(f"{digest}  {MANIFEST}\n")

    assert refusal(bundle_copy).expected == "UTF-8 text"


def test_writing_is_whole_or_not_at_all(bundle_copy, tmp_path):
    bundle = read_bundle(bundle_copy)
    target = tmp_path / "written"

    first = write_bundle(target, bundle.manifest, bundle.files)
    renamed = dataclasses.replace(bundle.manifest, name="second")
    second = write_bundle(target, renamed, bundle.files)

    assert first != second
    assert first == bundle.digest
    assert load_bundle(target, SPEC).manifest.name == "second"
    assert [path.name for path in tmp_path.glob(".*")] == []
    with pytest.raises(BadInput):  # its graphs name a file that is not there
        write_bundle(target, renamed, {GOLDEN: bundle.files[GOLDEN]})
    assert load_bundle(target, SPEC).manifest.name == "second"


def test_a_folder_with_something_else_in_it_is_not_replaced(bundle_copy, tmp_path):
    bundle = read_bundle(bundle_copy)
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.tex").write_text("years of work")

    with pytest.raises(BadInput, match="a bundle or nothing"):
        write_bundle(tmp_path / "thesis", bundle.manifest, bundle.files)

    assert (tmp_path / "thesis" / "chapter1.tex").read_text() == "years of work"
