"""How long one control cycle takes on the bus, and whose time it is. Emulated bus, never hardware.

A cycle reads ten servos with one Fast Sync Read and writes their goals with one Sync Write. Its
time is split into the time on the wire (computed from bytes and baud rate), the host's (processor
time of the thread that does it) and the rest, which emulator and scheduler take. The vendor's SDK,
where it is installed, does the same cycle in the same run. As it polls while it waits, its
processor time on the emulated bus is mostly waiting; the case `memory` answers both at once and
compares the work.
"""

from __future__ import annotations

import contextlib
import json
import math
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sim2real.contract.errors import BadInput
from sim2real.contract.joint_io import Command
from sim2real.contract.require import require_counts, require_positive, require_some
from sim2real.contract.robot_spec import DCLAW, RobotSpec, load_robot_spec
from sim2real.contract.servo_facts import BAUD_RATES
from sim2real.hardware.dynamixel import control_table as table
from sim2real.hardware.dynamixel import instructions as build
from sim2real.hardware.dynamixel.bus import Bus, BusTiming
from sim2real.hardware.dynamixel.driver import DriverConfig, DynamixelRobot
from sim2real.hardware.dynamixel.packet import (
    Instruction,
    Status,
    begin_fast_reply,
    extend_fast_reply,
)
from sim2real.hardware.dynamixel.port import SerialPort, wire_time_s
from sim2real.hardware.dynamixel.servo_tables import TABLES
from sim2real.hardware.robot import RobotFault

READ_ADDRESS, READ_LENGTH = table.PRESENT_CURRENT.address, 10
"""present current, velocity and position"""
MEASURED = np.dtype([("current", "<i2"), ("velocity", "<i4"), ("position", "<i4")])
WRITE_ADDRESS, WRITE_LENGTH = table.GOAL_POSITION.address, 4
NUM_RUNS = 5
PATIENT = BusTiming(turnaround_s=0.5, retries=3)
"""a benchmark waits for a busy machine instead of failing, and counts what came late as late"""

Cycle = Callable[[], None]
Record = dict[str, object]


def print_bench_bus(
    bauds: tuple[int, ...] = (1_000_000, 2_000_000, 3_000_000, 4_000_000),
    cycles: int = 200,
    soak_s: float = 10.0,
    robot_config: Path = DCLAW,
) -> None:
    """Print cycle times on the emulated bus as JSON lines.

    Args:
        bauds: baud rates, bits per second.
        cycles: cycles per run; there are five runs of each case.
        soak_s: how long the driver then keeps 100 Hz; 600 for the acceptance run.
        robot_config: the hand: a robot.yaml, its folder, or a robot's name.
    """
    for baud in bauds:
        if baud not in BAUD_RATES:
            expected = f"some of {', '.join(map(str, BAUD_RATES))}"
            raise BadInput("command line", "--bauds", found=baud, expected=expected)
    require_some(bauds=bauds)
    require_counts(cycles=cycles)
    if soak_s != 0.0:
        require_positive(soak_s=soak_s)
    spec = load_robot_spec(robot_config)
    for record in bench_bus(spec, bauds=bauds, cycles=cycles, soak_s=soak_s):
        print(json.dumps(record), flush=True)


def bench_bus(
    spec: RobotSpec, *, bauds: Sequence[int], cycles: int = 200, soak_s: float = 10.0
) -> Iterator[Record]:
    """One JSON-ready record per figure; see the module for what is measured."""
    motor_ids = (*spec.motor_ids, spec.objects[0].motor_id)
    yield from _in_memory(motor_ids, cycles)
    for baud in bauds:
        with emulated_bus(baud, spec.source) as port:
            yield from _on_wire(port, baud, motor_ids, cycles)
    if soak_s > 0:
        with emulated_bus(spec.bus.baud, spec.source) as port:
            yield from _soak(port, spec, soak_s)


@contextlib.contextmanager
def emulated_bus(baud: int, robot: Path = DCLAW) -> Iterator[str]:
    """The port of an emulator in a process of its own, so that it takes none of the host's time."""
    program = (
        "import sys; from pathlib import Path;"
        "from sim2real.contract.robot_spec import load_robot_spec;"
        "from sim2real.emulator.emulate import emulate;"
        "emulate(load_robot_spec(Path(sys.argv[1])), baud=int(sys.argv[2]))"
    )
    command = [sys.executable, "-c", program, str(robot), str(baud)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield str(json.loads(process.stdout.readline())["port"])
        finally:
            process.terminate()


def memory_cycles(motor_ids: Sequence[int]) -> dict[str, Cycle]:
    """A cycle of each client, by its name, when every answer is there at once."""
    reply = begin_fast_reply([READ_LENGTH] * len(motor_ids))
    for motor_id in motor_ids:
        reply = extend_fast_reply(reply, Status(motor_id, 0, False, bytes(range(READ_LENGTH))))
    clients = {"driver": _our_cycle(Bus(_MemoryPort(reply)), motor_ids)}
    with contextlib.suppress(ModuleNotFoundError):
        clients["vendor_sdk"] = _vendor_cycle(_VendorMemoryPort(reply), motor_ids)
    return clients


def _in_memory(motor_ids: Sequence[int], cycles: int) -> Iterator[Record]:
    """The work of the clients, who take turns."""
    clients = memory_cycles(motor_ids)
    hosts: dict[str, list[float]] = {name: [] for name in clients}
    for _ in range(NUM_RUNS):
        for name, cycle in clients.items():
            hosts[name].extend(_measure([cycle], cycles)[1])
    yield from _records("memory", "host_s", hosts)


def _on_wire(port: str, baud: int, motor_ids: Sequence[int], cycles: int) -> Iterator[Record]:
    walls: dict[str, list[float]] = {}
    hosts: dict[str, list[float]] = {}
    for _ in range(NUM_RUNS):  # clients take turns: a busy moment of the machine meets both
        for name, opened in (("driver", _open_ours), ("vendor_sdk", _open_vendors)):
            with contextlib.suppress(ModuleNotFoundError), opened(port, baud, motor_ids) as cycle:
                wall, host = _measure([cycle], cycles)
                walls.setdefault(name, []).extend(wall)
                hosts.setdefault(name, []).extend(host)
    case = f"{len(motor_ids)}_servos/{baud / 1e6:g}Mbaud"
    wire_s = wire_time_s(_bytes_per_cycle(motor_ids), baud)
    yield from _records(case, "cycle_s", walls)
    yield from _records(case, "wire_s", {"driver": [wire_s]})
    yield from _records(case, "host_s", hosts)
    rest = {
        name: [max(wall - wire_s - hosts[name][run], 0.0) for run, wall in enumerate(runs)]
        for name, runs in walls.items()
    }
    yield from _records(case, "emulator_and_scheduler_s", rest)


def _bytes_per_cycle(motor_ids: Sequence[int]) -> int:
    question = build.sync_read(READ_ADDRESS, READ_LENGTH, motor_ids, fast=True)
    answer = len(begin_fast_reply([])) + len(motor_ids) * (READ_LENGTH + 4)
    goals = build.sync_write(WRITE_ADDRESS, {i: bytes(WRITE_LENGTH) for i in motor_ids})
    return len(question) + answer + len(goals)


def _measure(turns: Sequence[Cycle], cycles: int) -> tuple[list[float], list[float]]:
    """Median seconds of a cycle by the clock and by the thread's processor time, per turn."""
    walls, hosts = [], []
    for cycle in turns:
        wall, host = [], []
        for _ in range(cycles):
            began, worked = time.perf_counter_ns(), time.thread_time_ns()
            cycle()
            host.append((time.thread_time_ns() - worked) * 1e-9)
            wall.append((time.perf_counter_ns() - began) * 1e-9)
        walls.append(statistics.median(wall))
        hosts.append(statistics.median(host))
    return walls, hosts


def _records(
    case: str, metric: str, runs: Mapping[str, Sequence[float]], unit: str = "s"
) -> Iterator[Record]:
    """Medians over runs; the vendor's is the baseline of ours."""
    vendors = statistics.median(runs["vendor_sdk"]) if "vendor_sdk" in runs else None
    for name, values in runs.items():
        value = statistics.median(values)
        baseline = vendors if name == "driver" else None
        yield {
            "bench": "bus",
            "case": f"{name}/{case}",
            "metric": metric,
            "value": value,
            "unit": unit,
            "runs": len(values),
            "min": min(values),
            "max": max(values),
            "baseline": baseline,
            "ratio": value / baseline if baseline else None,
        }


def _our_cycle(bus: Bus, motor_ids: Sequence[int]) -> Cycle:
    goals = np.full(len(motor_ids), 2048, np.int64)

    def cycle() -> None:
        answers = bus.sync_read(READ_ADDRESS, READ_LENGTH, motor_ids, fast=True)
        if len(answers) < len(motor_ids):
            raise RobotFault("silent", f"only {len(answers)} servos answered")
        np.frombuffer(b"".join(answers[i].data for i in motor_ids), MEASURED)
        encode = table.GOAL_POSITION.encode
        bus.sync_write(WRITE_ADDRESS, {i: encode(int(n)) for i, n in zip(motor_ids, goals)})

    return cycle


@contextlib.contextmanager
def _open_ours(port: str, baud: int, motor_ids: Sequence[int]) -> Iterator[Cycle]:
    device = SerialPort.open(port, baud)
    try:
        yield _our_cycle(Bus(device, PATIENT), motor_ids)
    finally:
        device.close()


def _vendor_cycle(port: Any, motor_ids: Sequence[int]) -> Cycle:
    """The same with the vendor's SDK as its examples use it: groups built once, data changed."""
    from dynamixel_sdk import COMM_SUCCESS, GroupSyncRead, GroupSyncWrite, Protocol2PacketHandler

    handler = Protocol2PacketHandler()
    reader = GroupSyncRead(port, handler, READ_ADDRESS, READ_LENGTH)
    writer = GroupSyncWrite(port, handler, WRITE_ADDRESS, WRITE_LENGTH)
    goal = [0, 8, 0, 0]  # 2048
    for motor_id in motor_ids:
        reader.addParam(motor_id)
        writer.addParam(motor_id, goal)

    def cycle() -> None:
        if not any(reader.fastSyncRead() == COMM_SUCCESS for _ in range(1 + PATIENT.retries)):
            raise RobotFault("silent", "the vendor's SDK got no answer")
        for motor_id in motor_ids:
            reader.getData(motor_id, table.PRESENT_CURRENT.address, 2)
            reader.getData(motor_id, table.PRESENT_VELOCITY.address, 4)
            reader.getData(motor_id, table.PRESENT_POSITION.address, 4)
            writer.changeParam(motor_id, goal)
        writer.txPacket()

    return cycle


@contextlib.contextmanager
def _open_vendors(port: str, baud: int, motor_ids: Sequence[int]) -> Iterator[Cycle]:
    from dynamixel_sdk import PortHandler

    device = PortHandler(port)
    device.setBaudRate(baud)
    # Its own 34 ms are less than ours, and who asks again while an answer is on its way gets two.
    wait_ms = 1e3 * PATIENT.turnaround_s
    device.setPacketTimeout = lambda _length: device.setPacketTimeoutMillis(wait_ms)
    try:
        yield _vendor_cycle(device, motor_ids)
    finally:
        device.closePort()


class _MemoryPort:
    """A wire of no length: every read is answered with the same reply."""

    baud = 1_000_000

    def __init__(self, reply: bytes) -> None:
        self._reply, self._waiting = reply, b""

    def send(self, data: bytes) -> None:
        self._waiting = self._reply if data[7] == Instruction.FAST_SYNC_READ else b""

    def receive(self, timeout_s: float) -> bytes:
        data, self._waiting = self._waiting, b""
        return data

    def close(self) -> None:
        self._waiting = b""


class _VendorMemoryPort(_MemoryPort):
    """The same under the names that the vendor's handlers call."""

    is_using = False

    def clearPort(self) -> None:  # noqa: N802
        self._waiting = b""

    def writePort(self, packet: Sequence[int]) -> int:  # noqa: N802
        self.send(bytes(packet))
        return len(packet)

    def readPort(self, length: int) -> bytes:  # noqa: N802
        data, self._waiting = self._waiting[:length], self._waiting[length:]
        return data

    def setPacketTimeout(self, length: int) -> None:  # noqa: N802
        """Nothing is waited for."""

    def isPacketTimeout(self) -> bool:  # noqa: N802
        return not self._waiting


def _soak(port: str, spec: RobotSpec, seconds: float, rate_hz: float = 100.0) -> Iterator[Record]:
    """Hold a rate with the whole driver, torque on, and count missed deadlines by who missed them.

    A miss is the driver's if its processor time and the time on the wire fill the period, or if it
    had to ask again; else somebody else had the processor, or the emulator answered late.
    """
    config = DriverConfig(timing=PATIENT, tick_tolerance_s=0.05)
    robot = DynamixelRobot.on_serial(port, spec, "emulated", config)
    robot.provision()
    period_s, counts, host = 1.0 / rate_hz, Counter[str](), list[float]()
    num_bytes = _bytes_per_cycle(range(10)) + 10 * (
        TABLES[spec.servo.model].frame.length - READ_LENGTH
    )
    wire_s = wire_time_s(num_bytes, spec.bus.baud)
    with robot:
        robot.activate()
        release = time.monotonic()
        for _ in range(round(seconds * rate_hz)):
            time.sleep(max(release - time.monotonic(), 0.0))
            asked_again = robot.faults["retries"]
            worked = time.thread_time_ns()
            counts["read_faults"] += not _follow(robot)
            host.append((time.thread_time_ns() - worked) * 1e-9)
            late_s = time.monotonic() - release - period_s
            if late_s > 0:
                is_own = host[-1] + wire_s > period_s or robot.faults["retries"] > asked_again
                whose = "driver" if is_own else "machine"
                counts[f"missed_by_{whose}"] += 1
            release += period_s * max(1, math.ceil(late_s / period_s) + 1)
        counts["retries"] = robot.faults["retries"]
    case = f"soak_{rate_hz:g}Hz_{seconds:g}s/{spec.bus.baud / 1e6:g}Mbaud"
    yield from _records(case, "host_s", {"driver": [statistics.median(host)]})
    yield from _records(case, "host_longest_s", {"driver": [max(host)]})
    counts["ticks"] = len(host)
    for name in ("ticks", "missed_by_driver", "missed_by_machine", "retries", "read_faults"):
        yield from _records(case, name, {"driver": [counts[name]]}, unit="1")


def _follow(robot: DynamixelRobot) -> bool:
    """One tick: command what is measured. Whether a reading came."""
    try:
        reading = robot.read()
    except RobotFault:
        return False
    robot.write(Command(stamp_ns=reading.stamp_ns, position_rad=reading.position_rad))
    return True
