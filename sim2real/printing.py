"""Printing that never ends work: whatever becomes of stdout and stderr, the verb goes on.

A terminal or a file may know fewer characters than a table has, its reader may have gone, the disk
behind it may be full, or there may be none at all. What cannot be shown is not; that it was not is
known afterwards.
"""

from __future__ import annotations

import contextlib
import io
import os
import select
import sys
from collections.abc import Iterator
from typing import TextIO


class _Patient(io.FileIO):
    """A descriptor that takes everything, and notes why something did not go out."""

    failure: OSError | None = None

    def write(self, data: object) -> int:
        content = memoryview(data).cast("B")  # type: ignore[arg-type]
        try:
            while (written := super().write(content)) is None:  # a full pipe that does not block
                select.select((), (self,), ())
        except OSError as error:
            self.failure = self.failure or error
            return len(content)
        return written


@contextlib.contextmanager
def patient_output() -> Iterator[list[OSError]]:
    """Replace the process's stdout and stderr by ones that never fail, for the block.

    Yields a list that holds, after the block, why some of stdout did not go out. Streams that are
    no longer the process's own, as a test's, stay as they are.
    """
    _require_descriptors()
    failures: list[OSError] = []
    before = sys.stdout, sys.stderr
    patient = [_patient(stream, number) for number, stream in ((1, before[0]), (2, before[1]))]
    sys.stdout, sys.stderr = (stream or old for stream, old in zip(patient, before))
    try:
        yield failures
    finally:
        for stream in patient:
            if stream is not None:
                stream.flush()
        sys.stdout, sys.stderr = before
        raw = None if patient[0] is None else patient[0].buffer.raw  # type: ignore[attr-defined]
        if isinstance(raw, _Patient) and raw.failure is not None:
            failures.append(raw.failure)


def _patient(stream: TextIO | None, number: int) -> io.TextIOWrapper | None:
    original = {1: sys.__stdout__, 2: sys.__stderr__}[number]
    if stream is None:  # it was closed when the process began
        raw, encoding, is_terminal = _Patient(number, "w", closefd=False), "utf-8", False
    elif stream is original and isinstance(stream, io.TextIOWrapper):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
        raw = _Patient(number, "w", closefd=False)
        encoding, is_terminal = stream.encoding, stream.isatty()
    else:
        return None
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=encoding,
        errors="backslashreplace",
        line_buffering=is_terminal or number == 2,
    )


def _require_descriptors() -> None:
    """0, 1 and 2 are open: the next file that is opened must not get the number of stdout."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            taken = os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
            if taken != number:
                os.dup2(taken, number)
                os.close(taken)
