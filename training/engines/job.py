"""`python -m training.engines.job DIRECTORY CORE_MINUTES VERB...`: train, alone and on the clock.

CORE_MINUTES is a number or `none`. What earlier processes of this run took counts, and so does all
of this one, the loading of libraries included; the kernel watches over it.
"""

from __future__ import annotations

import math
import resource
import signal
import sys
import time
from json import dumps
from pathlib import Path
from types import FrameType

from sim2real.cli import main as run_verb
from training.engines.training import INTERRUPTED, SPENT, alone_in, beside, sessions


def main() -> int:
    """Exit code of the verb, or `SPENT`."""
    directory, budget, *words = sys.argv[1:]
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM))  # as Ray leaves it
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with alone_in(Path(directory)):
            core_minutes = math.inf if budget == "none" else float(budget)
            return _timed(Path(directory), 60.0 * core_minutes, words)
    except KeyboardInterrupt:
        return INTERRUPTED


def _timed(directory: Path, core_seconds: float, words: list[str]) -> int:
    left = core_seconds - sum(each.core_seconds for each in sessions(directory))
    if left <= 0.0:
        return SPENT
    began, limit = time.perf_counter(), _CoreLimit(left)
    code = run_verb(words)
    code = SPENT if code == INTERRUPTED and limit.is_reached else code
    core_seconds_taken = time.process_time()
    if code == SPENT:  # the kernel's clock decided, which counts in ticks and was there already
        core_seconds_taken = max(core_seconds_taken, left)
    line = {
        "seconds": round(time.perf_counter() - began, 3),
        "core_seconds": round(core_seconds_taken, 3),
        "exit_code": code,
    }
    with beside(directory, ".clock.jsonl").open("a", encoding="utf-8") as file:
        file.write(f"{dumps(line)}\n")
    return code


class _CoreLimit:
    """After so many seconds of a core it is as if somebody had pressed Ctrl-C, once."""

    def __init__(self, seconds: float) -> None:
        self.is_reached = False
        if math.isfinite(seconds):
            signal.signal(signal.SIGXCPU, self._reached)
            _, hard = resource.getrlimit(resource.RLIMIT_CPU)
            resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(seconds), hard))

    def _reached(self, _number: int, _frame: FrameType | None) -> None:
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (hard, hard))  # or it is sent every second
        self.is_reached = True
        signal.raise_signal(signal.SIGINT)


if __name__ == "__main__":
    sys.exit(main())
