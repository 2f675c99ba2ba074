"""`taskbelief emulate`: the bus as a process of its own, until it is told to stop."""

from __future__ import annotations

import json
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import TextIO

from sim2real.contract.robot_spec import DCLAW, RobotSpec, load_robot_spec
from sim2real.emulator.bus_server import EmulatedBus
from sim2real.emulator.faults import FaultPlan, load_fault_plan
from sim2real.emulator.plant import TaskDynamics

POLL_S = 0.2
"""signals are looked at at least this often"""


def emulate(
    spec: RobotSpec,
    *,
    baud: int | None = None,
    faults: Path | None = None,
    dynamics: TaskDynamics | None = None,
    seed: int = 0,
    output: TextIO = sys.stdout,
) -> None:
    """Serve an emulated bus in real time until SIGINT or SIGTERM.

    Once it serves it prints one line, `{"port": path, "baud": bits per second, "ids": [...]}`.
    Raises `BadInput` for a fault plan or a model that does not fit.
    """
    plan = FaultPlan(seed=seed) if faults is None else load_fault_plan(faults)
    stopping = threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        stopping.set()

    earlier = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with EmulatedBus(spec, baud=baud, faults=plan, seed=seed, dynamics=dynamics) as bus:
            place = {"port": bus.port, "baud": bus.line.options.baud, "ids": list(bus.ids)}
            print(json.dumps(place), file=output, flush=True)
            while not stopping.wait(POLL_S):
                bus.check()
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


if __name__ == "__main__":
    emulate(load_robot_spec(Path(sys.argv[1]) if len(sys.argv) > 1 else DCLAW))
