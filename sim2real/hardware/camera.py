"""The camera protocol: where a policy's frames come from, whoever takes them."""

from __future__ import annotations

from typing import Protocol

from sim2real.contract.camera import CameraSpec, Frame


class Camera(Protocol):
    """One source of frames. Any one thread may ask; none of the methods waits for a frame."""

    @property
    def spec(self) -> CameraSpec:
        """As the robot declares it."""

    def latest(self) -> Frame | None:
        """The newest frame, the same one until another is there; None before the first.

        Does not raise for what a camera may do: whoever acts on frames sees that this one is old.
        """

    def close(self) -> None:
        """Let go of it. May be called more than once."""
