"""Frames that another process leaves in a mailbox, as the emulated hand's camera does."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from sim2real.contract.camera import CameraSpec, Frame
from sim2real.hardware.mailbox import Mailbox, MailboxReader

_SEQUENCE = struct.Struct("<q")
FRAMES = ".frames"
"""ending of a camera's mailbox, beside the port of the hand that it is of"""


def frames_beside(port: Path, camera: str) -> Path:
    """Where an emulated hand leaves the frames of a camera; `port` may be a link to its port."""
    name = f"{camera}{FRAMES}"
    beside = port.parent / name
    if not beside.exists() and port.is_symlink():
        linked = port.readlink().parent / name
        if linked.exists():
            return linked
    return beside


class FrameOutbox:
    """The side that delivers frames of one camera."""

    def __init__(self, path: Path, spec: CameraSpec) -> None:
        self._mailbox = Mailbox(path, _size(spec))

    def put(self, frame: Frame) -> None:
        content = _SEQUENCE.pack(frame.sequence) + frame.pixels.tobytes()
        self._mailbox.put(frame.stamp_ns, content)

    def close(self) -> None:
        self._mailbox.close()


class FileCamera:
    """A `Camera` of an emulated hand. Whatever hand is behind the port by now, its frames come."""

    def __init__(self, port: Path, spec: CameraSpec) -> None:
        self._port, self._spec = port, spec
        self._path: Path | None = None
        self._reader: MailboxReader | None = None
        self._number, self._frame = 0, Frame(stamp_ns=0, sequence=-1, pixels=np.zeros(0, np.uint8))

    @property
    def spec(self) -> CameraSpec:
        return self._spec

    def latest(self) -> Frame | None:
        """See `Camera`. Raises `BadInput` where frames of another size are delivered."""
        path = frames_beside(self._port, self._spec.name)
        if self._reader is None or path != self._path:
            self.close()
            self._path, self._reader = path, MailboxReader(path, _size(self._spec))
            self._number = 0
        letter = self._reader.latest()
        if letter is None:
            return None
        if letter.number != self._number or letter.stamp_ns != self._frame.stamp_ns:
            (sequence,) = _SEQUENCE.unpack_from(letter.content)
            pixels = np.frombuffer(letter.content, np.uint8, offset=_SEQUENCE.size)
            self._number = letter.number
            self._frame = Frame(
                stamp_ns=letter.stamp_ns, sequence=sequence, pixels=pixels.reshape(self._spec.shape)
            )
        return self._frame

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
        self._reader = None


def _size(spec: CameraSpec) -> int:
    height, width, channels = spec.shape
    return _SEQUENCE.size + height * width * channels
