"""A video device as a camera. No device is here: what is left of OpenCV is pretended."""

from __future__ import annotations

import time

import numpy as np
import pytest

from sim2real.contract.camera import load_cameras
from sim2real.contract.errors import BadInput
from sim2real.contract.robot_spec import load_robot_spec
from sim2real.hardware.cameras import CameraPlace, open_camera
from sim2real.hardware.v4l2_camera import V4l2Camera, shrunk

PALM = load_cameras(load_robot_spec())["palm"]
STAMP = 0


class Device:
    """Pictures in blue, green, red, stamped as taken a little before, until there are no more."""

    def __init__(self, pictures, age_s: float = 0.02) -> None:
        self._pictures, self._age_s, self.is_released = iter(pictures), age_s, False

    def read(self):
        picture = next(self._pictures, None)
        self._stamp_ms = (time.monotonic() - self._age_s) * 1e3
        return picture is not None, picture

    def get(self, what):
        assert what == STAMP
        return self._stamp_ms

    def isOpened(self):  # noqa: N802
        return True

    def release(self):
        self.is_released = True


def camera_of(device) -> V4l2Camera:
    camera = V4l2Camera("/dev/video7", PALM, lambda _path, _spec: (device, STAMP))
    deadline = time.monotonic() + 10.0
    while not camera.failure and time.monotonic() < deadline:
        time.sleep(0.001)
    return camera


def blue(value: int):
    picture = np.zeros((480, 640, 3), np.uint8)
    picture[:, :, 0] = value
    return picture


def test_pictures_become_frames_in_red_green_and_blue():
    device = Device([blue(100), blue(200)])
    camera = camera_of(device)

    frame = camera.latest()
    assert frame.pixels.shape == PALM.shape
    assert (frame.pixels == [0, 0, 200]).all()
    assert frame.sequence == 1
    assert 0.015 < frame.age_s(time.monotonic_ns()) < 5.0
    assert "no more pictures" in camera.failure
    camera.close()
    assert device.is_released


def test_a_stamp_of_another_clock_is_no_stamp():
    before_ns = time.monotonic_ns()
    camera = camera_of(Device([blue(1)], age_s=-1e6))

    assert before_ns <= camera.latest().stamp_ns <= time.monotonic_ns()


def test_a_picture_that_is_too_small_is_none():
    camera = camera_of(Device([np.zeros((16, 16, 3), np.uint8)]))

    assert camera.latest() is None
    assert "(16, 16)" in camera.failure


def test_the_middle_of_a_picture_is_averaged():
    picture = np.zeros((6, 10, 3), np.uint8)
    picture[:, 2:8] = 90  # three blocks of two columns, the middle ones
    picture[0, 2] = 50

    found = shrunk(picture, 3, 3)

    assert found.shape == (3, 3, 3)
    assert (found[0, 0] == 80).all()
    assert (found.reshape(-1, 3)[1:] == 90).all()


def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(BadInput) as refused:
        open_camera(PALM, CameraPlace(kind="v4l2", at="/dev/video77"))
    assert refused.value.field in ("device", "opencv")
    with pytest.raises(BadInput, match="telescope"):
        open_camera(PALM, CameraPlace(kind="telescope", at="x"))
    with pytest.raises(BadInput, match="nothing"):
        open_camera(PALM, CameraPlace(kind="v4l2", at=""))
