"""The processes of a graph: started on a tether, watched, and stopped with growing insistence."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from sim2real.bringup.graph import EmulatorSpec, NodeSpec
from sim2real.contract.errors import BadInput, WorkFailed
from sim2real.tether import tethered

STOP_S = 8.0
"""how long a process may take to end by itself: torque off and a recording closed"""
TERMINATE_S = 2.0
EMULATOR_S = 30.0
"""how long the emulated hand may take to compile its model on a busy machine"""
POLL_S = 0.02


class Died(WorkFailed):
    """A process of the graph ended when it should not have."""


class Child:
    """One process. It has a session of its own: Ctrl-C reaches whoever stops it in order."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        log: Path | None = None,
        stdout: int | None = None,
        realtime_priority: int = 0,
    ) -> None:
        """`log` takes what it prints; without one it goes where ours goes."""
        self.name, self.log = name, log
        errors: IO[bytes] | None = None
        if log is not None:
            log.parent.mkdir(parents=True, exist_ok=True)
            errors = log.open("ab")
        try:
            self._process = subprocess.Popen(
                tethered(command, os.getpid(), realtime_priority),
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=errors if stdout is None else stdout,
                stderr=errors,
                start_new_session=True,
            )
        finally:
            if errors is not None:
                errors.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def stdout(self) -> IO[bytes] | None:
        """What it prints, where that was asked for with a pipe."""
        return self._process.stdout

    @property
    def exit_code(self) -> int | None:
        """None while it runs; below 0: the signal that killed it."""
        return self._process.poll()

    @property
    def ending(self) -> str:
        """How it ended, for a person."""
        code = self.exit_code
        if code is None:
            return f"{self.name} runs"
        how = f"exit code {code}" if code >= 0 else signal.Signals(-code).name
        where = "" if self.log is None else f"; what it said last is in {self.log}"
        return f"{self.name} ended with {how}{where}"

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if it still runs."""
        if self.exit_code is None:
            self._process.send_signal(number)

    def wait(self, seconds: float) -> bool:
        """Whether it has ended within this time."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def stop(self, patience_s: float = STOP_S) -> None:
        """Ask, then demand, then kill. Servos whose driver is killed stop by their own watchdog."""
        self.signal(signal.SIGINT)
        if not self.wait(patience_s):
            self.signal(signal.SIGTERM)
            if not self.wait(TERMINATE_S):
                self.signal(signal.SIGKILL)
                self._process.wait()


class EmulatedHand:
    """The emulator as a child. A context manager."""

    def __init__(
        self, spec: EmulatorSpec, *, environment: Mapping[str, str], log: Path | None = None
    ) -> None:
        self._child = Child(
            "emulated hand",
            spec.command,
            environment=environment,
            log=log,
            stdout=subprocess.PIPE,
            realtime_priority=spec.realtime_priority,
        )

    @property
    def child(self) -> Child:
        return self._child

    def await_port(self, check: Callable[[], None] = lambda: None) -> dict[str, Any]:
        """Where it serves: port, baud and ids. `check` is called meanwhile and may raise.

        Raises `Died` if it ends or says nothing in time.
        """
        stream = self._child.stdout
        assert stream is not None
        deadline = time.monotonic() + EMULATOR_S
        while not select.select((stream,), (), (), POLL_S)[0]:
            check()
            if time.monotonic() > deadline:
                raise Died(f"{self._child.name} said nothing for {EMULATOR_S:g} s")
        line = stream.readline()
        if not line:
            self._child.wait(STOP_S)
            raise Died(self._child.ending)
        place: dict[str, Any] = json.loads(line)
        return place

    def stop(self) -> None:
        """End it; it stays for a driver that is just letting go of it."""
        self._child.stop()
        if self._child.stdout is not None:
            self._child.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


def node_command(node: NodeSpec, environment: Mapping[str, str]) -> list[str]:
    """What starts a node in this environment."""
    return [executable_path(node.package, node.executable, environment), *node.arguments]


def executable_path(package: str, executable: str, environment: Mapping[str, str]) -> str:
    """An executable of a ROS package. Raises `BadInput` if it has not been built."""
    for prefix in environment.get("AMENT_PREFIX_PATH", "").split(os.pathsep):
        path = Path(prefix) / "lib" / package / executable
        if prefix and path.is_file():
            return str(path)
    raise BadInput(
        "ROS 2 workspace",
        f"{package}/{executable}",
        found="nothing",
        expected="a built workspace",
        remedy="make setup",
    )
