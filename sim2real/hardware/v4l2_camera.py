"""A video device as a camera: Linux's own interface (V4L2), read by OpenCV on a thread.

The device delivers a picture of some size that it has; the middle of it is averaged down to what
the policy wants. Stamps are the kernel's, taken as the picture began or ended, on the monotonic
clock that readings bear too.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from sim2real.contract.camera import NUM_CHANNELS, CameraSpec, Frame, Pixels
from sim2real.contract.errors import BadInput

ASKED_WIDTH, ASKED_HEIGHT = 640, 480
"""that nearly every camera has; the device may give others"""
JOIN_S = 2.0
LONGEST_AGE_NS = 1_000_000_000
"""a stamp further from now than this is on another clock"""


class Capture(Protocol):
    """What is used of `cv2.VideoCapture`."""

    def isOpened(self) -> bool: ...  # noqa: N802
    def read(self) -> tuple[bool, Any]: ...
    def get(self, what: int) -> float: ...
    def release(self) -> None: ...


class V4l2Camera:
    """A `Camera` on a video device. Its thread takes frames until `close`."""

    def __init__(
        self,
        device: str,
        spec: CameraSpec,
        open_device: Callable[[str, CameraSpec], tuple[Capture, int]] | None = None,
    ) -> None:
        """Raises `BadInput` where there is no such device, or OpenCV is not installed.

        `open_device` opens it, and says which property of it is the stamp in ms.
        """
        self._spec, self._device = spec, device
        self._capture, self._stamp = (open_device or _opened)(device, spec)
        self._frame: Frame | None = None
        self._is_over, self._num_frames = False, 0
        self.failure = ""
        """why there are no more frames; empty as long as there are"""
        self._thread = threading.Thread(target=self._run, name=f"camera {device}", daemon=True)
        self._thread.start()

    @property
    def spec(self) -> CameraSpec:
        return self._spec

    def latest(self) -> Frame | None:
        return self._frame

    def close(self) -> None:
        self._is_over = True
        self._thread.join(JOIN_S)
        self._capture.release()

    def _run(self) -> None:
        while not self._is_over:
            is_there, picture = self._capture.read()
            if not is_there:  # it was pulled out: the last frame gets old, and nobody acts on it
                self.failure = f"{self._device} delivers no more pictures"
                return
            try:
                pixels = shrunk(picture[:, :, ::-1], self._spec.height, self._spec.width)
            except ValueError as error:
                self.failure = f"{self._device}: {error}"
                return
            self._frame = Frame(stamp_ns=self._taken_ns(), sequence=self._num_frames, pixels=pixels)
            self._num_frames += 1

    def _taken_ns(self) -> int:
        """The kernel's stamp of the picture that was read last; now, where it is no such stamp."""
        now_ns = time.monotonic_ns()
        stamp_ns = round(self._capture.get(self._stamp) * 1e6)
        return stamp_ns if 0 <= now_ns - stamp_ns < LONGEST_AGE_NS else now_ns


def shrunk(pixels: Pixels, height: int, width: int) -> Pixels:
    """(height, width, 3): the largest middle part of a picture, averaged down by a whole number.

    Raises `ValueError` for a picture that is smaller.
    """
    factor = min(pixels.shape[0] // height, pixels.shape[1] // width)
    if factor < 1:
        raise ValueError(f"a picture of {pixels.shape[:2]} pixels, wanted {(height, width)}")
    rows, columns = factor * height, factor * width
    top, left = (pixels.shape[0] - rows) // 2, (pixels.shape[1] - columns) // 2
    middle = pixels[top : top + rows, left : left + columns]
    blocks = middle.reshape(height, factor, width, factor, NUM_CHANNELS)
    averaged: Pixels = np.rint(blocks.mean(axis=(1, 3))).astype(np.uint8)
    return averaged


def _opened(device: str, spec: CameraSpec) -> tuple[Capture, int]:
    try:
        import cv2
    except ImportError:
        raise BadInput(
            "camera",
            "opencv",
            found="not installed",
            expected="OpenCV, which reads video devices",
            remedy="pip install taskbelief[camera]",
        ) from None
    capture = cv2.VideoCapture(device, cv2.CAP_V4L2)
    if not capture.isOpened():
        expected = "a video device that takes pictures"
        raise BadInput(device, "device", found="nothing that opens", expected=expected)
    capture.set(cv2.CAP_PROP_FRAME_WIDTH, ASKED_WIDTH)
    capture.set(cv2.CAP_PROP_FRAME_HEIGHT, ASKED_HEIGHT)
    capture.set(cv2.CAP_PROP_FPS, 1.0 / spec.period_s)
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # what waits there is old
    return capture, cv2.CAP_PROP_POS_MSEC
