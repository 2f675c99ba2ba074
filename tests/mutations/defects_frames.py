"""Defects of what is acted on of a camera; see `defects.py`."""

from __future__ import annotations

from tests.mutations.defects import Defect

_EYE, _GATE = "sim2real/runtime/eye.py", "sim2real/runtime/evidence.py"
_OF_EYE = "tests/runtime/test_frame_judging.py"
_MAILBOX, _OF_MAILBOX = "sim2real/hardware/mailbox.py", "tests/hardware/test_mailbox.py"
_CAMERA, _OF_CAMERA = "sim2real/emulator/camera.py", "tests/emulator/test_camera.py"
_FAULTS = "sim2real/emulator/camera_faults.py"

DEFECTS = (
    Defect(
        "FR1",
        "a frame may be a camera's period older",
        _EYE,
        "round(camera.stale_after_s * 1e9)",
        "round((camera.stale_after_s + camera.period_s) * 1e9)",
        (f"{_OF_EYE}::test_fr1_the_age_at_which_a_frame_is_stale_is_the_cameras",),
    ),
    Defect(
        "FR2",
        "a frame that was overtaken is acted on",
        _EYE,
        "frame.sequence <= self._used",
        "frame.sequence == self._used",
        (f"{_OF_EYE}::test_fr2_a_frame_is_acted_on_once_and_in_order",),
    ),
    Defect(
        "FR3",
        "every camera may repeat itself",
        _EYE,
        "self._may_repeat = camera.period_s > control_period_s",
        "self._may_repeat = True",
        (f"{_OF_EYE}::test_fr3_a_camera_as_fast_as_the_policy_may_not_repeat_a_slower_one_may",),
    ),
    Defect(
        "FR4",
        "only the number of pixels is looked at",
        _EYE,
        "pixels.shape != self._input.shape or",
        "pixels.size != self._input.size or",
        (f"{_OF_EYE}::test_fr4_a_frame_of_another_size_or_type_is_none",),
    ),
    Defect(
        "FR5",
        "a clock that is ahead makes frames young",
        _EYE,
        "if frame.stamp_ns > now_ns:",
        "if frame.stamp_ns > now_ns + self._stale_after_ns:",
        (f"{_OF_EYE}::test_fr5_no_frame_and_one_from_the_future_are_none",),
    ),
    Defect(
        "FR6",
        "features are a view into the graph's output",
        _EYE,
        "self._output.copy()",
        "self._output",
        (f"{_OF_EYE}::test_fr6_features_are_of_the_frame_that_was_given_and_stay_what_they_were",),
    ),
    Defect(
        "FR7",
        "what is wrong with a frame is not looked at",
        _GATE,
        "self._unusable(reading, now_ns) or frame_defect",
        "self._unusable(reading, now_ns)",
        (f"{_OF_EYE}::test_fr7_a_reading_with_a_bad_frame_is_no_evidence_and_no_predecessor",),
    ),
    Defect(
        "FR8",
        "half a letter is read for a whole one",
        _MAILBOX,
        "is_whole = number and checksum == _checksum(number, stamp_ns, content)",
        "is_whole = number",
        (f"{_OF_MAILBOX}::test_fr8_a_letter_that_is_torn_is_not_read",),
    ),
    Defect(
        "FR9",
        "a late frame is stamped when it arrives",
        _FAULTS,
        "return [(armed.fault.amount, frame)]",
        "late_ns = round(armed.fault.amount * 1e9)\n"
        "    stamp_ns = frame.stamp_ns + late_ns\n"
        "    return [(armed.fault.amount, dataclasses.replace(frame, stamp_ns=stamp_ns))]",
        (f"{_OF_CAMERA}::test_fr9_late_frames_bear_the_time_at_which_they_were_taken",),
    ),
    Defect(
        "FR10",
        "a frame that was lost is not missed in the numbers",
        _CAMERA,
        "sequence=self._num_taken, pixels=pixels",
        "sequence=len(self._under_way), pixels=pixels",
        (f"{_OF_CAMERA}::test_fr10_dropped_frames_leave_gaps_in_the_numbers",),
    ),
)
