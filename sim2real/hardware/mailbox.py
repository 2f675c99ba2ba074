"""A letter that one process leaves for others: the newest wins, and nobody waits for anybody.

A small file in memory that both sides map. It has two places, written in turn, each with a number
and a checksum, so that a reader never takes what is half written for a letter, on whatever machine.
"""

from __future__ import annotations

import mmap
import os
import struct
import zlib
from pathlib import Path
from typing import NamedTuple

from sim2real.contract.errors import BadInput

_MAGIC = b"tbmail01"
_HEAD = struct.Struct("<8sQ")
"""magic, bytes of a letter"""
_PLACE = struct.Struct("<qqI4x")
"""number of the letter from 1 (0: none yet), stamp, checksum"""
_TRIES = 3
"""to read a place that is being written; a third letter in that time means a stopped reader"""


class Letter(NamedTuple):
    """What was left last."""

    number: int
    """counts letters from 1"""
    stamp_ns: int
    """as the writer says"""
    content: bytes


class Mailbox:
    """The writing side: one process, one thread."""

    def __init__(self, path: Path, num_bytes: int) -> None:
        """A fresh file of letters of that size; one that is there is replaced in one step."""
        self.path, self._num_bytes, self._number = path, num_bytes, 0
        self._stride = _PLACE.size + num_bytes
        beside = path.with_name(path.name + ".part")
        with beside.open("wb") as file:
            file.write(_HEAD.pack(_MAGIC, num_bytes) + bytes(2 * self._stride))
        with beside.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)
        beside.rename(path)

    def put(self, stamp_ns: int, content: bytes) -> None:
        """Leave a letter. Raises `ValueError` for one of another size."""
        if len(content) != self._num_bytes:
            raise ValueError(f"a letter of {len(content)} bytes, expected {self._num_bytes}")
        self._number += 1
        at = _HEAD.size + self._number % 2 * self._stride
        head = _PLACE.pack(self._number, stamp_ns, _checksum(self._number, stamp_ns, content))
        self._map[at + _PLACE.size : at + self._stride] = content
        self._map[at : at + _PLACE.size] = head

    def close(self) -> None:
        """Remove the file."""
        self.path.unlink(missing_ok=True)
        self._map.close()


class MailboxReader:
    """The reading side. A file that is exchanged for another one is noticed."""

    def __init__(self, path: Path, num_bytes: int) -> None:
        self._path, self._num_bytes = path, num_bytes
        self._stride = _PLACE.size + num_bytes
        self._map: mmap.mmap | None = None
        self._identity: tuple[int, int] | None = None
        self._last: Letter | None = None

    def latest(self) -> Letter | None:
        """The newest whole letter; None before the first, and where nobody writes any.

        Raises `BadInput` for a file of something else.
        """
        mapped = self._open()
        if mapped is None:
            return None
        for _ in range(_TRIES):
            places = [self._read(mapped, index) for index in range(2)]
            # The newest may be overwritten while it is read, the one before it whole.
            found = [letter for letter in (*places, self._last) if letter is not None]
            if found:
                self._last = max(found)
                break
        return self._last

    def close(self) -> None:
        if self._map is not None:
            self._map.close()
        self._map = self._identity = self._last = None

    def _open(self) -> mmap.mmap | None:
        try:
            status = self._path.stat()
            identity = status.st_dev, status.st_ino
            if identity == self._identity:
                return self._map
            self.close()
            with self._path.open("rb") as file:
                opened = os.fstat(file.fileno())
                mapped = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        except (FileNotFoundError, ValueError):  # gone, or not written yet
            self.close()
            return None
        expected = _HEAD.pack(_MAGIC, self._num_bytes)
        if mapped[: _HEAD.size] != expected or len(mapped) != _HEAD.size + 2 * self._stride:
            mapped.close()
            size = f"letters of {self._num_bytes} bytes"
            raise BadInput(str(self._path), "file", found="something else", expected=size)
        self._map, self._identity = mapped, (opened.st_dev, opened.st_ino)
        return mapped

    def _read(self, mapped: mmap.mmap, index: int) -> Letter | None:
        """A place's letter if it is there and whole."""
        at = _HEAD.size + index * self._stride
        number, stamp_ns, checksum = _PLACE.unpack(mapped[at : at + _PLACE.size])
        content = mapped[at + _PLACE.size : at + self._stride]
        is_whole = number and checksum == _checksum(number, stamp_ns, content)
        return Letter(number, stamp_ns, content) if is_whole else None


def _checksum(number: int, stamp_ns: int, content: bytes) -> int:
    return zlib.crc32(content, zlib.crc32(struct.pack("<qq", number, stamp_ns)))
