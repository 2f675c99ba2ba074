"""`python -m sim2real.bringup.tether PARENT COMMAND...`: become COMMAND, and end with PARENT.

A node must not go on moving a hand when whoever started it has been killed and can no longer tell
it to stop. The kernel then sends it SIGTERM, on which every node switches torque off and ends.
Linux only, as the servo bus is.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def tethered(command: Sequence[str], parent: int) -> list[str]:
    """The command line that runs `command` on a tether held by the process `parent`.

    The tether is held by the thread that starts it: that has to be one which lives as long as its
    process, the main thread.
    """
    return [sys.executable, "-m", "sim2real.bringup.tether", str(parent), *command]


def main() -> None:
    """Become the command; its exit code is ours."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "the kernel does not tie this process to another")
    if os.getppid() != parent:
        sys.exit("whoever started this has ended already")
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
