"""Which frames an eye may look at, one by one: the rules behind `test_eye`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sim2real.contract.camera import CameraSpec, Frame
from sim2real.contract.joint_io import Reading
from sim2real.runtime.evidence import EvidenceGate, Rejection
from sim2real.runtime.eye import Eye

CAMERA = CameraSpec(
    name="c", physics_camera="c", height=2, width=3, period_s=0.05, stale_after_s=0.15
)
NOW_NS = 10**12
FRAME = Frame(stamp_ns=NOW_NS - 10_000_000, sequence=5, pixels=np.zeros((2, 3, 3), np.uint8))


class Model:
    """The sum of a frame's pixels."""

    def __init__(self) -> None:
        self.inputs = {"frame": np.zeros((1, 2, 3, 3), np.uint8)}
        self.outputs = {"features": np.zeros((1, 1), np.float32)}

    def run(self) -> None:
        self.outputs["features"][0] = self.inputs["frame"].sum()


def eye_of(camera: CameraSpec = CAMERA, period_s: float = 0.1) -> Eye:
    return Eye(camera, Model(), period_s)


def test_fr1_the_age_at_which_a_frame_is_stale_is_the_cameras():
    eye, limit_ns = eye_of(), round(CAMERA.stale_after_s * 1e9)

    assert eye.defect(replace(FRAME, stamp_ns=NOW_NS - limit_ns), NOW_NS) is None
    late = replace(FRAME, stamp_ns=NOW_NS - limit_ns - 1)
    assert eye.defect(late, NOW_NS) is Rejection.FRAME_STALE


def test_fr2_a_frame_is_acted_on_once_and_in_order():
    eye = eye_of()
    eye.features(FRAME)

    assert eye.defect(FRAME, NOW_NS) is Rejection.FRAME_REPEATED
    assert eye.defect(replace(FRAME, sequence=4), NOW_NS) is Rejection.FRAME_REPEATED
    assert eye.defect(replace(FRAME, sequence=6), NOW_NS) is None


def test_fr3_a_camera_as_fast_as_the_policy_may_not_repeat_a_slower_one_may():
    for period_s, expected in ((0.05, Rejection.FRAME_REPEATED), (0.04, None)):
        eye = eye_of(period_s=period_s)
        eye.features(FRAME)
        assert eye.defect(FRAME, NOW_NS) is expected
        assert eye.defect(replace(FRAME, sequence=4), NOW_NS) is Rejection.FRAME_REPEATED


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((3, 2, 3), np.uint8),
        np.zeros((2, 3, 1), np.uint8),
        np.zeros((2, 3, 3), np.int8),
        np.zeros(18, np.uint8),
    ],
    ids=["turned", "grey", "signed", "flat"],
)
def test_fr4_a_frame_of_another_size_or_type_is_none(pixels):
    assert eye_of().defect(replace(FRAME, pixels=pixels), NOW_NS) is Rejection.FRAME_MISSHAPEN


def test_fr5_no_frame_and_one_from_the_future_are_none():
    assert eye_of().defect(None, NOW_NS) is Rejection.FRAME_MISSING
    ahead = replace(FRAME, stamp_ns=NOW_NS + 1)
    assert eye_of().defect(ahead, NOW_NS) is Rejection.FRAME_AHEAD
    assert eye_of().defect(replace(FRAME, stamp_ns=NOW_NS), NOW_NS) is None


def test_fr6_features_are_of_the_frame_that_was_given_and_stay_what_they_were():
    eye = eye_of()
    first = eye.features(replace(FRAME, pixels=np.ones((2, 3, 3), np.uint8)))
    second = eye.features(replace(FRAME, sequence=6, pixels=np.full((2, 3, 3), 2, np.uint8)))

    assert (first[0], second[0]) == (18.0, 36.0)


def reading(number: int) -> Reading:
    joints = np.zeros(1)
    return Reading(
        stamp_ns=number * 100_000_000,
        sequence=number,
        position_rad=joints,
        velocity_rad_s=joints,
        current_ma=joints,
        object_position_rad=np.zeros(()),
        object_velocity_rad_s=np.zeros(()),
    )


def test_fr7_a_reading_with_a_bad_frame_is_no_evidence_and_no_predecessor():
    gate = EvidenceGate(control_period_s=0.1, tolerance=0.2, stale_after_s=0.1)

    def judge(number: int, defect: Rejection | None = None) -> Rejection | None:
        one = reading(number)
        return gate.judge(
            one, one.stamp_ns, is_action_known=True, is_frozen=False, frame_defect=defect
        )

    assert judge(1) is Rejection.EPISODE_BOUNDARY
    assert judge(2) is None
    assert judge(3, Rejection.FRAME_STALE) is Rejection.FRAME_STALE
    assert judge(4) is Rejection.LATE  # two periods after the last one that was acted on
    assert judge(5) is None
    assert gate.counts[Rejection.FRAME_STALE] == 1
    assert gate.num_accepted == 2
