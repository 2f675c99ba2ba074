"""Names of nodes are taken, once on a machine in a domain, before any node starts.

That a node of the same name runs is seen by ROS 2's discovery some time or other; on a busy machine
later than whoever asks can wait. A lock is there at once, and gone with the process that held it.
Nodes of other machines, and such as were started by themselves, are for discovery alone.
"""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator, Sequence

from sim2real.bringup.graph import domain_folder


class Taken(Exception):
    """Somebody has a node of this name, said in full."""


@contextlib.contextmanager
def taken(names: Sequence[str]) -> Iterator[None]:
    """Hold nodes' full names; raises `Taken` for the first that somebody else holds."""
    folder = domain_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as held:
        for name in names:
            file = folder / f"{name.strip('/').replace('/', '.')}.lock"  # no name has a dot in it
            lock = held.enter_context(file.open("w"))
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Taken(name) from None
        yield
