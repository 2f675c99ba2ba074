"""Frames as camera drivers publish them: `sensor_msgs/Image` and `CameraInfo`, and back again."""

from __future__ import annotations

from typing import Any

import numpy as np

from sim2real.contract.camera import NUM_CHANNELS, CameraSpec, Frame
from sim2real.recording.cdr import Values
from sim2real.recording.messages import RGB8, header

BGR8 = "bgr8"
"""the other order of bytes that drivers publish"""


def image_message(frame: Frame, camera: CameraSpec, stamp_ns: int) -> Values:
    """sensor_msgs/Image; `stamp_ns` is when the frame was taken."""
    return {
        "header": header(stamp_ns, optical_frame(camera)),
        "height": camera.height,
        "width": camera.width,
        "encoding": RGB8,
        "is_bigendian": 0,
        "step": NUM_CHANNELS * camera.width,
        "data": frame.pixels.ravel(),
    }


def camera_info_message(camera: CameraSpec, fovy_rad: float, stamp_ns: int) -> Values:
    """sensor_msgs/CameraInfo of a pinhole without distortion; all zero where `fovy_rad` is 0.

    Square pixels, the axis through the middle, `fovy_rad` from the top of the picture to its
    bottom. Zeros are how ROS says that a camera is not calibrated.
    """
    height, width = camera.height, camera.width
    focal = height / 2.0 / np.tan(fovy_rad / 2.0) if fovy_rad else 0.0
    middle = (width / 2.0, height / 2.0) if fovy_rad else (0.0, 0.0)
    one = 1.0 if fovy_rad else 0.0
    rows = np.array([[focal, 0.0, middle[0]], [0.0, focal, middle[1]], [0.0, 0.0, one]])
    return {
        "header": header(stamp_ns, optical_frame(camera)),
        "height": height,
        "width": width,
        "distortion_model": "plumb_bob",
        "d": np.zeros(5),
        "k": rows.ravel(),
        "r": np.diag([one] * 3).ravel(),
        "p": np.column_stack([rows, np.zeros(3)]).ravel(),
        "binning_x": 0,
        "binning_y": 0,
        "roi": {
            "x_offset": 0,
            "y_offset": 0,
            "height": 0,
            "width": 0,
            "do_rectify": False,
        },
    }


def optical_frame(camera: CameraSpec) -> str:
    """As ROS calls the frame whose z axis looks ahead and whose y axis looks down (REP 103)."""
    return f"{camera.name}_optical_frame"


def frame_of_image(message: Any, stamp_ns: int) -> Frame:
    """Of a sensor_msgs/Image, which bears no number: its stamp is one.

    `stamp_ns` is when it was taken, on the clock of the readings. What is no picture in red, green
    and blue keeps a shape that no policy takes.
    """
    said = message.header.stamp
    data = np.frombuffer(bytes(message.data), np.uint8)
    return Frame(
        stamp_ns=stamp_ns,
        sequence=said.sec * 1_000_000_000 + said.nanosec,
        pixels=_pixels(message, data),
    )


def _pixels(message: Any, data: np.ndarray[Any, np.dtype[np.uint8]]) -> Any:
    row_bytes = NUM_CHANNELS * message.width
    is_whole = message.step >= row_bytes and data.size == message.step * message.height
    if message.encoding not in (RGB8, BGR8) or not is_whole:
        return data
    rows = data.reshape(message.height, message.step)[:, :row_bytes]  # rows may be padded
    pixels = rows.reshape(message.height, message.width, NUM_CHANNELS)
    return pixels if message.encoding == RGB8 else pixels[:, :, ::-1]
