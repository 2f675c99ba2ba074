"""What can happen to frames between a camera and whoever looks through it.

A transform takes a frame and returns what arrives instead: any number of frames, each with the
seconds by which it is late.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sim2real.contract.camera import Frame

if TYPE_CHECKING:
    from sim2real.emulator.faults import ArmedFault

Arrivals = list[tuple[float, Frame]]
"""(seconds late, frame)"""
HIDDEN_LIGHT = 16
"""of 255, what is seen of something that lies on the lens"""


@dataclass(frozen=True, kw_only=True)
class CameraKind:
    """A kind of fault of a camera. `packets` of a fault are frames here."""

    summary: str
    unit: str = ""
    """what `value` means; empty where it is not used"""
    default: float = 0.0
    transform: Callable[[Frame, ArmedFault], Arrivals]


def _drop(_frame: Frame, _armed: ArmedFault) -> Arrivals:
    return []


def _delay(frame: Frame, armed: ArmedFault) -> Arrivals:
    return [(armed.fault.amount, frame)]


def _freeze(frame: Frame, armed: ArmedFault) -> Arrivals:
    """The picture with which it began, numbered and stamped as if it were new."""
    pixels = armed.memory.setdefault("pixels", frame.pixels)
    return [(0.0, dataclasses.replace(frame, pixels=pixels))]


def _repeat(frame: Frame, armed: ArmedFault) -> Arrivals:
    """The frame with which it began, number, stamp and all."""
    return [(0.0, armed.memory.setdefault("frame", frame))]


def _hide(frame: Frame, armed: ArmedFault) -> Arrivals:
    """The left part of the picture."""
    pixels = frame.pixels.copy()
    pixels[:, : round(armed.fault.amount * pixels.shape[1])] = HIDDEN_LIGHT
    return [(0.0, dataclasses.replace(frame, pixels=pixels))]


def _light(frame: Frame, armed: ArmedFault) -> Arrivals:
    pixels = np.clip(np.rint(armed.fault.amount * frame.pixels), 0, 255).astype(np.uint8)
    return [(0.0, dataclasses.replace(frame, pixels=pixels))]


KINDS: Mapping[str, CameraKind] = {
    "camera_dropped": CameraKind(summary="a frame is lost", transform=_drop),
    "camera_late": CameraKind(
        summary="a frame arrives late", unit="s", default=0.2, transform=_delay
    ),
    "camera_frozen": CameraKind(
        summary="one picture again and again, stamped as if it were new", transform=_freeze
    ),
    "camera_repeated": CameraKind(summary="one frame again and again", transform=_repeat),
    "camera_occluded": CameraKind(
        summary="something lies on the left part of the lens",
        unit="share of the picture",
        default=0.5,
        transform=_hide,
    ),
    "camera_light": CameraKind(
        summary="the light changes", unit="times as bright", default=0.4, transform=_light
    ),
}
