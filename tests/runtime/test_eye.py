"""A policy that sees: which frames it acts on, and what it is held to when it is loaded."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sim2real.contract.camera import EYE, Frame, load_cameras
from sim2real.contract.errors import BadInput
from sim2real.contract.joint_io import Reading
from sim2real.contract.robot_spec import load_robot_spec
from sim2real.runtime.bundle import CHECKSUM, GOLDEN, MANIFEST, read_bundle
from sim2real.runtime.controller import Controller
from sim2real.runtime.evidence import OF_FRAMES, UNUSABLE, Rejection
from sim2real.runtime.eye import Eye
from sim2real.runtime.golden import READING_FIELDS, read_golden, require_golden
from sim2real.runtime.verify import load_bundle

SPEC = load_robot_spec()
PALM = load_cameras(SPEC)["palm"]
HOME = SPEC.joint_array("home_rad")
PERIOD_NS = 100_000_000
AGE_NS = 30_000_000
"""of a frame when it is acted on"""


@pytest.fixture(scope="module")
def bundle(seeing_bundle):
    return load_bundle(seeing_bundle, SPEC)


@pytest.fixture(scope="module")
def columns(bundle):
    return read_golden(bundle.files[GOLDEN], bundle.manifest, GOLDEN)


@pytest.fixture
def reading(columns) -> Callable[[int], Reading]:
    def made(tick: int) -> Reading:
        row = {name: columns[name][tick % 200] for name in READING_FIELDS[2:]}
        return Reading(stamp_ns=(tick + 1) * PERIOD_NS, sequence=tick, **row)

    return made


@pytest.fixture
def frame(columns) -> Callable[..., Frame]:
    """That of a reading, a little older; changed as a test likes."""

    def made(tick: int, **changes) -> Frame:
        plain = Frame(
            stamp_ns=(tick + 1) * PERIOD_NS - AGE_NS,
            sequence=2 * tick,
            pixels=columns["frame"][tick % 200],
        )
        return replace(plain, **changes)

    return made


@pytest.fixture
def controller(bundle) -> Controller:
    controller = Controller(bundle, SPEC)
    controller.begin_trial(seed=0)
    controller.begin_episode(goal=lambda _: np.array([0.5]), target_rad=HOME)
    return controller


def test_what_a_policy_sees_is_the_last_term_of_its_observation(bundle, controller, reading, frame):
    layout = bundle.manifest.observation.layout
    assert layout.names[-1] == EYE
    assert layout.names[:-1] == bundle.skill().layout.names

    controller.step(reading(0), frame=frame(0))
    first = controller.latest.observation
    other = Controller(bundle, SPEC)
    other.begin_episode(goal=lambda _: np.array([0.5]), target_rad=HOME)
    other.step(reading(0), frame=frame(0, pixels=255 - frame(0).pixels))
    second = other.latest.observation

    seen = layout.slice_of(EYE)
    assert np.abs(first[seen] - second[seen]).min() > 1e-4
    np.testing.assert_array_equal(first[: seen.start], second[: seen.start])
    assert np.abs(controller.latest.action - other.latest.action).max() > 1e-6
    np.testing.assert_array_equal(controller.latest.frame.pixels, frame(0).pixels)


BAD_FRAMES = {
    Rejection.FRAME_MISSING: lambda frame, tick: None,
    Rejection.FRAME_MISSHAPEN: lambda frame, tick: frame(tick, pixels=np.zeros((16, 16, 3), "u1")),
    Rejection.FRAME_AHEAD: lambda frame, tick: frame(tick, stamp_ns=(tick + 1) * PERIOD_NS + 1),
    Rejection.FRAME_STALE: lambda frame, tick: frame(
        tick, stamp_ns=(tick + 1) * PERIOD_NS - round(PALM.stale_after_s * 1e9) - 1
    ),
    Rejection.FRAME_REPEATED: lambda frame, tick: frame(tick, sequence=2 * tick - 2),
}


@pytest.mark.parametrize("rejection", list(BAD_FRAMES))
def test_a_frame_that_is_none_is_counted_and_not_acted_on(controller, reading, frame, rejection):
    for tick in range(3):
        held = controller.step(reading(tick), frame=frame(tick))
    num_accepted, memory, latest = controller.num_accepted, controller.memory, controller.latest

    command = controller.step(reading(3), frame=BAD_FRAMES[rejection](frame, 3))

    np.testing.assert_array_equal(command.position_rad, held.position_rad)
    assert command.stamp_ns == held.stamp_ns
    assert controller.latest is latest
    assert controller.rejections[rejection] == 1
    assert controller.num_accepted == num_accepted
    for name, values in controller.memory.items():
        np.testing.assert_array_equal(values, memory[name])

    after = controller.step(reading(4), frame=frame(4))  # two periods on: acted on, no evidence
    assert after.stamp_ns == reading(4).stamp_ns
    assert controller.latest.rejection is Rejection.LATE
    assert controller.num_accepted == num_accepted


def test_every_defect_of_a_frame_is_tried_and_keeps_the_policy_from_acting():
    assert set(BAD_FRAMES) == OF_FRAMES
    assert OF_FRAMES <= UNUSABLE


def test_frames_of_another_type_are_no_frames(controller, reading, frame):
    controller.step(reading(0), frame=frame(0, pixels=frame(0).pixels.astype(np.float32)))

    assert controller.rejections[Rejection.FRAME_MISSHAPEN] == 1


def test_an_outcome_needs_a_frame_as_well(controller, reading, frame):
    controller.step(reading(0), frame=frame(0))

    assert controller.end_episode(reading(1), frame=frame(0)) is None
    assert controller.rejections[Rejection.FRAME_REPEATED] == 1
    assert controller.end_episode(reading(1), frame=frame(1)) is not None
    assert controller.num_accepted == 1


def test_a_new_trial_may_be_seen_through_a_camera_that_counts_anew(controller, reading, frame):
    controller.step(reading(5), frame=frame(5))
    controller.begin_trial(seed=1)
    controller.begin_episode(goal=lambda _: np.array([0.5]), target_rad=HOME)

    assert controller.step(reading(0), frame=frame(0)).stamp_ns == reading(0).stamp_ns


def test_a_camera_slower_than_the_policy_repeats_itself(bundle, frame):
    model = bundle.models()["eye"]
    slow = Eye(replace(PALM, period_s=0.2, stale_after_s=0.3), model, 0.1)
    slow.features(frame(0))
    now_ns = frame(0).stamp_ns + 150_000_000

    assert slow.defect(frame(0), now_ns) is None
    assert slow.defect(frame(0, sequence=-1), now_ns) is Rejection.FRAME_REPEATED
    assert slow.defect(frame(0), now_ns + 200_000_000) is Rejection.FRAME_STALE


def test_a_blind_policy_asks_for_no_frame(exported_bundles, reading):
    controller = Controller(read_bundle(exported_bundles()), SPEC)
    controller.begin_episode(goal=lambda _: np.array([0.5]), target_rad=HOME)

    controller.step(reading(0))

    assert controller.latest.frame is None


# ---- loading -----------------------------------------------------------------------------------


def with_cameras(folder: Path, text: str) -> Path:
    """A robot of one's own with other cameras."""
    shutil.copytree(SPEC.source.parent, folder)
    (folder / "cameras.yaml").write_text(text)
    return folder / "robot.yaml"


def cameras_text(**changes: object) -> str:
    camera = {
        "name": "palm",
        "physics_camera": "palm",
        "height": 32,
        "width": 32,
        "period_s": 0.05,
        "stale_after_s": 0.15,
    } | changes
    return json.dumps({"schema_version": 1, "cameras": [camera]})


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"height": 64}, "camera.height"),
        ({"width": 48}, "camera.width"),
        ({"period_s": 0.1}, "camera.period_s"),
        ({"stale_after_s": 0.5}, "camera.stale_after_s"),
        ({"name": "wrist"}, "cameras"),
    ],
)
def test_a_robot_with_another_camera_is_refused(tmp_path, seeing_bundle, changes, field):
    spec = load_robot_spec(with_cameras(tmp_path / "hand", cameras_text(**changes)))

    with pytest.raises(BadInput) as refused:
        load_bundle(seeing_bundle, spec)

    assert refused.value.field == field
    assert "palm" in str(refused.value) or "dclaw" in str(refused.value)


def test_the_same_camera_in_a_file_of_ones_own_is_no_other(tmp_path, seeing_bundle):
    load_bundle(seeing_bundle, load_robot_spec(with_cameras(tmp_path / "hand", cameras_text())))


def rewrite(folder: Path, edit: Callable[[dict], None]) -> None:
    document = json.loads((folder / MANIFEST).read_text())
    edit(document)
    text = json.dumps(document)
    (folder / MANIFEST).write_text(text)
    (folder / CHECKSUM).write_text(f"{hashlib.sha256(text.encode()).hexdigest()}  {MANIFEST}\n")


@pytest.mark.parametrize(
    ("edit", "field"),
    [
        (lambda document: document.pop("camera"), "camera"),
        (lambda document: document["camera"].update(height=16), "graphs["),
        (lambda document: document["graphs"].pop(), "graphs"),
    ],
)
def test_a_manifest_that_does_not_fit_its_eye_is_refused(tmp_path, seeing_bundle, edit, field):
    folder = Path(shutil.copytree(seeing_bundle, tmp_path / "bundle"))
    rewrite(folder, edit)

    with pytest.raises(BadInput) as refused:
        read_bundle(folder)

    assert refused.value.field.startswith(field)


def test_a_camera_without_an_eye_is_refused(tmp_path, exported_bundles):
    folder = Path(shutil.copytree(exported_bundles(), tmp_path / "bundle"))
    camera = json.loads(cameras_text())["cameras"][0]
    rewrite(folder, lambda document: document.update(camera=camera))

    with pytest.raises(BadInput, match="camera"):
        read_bundle(folder)


def test_a_manifest_of_a_blind_policy_says_nothing_of_cameras(exported_bundles):
    bundle = read_bundle(exported_bundles())

    assert "camera" not in json.loads(bundle.manifest.to_json())
    text = (bundle.folder / MANIFEST).read_text()
    assert bundle.manifest.to_json() == text


def test_other_pixels_in_the_golden_vectors_are_noticed(bundle, columns):
    assert require_golden(bundle, SPEC) <= 1e-6
    changed = {name: np.array(values) for name, values in columns.items()}
    changed["frame"][120] = 255 - changed["frame"][120]
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **changed)
    damaged = replace(bundle, files={**bundle.files, GOLDEN: buffer.getvalue()})

    with pytest.raises(BadInput) as refused:
        require_golden(damaged, SPEC)

    assert refused.value.field.startswith("observation[120")


def test_the_eye_has_a_parity_of_its_own_and_sees_what_moves(bundle, columns):
    records = {graph.role: graph for graph in bundle.manifest.graphs}

    assert records["eye"].inputs[0].dtype == "uint8"
    assert records["eye"].inputs[0].shape == (1, *PALM.shape)
    assert 0.0 <= records["eye"].max_parity_error <= 1e-5
    assert (columns["frame"][1:] != columns["frame"][:-1]).any()
