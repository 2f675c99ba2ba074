"""Runs verbs as processes of their own, in forks of one that has imported everything.

A fork is up at once: what a verb imports takes seconds, and is not what is looked at. It leaves
without the interpreter's way out, for which the threads of libraries are lost in a fork.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn, Self

ROOT = Path(__file__).parents[1]
PATIENCE_S = 60.0
_LOOK_S = 0.02


class Ended(NamedTuple):
    """How a verb ended."""

    code: int
    """its exit code; negative: the signal that ended it"""
    out: str
    """what it printed"""
    error: str
    """what it said on stderr"""
    seconds: float
    """how long it took in all"""
    after_signal_s: float
    """how long it took from the last signal on; from its start without one"""
    answered_s: float
    """how long after the first signal it had said something on stderr; below 0: it had not"""


class ForkedVerbs:
    """The process that forks; a context manager."""

    def __enter__(self) -> Self:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.forked"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def run(
        self,
        folder: Path,
        words: Sequence[object],
        signals_s: Sequence[float] = (),
        *,
        once: str = "",
        stdout: str = "",
        encoding: str = "utf-8",
    ) -> Ended:
        """Run a verb in `folder`; it gets SIGINT at these seconds after its start.

        They count from when there is a file `once` in the folder, where that is given: how long a
        verb takes to get there is the machine's business. `stdout` is a file to print to instead,
        or "closed".
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        request = {
            "folder": str(folder),
            "words": [*map(str, words)],
            "signals_s": [*signals_s],
            "once": once,
            "stdout": stdout,
            "encoding": encoding,
        }
        print(json.dumps(request), file=self._process.stdin, flush=True)
        return Ended(*json.loads(self._process.stdout.readline()))


def _run(
    folder: str, words: list[str], signals_s: list[float], once: str, stdout: str, encoding: str
) -> Ended:
    streams = [os.pipe(), os.pipe()]
    child = os.fork()
    if child == 0:
        _redirect([write for _, write in streams], stdout, encoding)
        _become(folder, words)
    for _, write in streams:
        os.close(write)
    return _watched(child, [read for read, _ in streams], signals_s, Path(folder) / once)


def _watched(child: int, reads: list[int], signals_s: list[float], once: Path) -> Ended:
    """Collect what it prints, send what is due, wait for its end."""
    began, waiting, said = time.monotonic(), [*signals_s], dict.fromkeys(reads, b"")
    sent_s, answered_s = [0.0], -1.0
    is_open, is_there = set(reads), False
    while is_open:
        now_s = time.monotonic() - began
        if waiting and not is_there and (is_there := once.exists()):
            waiting = [now_s + after_s for after_s in waiting]
        if is_there and waiting and now_s >= waiting[0]:
            waiting.pop(0)
            sent_s.append(now_s)
            os.kill(child, signal.SIGINT)
        if now_s > PATIENCE_S:
            os.kill(child, signal.SIGKILL)
        due_s = 1.0 if not waiting else waiting[0] - now_s if is_there else _LOOK_S
        for read in select.select([*is_open], (), (), max(due_s, 0.0))[0]:
            piece = os.read(read, 65536)
            said[read] += piece
            if not piece:
                is_open.discard(read)
            elif read == reads[1] and answered_s < 0 and len(sent_s) > 1:
                answered_s = time.monotonic() - began - sent_s[1]
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    seconds = time.monotonic() - began
    out, error = (said[read].decode(errors="replace") for read in reads)
    for read in reads:
        os.close(read)
    return Ended(code, out, error, seconds, seconds - sent_s[-1], answered_s)


def _redirect(writes: list[int], stdout: str, encoding: str) -> None:
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, write in enumerate(writes, start=1):
        os.dup2(write, number)
        os.close(write)
    sys.stdout = sys.__stdout__ = open(1, "w", closefd=False, encoding=encoding)  # noqa: SIM115
    sys.stderr = sys.__stderr__ = open(2, "w", 1, encoding, closefd=False)  # noqa: SIM115
    if stdout == "closed":
        os.close(1)
        sys.stdout = sys.__stdout__ = None  # type: ignore[misc]
    elif stdout:
        os.dup2(os.open(stdout, os.O_WRONLY), 1)


def _become(folder: str, words: list[str]) -> NoReturn:
    """In the fork: run the verb as the installed command does."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(folder)
    sys.argv = ["taskbelief", *words]
    from sim2real.cli import main

    code = 1
    try:
        code = main()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def main() -> None:
    """Answer requests, one JSON object a line, until there are no more."""
    import importlib

    from sim2real.cli import VERBS

    for name in ("torch.utils.tensorboard", "onnxscript", "matplotlib.pyplot", "tyro"):
        importlib.import_module(name)
    for verb in VERBS.values():
        importlib.import_module(verb.function.split(":")[0])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's is for pytest
    for line in sys.stdin:
        print(json.dumps(_run(**json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
