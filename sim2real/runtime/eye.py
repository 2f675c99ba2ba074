"""The eye: which frames a policy may act on, and what it makes of them.

An old frame is a lie about now as an old reading is, so that frames are judged before the graph
sees them. What is wrong with one is counted like what is wrong with a reading, and nothing is done
for it: targets stay what they are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sim2real.contract.camera import CameraSpec, Frame
from sim2real.runtime.evidence import Rejection
from sim2real.runtime.onnx_model import OnnxModel


class Eye:
    """A bundle's eye with the camera that it was trained behind. Not thread-safe."""

    def __init__(self, camera: CameraSpec, model: OnnxModel, control_period_s: float) -> None:
        self.camera, self._model = camera, model
        self._input, self._output = model.inputs["frame"][0], model.outputs["features"][0]
        self._stale_after_ns = round(camera.stale_after_s * 1e9)
        self._may_repeat = camera.period_s > control_period_s
        """whether the camera is slower than the policy: there is no new frame at every tick"""
        self.begin_trial()

    def begin_trial(self) -> None:
        """Frames may be counted anew, perhaps by another camera."""
        self._used: int | None = None

    def defect(self, frame: Frame | None, now_ns: int) -> Rejection | None:
        """Why this frame must not be acted on at `now_ns`; None where it may be."""
        if frame is None:
            return Rejection.FRAME_MISSING
        pixels = frame.pixels
        if pixels.shape != self._input.shape or pixels.dtype != self._input.dtype:
            return Rejection.FRAME_MISSHAPEN
        if frame.stamp_ns > now_ns:
            return Rejection.FRAME_AHEAD
        if now_ns - frame.stamp_ns > self._stale_after_ns:
            return Rejection.FRAME_STALE
        if self._used is not None and frame.sequence <= self._used:
            is_same = frame.sequence == self._used
            return None if is_same and self._may_repeat else Rejection.FRAME_REPEATED
        return None

    def features(self, frame: Frame) -> NDArray[np.float32]:
        """(F,) what the policy sees of a frame, which counts as acted on from now on."""
        self._used = frame.sequence
        self._input[:] = frame.pixels
        self._model.run()
        features: NDArray[np.float32] = self._output.copy()
        return features
