"""The kinds of camera by name, and how to get hold of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sim2real.contract.camera import CameraSpec
from sim2real.contract.errors import BadInput
from sim2real.hardware.camera import Camera

WHERE = "camera"


@dataclass(frozen=True, kw_only=True)
class CameraPlace:
    """Which camera is meant."""

    kind: str
    """a name in `CAMERAS`"""
    at: str
    """port of the emulated hand that it is of, or device"""


def open_camera(spec: CameraSpec, place: CameraPlace) -> Camera:
    """The camera at that place. Raises `BadInput` for an unknown kind, and where none is there."""
    make = CAMERAS.get(place.kind)
    if make is None:
        raise BadInput(WHERE, "kind", found=place.kind, expected=f"one of {', '.join(CAMERAS)}")
    if not place.at:
        raise BadInput(WHERE, "at", found="nothing", expected=f"where the {place.kind} camera is")
    return make(spec, place.at)


def _emulated(spec: CameraSpec, at: str) -> Camera:
    from sim2real.hardware.file_camera import FileCamera

    return FileCamera(Path(at), spec)


def _v4l2(spec: CameraSpec, at: str) -> Camera:
    from sim2real.hardware.v4l2_camera import V4l2Camera

    return V4l2Camera(at, spec)


CAMERAS: Mapping[str, Callable[[CameraSpec, str], Camera]] = {
    "emulated": _emulated,
    "v4l2": _v4l2,
}
"""by the names that command lines and parameters use"""
