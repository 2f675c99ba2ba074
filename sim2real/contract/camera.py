"""What a camera of a robot is, and what it delivers: frames with a stamp and a number.

Cameras are declared in `cameras.yaml` beside robot.yaml; a robot without that file has none. They
are no part of the robot's fingerprint: a policy that is blind runs on the hand with or without one,
and one that sees names the camera that it needs, digest and all.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim2real.contract.errors import BadInput
from sim2real.contract.observation import ObservationLayout, Term
from sim2real.contract.robot_spec import RobotSpec
from sim2real.contract.strict import build
from sim2real.contract.text_file import read_yaml

SCHEMA_VERSION = 1
CAMERAS_YAML = "cameras.yaml"
NUM_CHANNELS = 3
"""red, green, blue, in this order"""
MAX_SIDE = 4096
"""pixels; a larger frame was meant to be something else"""

EYE = "eye"
"""the term of an observation that a policy sees of a frame: features, last of all"""

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class CameraSpec:
    """A camera as policies and whoever delivers frames both see it."""

    name: str
    """as topics, recordings and bundles call it"""
    physics_camera: str
    """the camera of the physics model that stands for it in simulation"""
    height: int
    """rows of a frame, pixels"""
    width: int
    """columns of a frame, pixels"""
    period_s: float
    """from one frame to the next"""
    stale_after_s: float
    """a frame older than this is not acted on"""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(H, W, C) of a frame."""
        return self.height, self.width, NUM_CHANNELS

    @property
    def digest(self) -> str:
        """Short hash of all that is said of it."""
        content = json.dumps(dataclasses.asdict(self), sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True, eq=False)
class Frame:
    """One picture."""

    stamp_ns: int
    """when it was taken, on the clock of the readings' stamps"""
    sequence: int
    """counts frames: two with the same number are the same picture"""
    pixels: Pixels
    """(H, W, C) uint8, top row first"""

    def age_s(self, now_ns: int) -> float:
        """How old it is. Negative for one from the future."""
        return (now_ns - self.stamp_ns) * 1e-9


def with_eye(layout: ObservationLayout, num_features: int) -> ObservationLayout:
    """What a skill measures, and behind it so many features of a frame."""
    return ObservationLayout(terms=(*layout.terms, Term(name=EYE, size=num_features, unit="1")))


def num_features(layout: ObservationLayout) -> int:
    """F, features of a frame at the end of an observation; 0 for a policy that is blind."""
    last = layout.terms[-1]
    return last.size if last.name == EYE else 0


def load_cameras(spec: RobotSpec) -> dict[str, CameraSpec]:
    """The cameras of a robot by name, in the order of its file; none where it has no file.

    Raises `BadInput` naming file and field for what does not fit.
    """
    path = spec.file_of(CAMERAS_YAML)
    if not path.exists():
        return {}
    where = str(path)
    document = read_yaml(path, "a cameras.yaml")
    file = build(_CamerasFile, document, where)
    if file.schema_version != SCHEMA_VERSION:
        expected = str(SCHEMA_VERSION)
        raise BadInput(where, "schema_version", found=file.schema_version, expected=expected)
    cameras: dict[str, CameraSpec] = {}
    for index, camera in enumerate(file.cameras):
        _validate(camera, where, f"cameras[{index}]")
        if camera.name in cameras:
            at = f"cameras[{index}].name"
            raise BadInput(where, at, found=camera.name, expected="each name once")
        cameras[camera.name] = camera
    return cameras


def camera_named(spec: RobotSpec, name: str) -> CameraSpec:
    """One camera of a robot. Raises `BadInput` for a name that none has."""
    cameras = load_cameras(spec)
    if name not in cameras:
        where = str(spec.file_of(CAMERAS_YAML))
        expected = f"a camera {name}"
        raise BadInput(where, "cameras", found=list(cameras) or "none", expected=expected)
    return cameras[name]


@dataclass(frozen=True, kw_only=True)
class _CamerasFile:
    schema_version: int
    cameras: tuple[CameraSpec, ...]


def _validate(camera: CameraSpec, where: str, at: str) -> None:
    if not camera.name.isidentifier():  # a part of topic names
        expected = "letters, digits and underscores"
        raise BadInput(where, f"{at}.name", found=camera.name, expected=expected)
    for name in ("height", "width"):
        pixels = getattr(camera, name)
        if not 1 <= pixels <= MAX_SIDE:
            expected = f"1 to {MAX_SIDE} pixels"
            raise BadInput(where, f"{at}.{name}", found=pixels, expected=expected)
    for name in ("period_s", "stale_after_s"):
        if not getattr(camera, name) > 0.0:
            expected = "a number above 0"
            raise BadInput(where, f"{at}.{name}", found=getattr(camera, name), expected=expected)
    if camera.stale_after_s <= camera.period_s:
        expected = f"above period_s {camera.period_s}"
        raise BadInput(where, f"{at}.stale_after_s", found=camera.stale_after_s, expected=expected)
