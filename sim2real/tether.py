"""`python -m sim2real.tether PARENT PRIORITY COMMAND...`: become COMMAND, end with PARENT.

A node must not go on moving a hand when whoever started it has been killed and can no longer tell
it to stop. The kernel then sends it SIGTERM, on which every node switches torque off and ends.
Linux only, as the servo bus is.

A PRIORITY above 0 is that of real-time scheduling (SCHED_FIFO), of all of the command's threads: a
loop that is urgent waits for the interpreter's lock, and so must whoever holds it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

from sim2real.contract.errors import BadInput
from sim2real.runtime.realtime import require_realtime

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def tethered(command: Sequence[str], parent: int, realtime_priority: int = 0) -> list[str]:
    """The command line that runs `command` on a tether held by the process `parent`.

    The tether is held by the thread that starts it: that has to be one which lives as long as its
    process, the main thread.
    """
    tether = [sys.executable, "-m", "sim2real.tether"]
    return [*tether, str(parent), str(realtime_priority), *command]


def main() -> None:
    """Become the command; its exit code is ours."""
    parent, priority, command = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "the kernel does not tie this process to another")
    if os.getppid() != parent:
        sys.exit("whoever started this has ended already")
    if priority:
        try:
            require_realtime(priority)
        except BadInput as error:
            print(error, file=sys.stderr)
            sys.exit(2)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
