"""Whether an emulated hand's port may be found under a path."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from sim2real.contract.errors import BadInput

PORT_FOLDER = "taskbelief-bus-"
"""what the folder that leads to a terminal is called, before something random"""


def require_free(link: Path, option: str, remedy: str = "") -> None:
    """Raise `BadInput` if something is there that is not what a dead emulator left."""
    if _is_taken(link):
        expected = "a path where nothing is, or what a dead emulator left"
        raise BadInput("command line", option, found=str(link), expected=expected, remedy=remedy)


def _is_taken(link: Path) -> bool:
    """Whether something is there that is not the link of an emulator that has died.

    Whether it leads anywhere says nothing: the terminal's number may be another one's by now. But
    a dead process holds no lock.
    """
    if not link.is_symlink():
        return link.exists()
    folder = link.readlink().parent
    if not folder.name.startswith(PORT_FOLDER):
        return True
    if not folder.is_dir():
        return False
    looked_at = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(looked_at, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(looked_at)
    return False
