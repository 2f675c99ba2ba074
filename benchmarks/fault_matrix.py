"""Every kind of fault against driver and safety ladder: what happens, how soon, how it ends.

    python -m benchmarks.fault_matrix [docs/faults.md]

The host's loop runs on the emulated line directly, in bus time: the result is the same on every
machine and in every run. What is measured is labelled "emulated bus".
"""

from __future__ import annotations

import dataclasses
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.camera_bench import run_camera_case
from benchmarks.fault_cases import CASES, Case
from benchmarks.fault_page import Record, markdown
from benchmarks.servo_state import is_driven, state_of
from sim2real.contract.errors import BadInput
from sim2real.contract.joint_io import Command, Reading
from sim2real.contract.robot_spec import RobotSpec, load_robot_spec
from sim2real.emulator.camera_faults import KINDS as CAMERA_KINDS
from sim2real.emulator.direct_port import DirectPort
from sim2real.emulator.line import Line, LineOptions
from sim2real.emulator.plant import Plant
from sim2real.emulator.servo import Servo
from sim2real.hardware.calibration import load_calibration
from sim2real.hardware.dynamixel.driver import DynamixelRobot
from sim2real.hardware.robot import Phase, RobotFault
from sim2real.runtime.safety import Rung, SafetyLadder, SafetyLimits, enact

PERIOD_S = 0.02
BEFORE_S, AFTER_S = 0.4, 1.2
"""motion before and after the fault begins"""
SWING_RAD, SWING_HZ = 0.15, 1.5
"""the joints move all the time, so that an old position differs from a new one"""
WATCHDOG_SLACK_S = 0.01
POSITION_TICKS = 2
"""by how much a reading may differ from all that the registers held during the exchange"""


class Bench:
    """Driver and safety ladder in motion on one emulated line."""

    def __init__(self, spec: RobotSpec) -> None:
        self.spec = spec
        self.line = Line(
            spec,
            Plant(spec),
            LineOptions(baud=spec.bus.baud, supply_v=spec.servo.nominal_voltage_v),
        )
        self.robot = DynamixelRobot(
            spec,
            load_calibration(spec, "emulated"),
            self._open_port,
            clock_ns=self.now_ns,
            sleep=self.sleep,
        )
        self.ladder = SafetyLadder(SafetyLimits.of(spec))
        self.num_readings = 0
        self.violations: list[str] = []
        self._home = spec.joint_array("home_rad")

    def now_ns(self) -> int:
        return round(self.line.now * 1e9)

    def sleep(self, seconds: float) -> None:
        """Let bus time pass, looking at every physics step for torque that nobody watches."""
        end = self.line.now + seconds
        while self.line.now < end:
            self.line.advance_to(min(self.line.next_step_at, end))
            self._check_watchdogs()

    @property
    def joints(self) -> list[Servo]:
        return self.line.servos[: len(self.spec.joints)]

    def start(self) -> None:
        """Torque on at the pose where the joints are."""
        self.robot.activate()
        self.ladder.start(self.now_ns(), self.robot.read())

    def tick(self) -> None:
        """One period of the host's loop: read, decide, do, wait for the next."""
        begin = self.line.now
        reading = self._read()
        health = self.robot.health() if reading is not None else None
        stamp_ns = reading.stamp_ns if reading is not None else 0
        command = None
        if reading is not None:
            command = Command(stamp_ns=stamp_ns, position_rad=self._wanted())
        decision = self.ladder.decide(self.now_ns(), reading, health, command)
        enact(decision, self.robot, self.ladder, stamp_ns)
        late_s = self.line.now - begin - PERIOD_S
        self.sleep(PERIOD_S - late_s % PERIOD_S if late_s > 0 else -late_s)

    def _wanted(self) -> np.ndarray:
        swing = SWING_RAD * np.sin(
            2 * np.pi * SWING_HZ * self.line.now + np.arange(len(self._home))
        )
        return np.asarray(self._home + swing)

    def _open_port(self) -> DirectPort:
        if self.line.is_unplugged:
            raise BadInput("port", "path", found="nothing", expected="a serial port")
        return DirectPort(self.line)

    def _read(self) -> Reading | None:
        """A reading, held against what the registers showed while it was asked for."""
        measure, shown = self.line.measure, [self._positions()]

        def measure_and_keep() -> None:
            measure()
            shown.append(self._positions())

        self.line.measure = measure_and_keep  # type: ignore[method-assign]
        try:
            reading = self.robot.read()
        except RobotFault:
            return None
        finally:
            self.line.measure = measure  # type: ignore[method-assign]
        self.num_readings += 1
        self._check_fresh(reading, shown)
        return reading

    def _positions(self) -> np.ndarray:
        return self.line.memory["present_position"][: len(self._home)].copy()

    def _check_fresh(self, reading: Reading, shown: Sequence[np.ndarray]) -> None:
        ticks = np.rint(np.asarray(reading.position_rad) / self.spec.servo.position_unit_rad) + 2048
        low, high = np.min(shown, axis=0), np.max(shown, axis=0)
        is_old = (ticks < low - POSITION_TICKS) | (ticks > high + POSITION_TICKS)
        if is_old.any():
            names = [name for name, old in zip(self.spec.joint_names, is_old) if old]
            self.violations.append(f"stale value returned as fresh: {', '.join(names)}")

    def _check_watchdogs(self) -> None:
        for servo in self.line.servos:
            if is_driven(servo) and servo["bus_watchdog"] == 0:
                self.violations.append(f"servo {servo.motor_id} is driven and unwatched")


def run_case(case: Case, spec: RobotSpec) -> Record:
    """Play one case to its end."""
    if any(fault.kind in CAMERA_KINDS for fault in case.faults):
        return run_camera_case(case, spec)
    bench, record = Bench(spec), Record(case)
    if case.stage == "run":
        _run(bench, case, record)
    else:
        _refuse(bench, case, record)
    if case.mends:
        _mend(bench, record)
    _leave(bench)
    record.num_readings, record.violations = bench.num_readings, bench.violations
    return record


def _refuse(bench: Bench, case: Case, record: Record) -> None:
    """A fault that is there before torque: connecting or activating must refuse."""
    began = bench.line.now
    try:
        if case.stage == "connect":
            _inject(bench, case)
            bench.robot.connect()
        else:
            bench.robot.connect()
            began = bench.line.now
            _inject(bench, case)
            bench.sleep(PERIOD_S)
        bench.start()
        record.reaction = "absorbed"
    except (RobotFault, BadInput) as error:
        record.reaction, record.detail = "refused", str(error)
        record.cause = error.cause if isinstance(error, RobotFault) else error.field
    record.noticed_s = bench.line.now - began
    if any(is_driven(servo) for servo in bench.line.servos):
        bench.violations.append("driven although it was refused")
    record.final = state_of(bench.joints)


def _run(bench: Bench, case: Case, record: Record) -> None:
    """A fault in motion: let the loop go on and see."""
    bench.robot.connect()
    bench.start()
    _ticks(bench, BEFORE_S)
    assert bench.ladder.rung is Rung.RUN, bench.ladder.reason
    watch = _Watch(bench, record)
    if case.sweep_bits:
        for bit in range(case.sweep_bits):
            for fault in case.faults:
                bench.line.inject(dataclasses.replace(fault, value=float(bit)))
            for _ in range(1 + case.sweep_pause):
                bench.tick()
                watch.look()
    else:
        _inject(bench, case)
        while bench.line.now - watch.began < AFTER_S:
            if case.host_dies:
                bench.sleep(PERIOD_S)
            else:
                bench.tick()
            watch.look()
    watch.conclude(case)


class _Watch:
    """What becomes of a hand in motion from now on."""

    def __init__(self, bench: Bench, record: Record) -> None:
        self.began = bench.line.now
        self._bench, self._record = bench, record
        self._before = _counters(bench)
        self._was_held = False

    def look(self) -> None:
        """After each tick."""
        bench, record = self._bench, self._record
        elapsed_s = bench.line.now - self.began
        self._was_held |= bench.ladder.rung is Rung.HOLD
        if record.noticed_s is None and _counters(bench) != self._before:
            record.noticed_s = elapsed_s
        any_driven = any(is_driven(servo) for servo in bench.joints)
        if record.stopped_s is None and not any_driven:
            record.stopped_s = elapsed_s

    def conclude(self, case: Case) -> None:
        """Name the reaction."""
        ladder, record = self._bench.ladder, self._record
        if case.host_dies or ladder.rung is Rung.SILENT:
            record.reaction = "silenced"
        elif ladder.is_latched:
            record.reaction = "stopped"
        else:
            record.reaction = "held" if self._was_held else "absorbed"
        if ladder.is_latched and ladder.reason is not None:
            record.cause, record.detail = ladder.reason.cause, ladder.reason.detail
        record.final = state_of(self._bench.joints)


def _mend(bench: Bench, record: Record) -> None:
    """A new connection, on request, once the fault is over."""
    bench.robot.close()
    bench.sleep(0.5)
    try:
        bench.robot.connect()
        bench.start()
        _ticks(bench, 0.2)
    except (RobotFault, BadInput) as error:
        bench.violations.append(f"does not work again: {error}")
    else:
        if bench.ladder.rung is not Rung.RUN:
            bench.violations.append(f"does not run again: {bench.ladder.reason}")
        record.final += "; runs again after a new connection"


def _leave(bench: Bench) -> None:
    """The host is gone without a word: whatever is still driven must be stopped by its watchdog."""
    deadline = bench.spec.safety.bus_watchdog_s + WATCHDOG_SLACK_S
    bench.line.advance_to(bench.line.now + deadline)
    for servo in bench.line.servos:
        if is_driven(servo):
            bench.violations.append(f"servo {servo.motor_id} is driven without a host")


def _inject(bench: Bench, case: Case) -> None:
    for fault in case.faults:
        bench.line.inject(fault)


def _ticks(bench: Bench, seconds: float) -> None:
    end = bench.line.now + seconds
    while bench.line.now < end:
        bench.tick()


def _counters(bench: Bench) -> Counter[str]:
    """Everything that driver and ladder count as unusual."""
    counts = Counter(bench.ladder.events) + bench.robot.counts
    if bench.robot.phase in (Phase.READY, Phase.ACTIVE):
        counts += bench.robot.servos.bus.faults
    for usual in ("exchanges", "limited", "clipped"):
        del counts[usual]
    return counts


def main(path: Path) -> int:
    """Run all cases, write the page beside its name, then rename."""
    spec = load_robot_spec()
    records = [run_case(case, spec) for case in CASES]
    beside = path.with_name(path.name + ".part")
    path.parent.mkdir(parents=True, exist_ok=True)
    beside.write_text(markdown(records, PERIOD_S), encoding="utf-8")
    beside.replace(path)
    bad = [f"{record.case.name}: {text}" for record in records for text in record.violations]
    print("\n".join(bad) or f"{len(records)} cases, nothing that must not happen: {path}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/faults.md")))
