"""The one writer of files that come of work: whole or not at all, and refused before the work.

A verb asks `require_writable` about every place that it was given before it begins, so that what
cannot be written is bad input and costs nothing. What fails later, as a disk that is full by then,
raises `OSError` naming the file, which the command line prints in one line.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from sim2real.contract.errors import BadInput

PART = ".part"
FULL = (errno.ENOSPC, errno.EDQUOT)
NO_NAME = (errno.ENAMETOOLONG, errno.ELOOP)
"""of paths that no file can have: whoever gave them is told so, as of other bad input"""


def write_file(path: Path, content: str | bytes) -> None:
    """Write beside and rename; folders on the way are made. Text is UTF-8.

    Raises `OSError` naming `path`; nothing of a failed write is left, and an older file stays.
    """
    data = content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content
    write_with(path, lambda beside: _write(beside, data))


def write_json(path: Path, document: Mapping[str, Any], *, allow_nan: bool = True) -> None:
    """The same for a JSON object. Raises `ValueError` for NaN where that is not allowed."""
    write_file(path, json.dumps(document, indent=1, allow_nan=allow_nan) + "\n")


def write_with(path: Path, write: Callable[[Path], object]) -> None:
    """The same for whoever writes the file himself: `write` gets the path beside.

    The place beside keeps the file's ending in front, as in NAME.png.part.
    """
    beside = path.with_name(path.name + PART)
    with naming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            write(beside)
            beside.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                beside.unlink()
            raise


def _write(beside: Path, data: bytes) -> None:
    with beside.open("wb") as file:
        file.write(data)


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """An `OSError` in the block is about `path`, whatever it says itself."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error


def what_failed(error: OSError) -> str:
    """One line for a person: which file, and what is wrong with it."""
    place = f"{error.filename}: " if error.filename else ""
    reason = error.strerror or str(error) or type(error).__name__
    advice = "; make room and repeat the command" if error.errno in FULL else ""
    return f"{place}{reason}{advice}"


def require_writable(path: Path | None, option: str) -> None:
    """Raise `BadInput` unless a file can be written at `path`; None is nothing to ask about.

    Nothing is left behind: the place is tried with a file that has no name.
    """
    if path is None:
        return
    if _is_there(path, option) and not path.is_file():
        found = "a folder" if path.is_dir() else "no plain file"
        raise BadInput(str(path), option, found=found, expected="the name of a file")
    if not path.name:
        raise BadInput(str(path), option, found="no name", expected="the name of a file")
    _require_room(path.parent, path, option)


def require_folder(path: Path | None, option: str) -> None:
    """Raise `BadInput` unless `path` is a folder that can be written in, or can become one."""
    if path is None:
        return
    if _is_there(path, option) and not path.is_dir():
        raise BadInput(str(path), option, found="a file", expected="a folder")
    _require_room(path, path, option)


def _is_there(path: Path, option: str) -> bool:
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError) as error:
        found = error.strerror if isinstance(error, OSError) else str(error)
        raise BadInput(str(path), option, found=found, expected="a place to write to") from None
    return True


def _require_room(folder: Path, path: Path, option: str) -> None:
    """The nearest folder that is there takes a file."""
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not there.is_dir():
        raise BadInput(str(path), option, found=f"{there} is a file", expected="a folder there")
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        found = error.strerror or os.strerror(error.errno or 0)
        raise BadInput(str(path), option, found=found, expected="a place to write to") from None


@contextlib.contextmanager
def unless_refused(*made: Path, has_begun: Callable[[], bool] = lambda: False) -> Iterator[None]:
    """Bad input in the block leaves nothing of `made`, nor of the folders made on the way.

    `made` are files and folders that the block makes, outermost first. What was there before it
    stays, and so does a folder that has something else in it by then. Nothing is removed once the
    work `has_begun`.
    """
    new = [path for path in _with_parents(made) if not os.path.lexists(path)]
    try:
        yield
    except BadInput as error:
        if error.exit_code != 2 or has_begun():
            raise
        for path in reversed(new):
            with contextlib.suppress(OSError):  # not made yet, or not empty
                path.rmdir() if path.is_dir() else path.unlink()
        raise


def _with_parents(made: tuple[Path, ...]) -> list[Path]:
    ordered: list[Path] = []
    for path in made:
        for place in (*reversed(path.absolute().parents), path.absolute()):
            if place not in ordered:
                ordered.append(place)
    return ordered
