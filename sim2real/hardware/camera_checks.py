"""What the doctor says of a hand's cameras: where frames come from, or what is missing for them."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Iterator
from pathlib import Path

from sim2real.contract.camera import CameraSpec, load_cameras
from sim2real.contract.errors import BadInput
from sim2real.contract.robot_spec import RobotSpec
from sim2real.hardware.camera import Camera
from sim2real.hardware.cameras import CameraPlace, open_camera
from sim2real.hardware.check import Check, failed, ok
from sim2real.hardware.file_camera import frames_beside

PATIENCE_S = 5.0
"""for a first frame: some devices take seconds to wake up"""
NUM_FRAMES = 5
"""that are waited for, to see how often they come"""


def camera_checks(spec: RobotSpec, port: str, device: str) -> Iterator[Check]:
    """One row per camera of the robot; none where it has none.

    `port` may be an emulated hand's, with its frames beside it; `device` is a video device.
    """
    for camera in load_cameras(spec).values():
        emulated = frames_beside(Path(port), camera.name)
        if device:
            yield _frames_of(camera, CameraPlace(kind="v4l2", at=device), device)
        elif emulated.exists():
            yield _frames_of(camera, CameraPlace(kind="emulated", at=port), str(emulated))
        else:
            yield _none(camera)


def _none(camera: CameraSpec) -> Check:
    """Not a fault: most policies are blind."""
    devices = ", ".join(map(str, sorted(Path("/dev").glob("video*")))) or "no video device is here"
    has_opencv = importlib.util.find_spec("cv2") is not None
    more = "" if has_opencv else "; pip install taskbelief[camera] brings what reads it"
    needed = f"a policy that sees needs --camera DEVICE ({devices}){more}"
    return ok(camera.name, "camera", f"no source of frames is known: {needed}")


def _frames_of(camera: CameraSpec, place: CameraPlace, where: str) -> Check:
    try:
        opened = open_camera(camera, place)
    except BadInput as error:
        return failed(camera.name, "camera", f"{where}: {error.found}", str(error.expected))
    try:
        return _judged(camera, opened, where)
    finally:
        opened.close()


def _judged(camera: CameraSpec, opened: Camera, where: str) -> Check:
    stamps: list[int] = []
    end = time.monotonic() + PATIENCE_S + NUM_FRAMES * camera.period_s
    while len(stamps) < NUM_FRAMES and time.monotonic() < end:
        frame = opened.latest()
        if frame is not None and (not stamps or frame.stamp_ns > stamps[-1]):
            stamps.append(frame.stamp_ns)
        time.sleep(camera.period_s / 10)
    if len(stamps) < 2:
        return failed(
            camera.name, "camera", f"{where}: no frames", "is it used by another program?"
        )
    period_s = (stamps[-1] - stamps[0]) * 1e-9 / (len(stamps) - 1)
    found = f"{where}: a frame every {period_s * 1e3:.0f} ms"
    if period_s > camera.stale_after_s:
        return failed(
            camera.name, "camera", found, f"at most {camera.stale_after_s * 1e3:.0f} ms: too slow"
        )
    return ok(camera.name, "camera", found)
