"""The real hand: a `Robot` of Dynamixel servos in current-based position mode on one bus.

The order in which things happen is the subject of this file. Torque is switched off before anything
else on the way in and on the way out; it is switched on only where the joints are, with no current,
with every servo's own watchdog armed; and when a stop cannot be confirmed, the bus falls silent so
that those watchdogs act.
"""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import numpy as np

from sim2real.contract.joint_io import Command, Reading
from sim2real.contract.robot_spec import RobotSpec
from sim2real.hardware.calibration import Calibration, load_calibration
from sim2real.hardware.dynamixel import control_table as table
from sim2real.hardware.dynamixel import provisioning
from sim2real.hardware.dynamixel.bus import Bus, BusTiming
from sim2real.hardware.dynamixel.freshness import TickCheck
from sim2real.hardware.dynamixel.measurement import Measurement
from sim2real.hardware.dynamixel.object_servo import ObjectServo, TurnConfig
from sim2real.hardware.dynamixel.port import Port, SerialPort, is_emulated, require_low_latency
from sim2real.hardware.dynamixel.servo_group import ServoGroup
from sim2real.hardware.robot import Health, Phase, Recovery, RobotFault, Turning, error_names


@dataclass(frozen=True, kw_only=True)
class DriverConfig:
    """How the driver takes its time."""

    soft_start_s: float = 0.5
    """how long goal current takes from zero to its limit"""
    soft_start_steps: int = 25
    """in how many equal steps"""
    timing: BusTiming = field(default_factory=BusTiming)
    """how long to wait for answers; the spec's return delay is added"""
    tick_tolerance_s: float = 0.005
    """by how much a servo's clock may disagree with the host's before a reading is stale"""
    start_margin_rad: float = 0.2
    """how far outside its range a joint may lie when torque is switched on"""
    reboot_s: float = 2.0
    """how long a rebooted servo may take to answer"""


EMULATED_PATIENCE_S = 0.05
"""emulated servos wait for the same processor"""


def patient(patience_s: float) -> DriverConfig:
    """The usual, for servos that may answer so much later."""
    usual = DriverConfig()
    return DriverConfig(
        timing=BusTiming(turnaround_s=usual.timing.turnaround_s + patience_s),
        tick_tolerance_s=usual.tick_tolerance_s + patience_s,
    )


class DynamixelRobot:
    """Joints, an object and their servos. See `Robot` for what the methods mean.

    `clock_ns` and `sleep` are replaced where an emulator runs in lock-step.
    """

    def __init__(
        self,
        spec: RobotSpec,
        calibration: Calibration,
        open_port: Callable[[], Port],
        *,
        config: DriverConfig | None = None,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.spec = spec
        self.phase = Phase.CLOSED
        self.counts: Counter[str] = Counter()
        """`stale` readings, `clipped` commands"""
        self._calibration, self._open_port = calibration, open_port
        self._config = config or DriverConfig()
        self._clock_ns, self._sleep = clock_ns, sleep
        self._joints = calibration.frame(spec.joint_names)
        self._measurement = Measurement(spec, calibration)
        self._lower = spec.joint_array("lower_rad")
        self._upper = spec.joint_array("upper_rad")
        self._current_limits = np.array(
            [provisioning.current_limit_count(joint, spec) for joint in spec.joints], np.int64
        )
        num_read = len(spec.joints) + len(spec.objects[:1])
        self._ticks = TickCheck(num_read, self._config.tick_tolerance_s)
        self._group: ServoGroup | None = None
        self._sequence = 0
        self._health: Health | None = None

    @classmethod
    def on_serial(
        cls, port: str, spec: RobotSpec, unit: str, config: DriverConfig | None = None
    ) -> Self:
        """The unit `unit` on a serial port; nothing is opened yet.

        Without a config it is the usual one, or a patient one on an emulated hand's port.
        Raises `BadInput` for its calibration file, and `connect` for the port.
        """

        def open_port() -> Port:
            require_low_latency(port)
            return SerialPort.open(port, spec.bus.baud)

        config = config or patient(EMULATED_PATIENCE_S if is_emulated(port) else 0.0)
        return cls(spec, load_calibration(spec, unit), open_port, config=config)

    @property
    def servos(self) -> ServoGroup:
        """The servos by name. Raises `RobotFault` when closed or when the bus must stay silent."""
        if self._group is None or self.phase is Phase.SILENT:
            raise RobotFault("not_connected", f"the robot is {self.phase.value}")
        return self._group

    @property
    def placing(self) -> None:
        return None

    @property
    def recovery(self) -> Recovery:
        return self

    @property
    def turning(self) -> Turning | None:
        return self if self.spec.objects else None

    @property
    def faults(self) -> Counter[str]:
        """Everything unusual since connecting, by cause: of stream, bus, servos and driver."""
        faults = Counter(self.counts)
        if self._group is not None:
            faults += self._group.bus.faults + self._group.counts
        del faults["exchanges"]
        return +faults

    def connect(self) -> None:
        """Find every servo, torque off, verify EEPROM, write RAM.

        Raises `BadInput` for a servo that is not what the configuration says, naming the register.
        """
        self._open()
        try:
            self.servos.refuse_other_eeprom()
            for name in self.servos.motor_ids:
                self.servos.configure(name)
        except BaseException:
            self._let_go()
            raise
        self._ticks.reset()

    def provision(self) -> list[provisioning.Difference]:
        """Write EEPROM where it differs from the configuration; returns what differed.

        Only on request: EEPROM outlives the session and wears. Closed before and after.
        """
        self._open()
        try:
            found = [item for n in self.servos.motor_ids for item in self.servos.differences(n)]
            for item in found:
                self.servos.write(item.servo, item.register, item.expected)
            return found
        finally:
            self._let_go()

    def recover(self, names: tuple[str, ...]) -> None:
        """Reboot servos that latched an error, then verify and configure them. Torque stays off.

        Only on request. A servo that overheated should be left to cool first.
        """
        self._require(Phase.READY)
        for name in names:
            self.servos.reboot(name)
            self._await_boot(name)
        self.servos.refuse_other_eeprom()
        for name in names:
            self.servos.configure(name)
        self._ticks.reset()

    def activate(self) -> None:
        self._require(Phase.READY)
        for name in self.spec.joint_names:
            self.servos.write(name, table.BUS_WATCHDOG, 0)  # once tripped, a servo takes no goal
        reading = self.read()
        self._refuse_condition(torque=False)
        self._refuse_far_pose(reading)
        goals = self._joints.counts(reading.position_rad)
        watchdog = provisioning.watchdog_count(self.spec)
        for name, goal in zip(self.spec.joint_names, goals):
            # Goal Current first: a change of mode may have set it to the limit. And RAM keeps the
            # last goal, to which torque would drive.
            self.servos.write(name, table.GOAL_CURRENT, 0)
            self.servos.write(name, table.GOAL_POSITION, int(goal))
            self.servos.write(name, table.BUS_WATCHDOG, watchdog)
        self.phase = Phase.ACTIVE  # from here on every way out switches torque off
        try:
            self.servos.write_joints(table.TORQUE_ENABLE, np.ones(len(goals), np.int64))
            self._soft_start()
        except BaseException:
            self._stop_or_fall_silent()
            raise

    def read(self) -> Reading:
        """One exchange with all servos.

        Raises `RobotFault`: `silent` when one does not answer, `stale` when one's clock says that
        it did not measure now, `port_lost`. An earlier reading is never returned instead.
        """
        asked_ns = self._clock_ns()
        frames = self.servos.frames()
        answered_ns = self._clock_ns()
        ticks = frames[table.REALTIME_TICK.name].astype(np.int64)
        fresh = self._ticks.fresh(ticks, asked_ns, answered_ns)
        if not fresh.all():
            self.counts["stale"] += 1
            names = (name for name, ok in zip(self.servos.read_names, fresh) if not ok)
            raise RobotFault("stale", "measured at another time", tuple(names))
        self._sequence += 1
        self._health = self._measurement.health(frames, self._ticks.stamp_ns)
        return self._measurement.reading(frames, self._ticks.stamp_ns, self._sequence)

    def health(self) -> Health:
        if self._health is None:
            raise RobotFault("not_connected", "nothing has been read yet")
        return self._health

    def write(self, command: Command) -> None:
        """Send goals, clipped to the joints' range: the last line, behind the safety filter."""
        self._require(Phase.ACTIVE)
        goal = np.asarray(command.position_rad, np.float64)
        if goal.shape != self._lower.shape or not np.isfinite(goal).all():
            raise RobotFault("bad_command", f"not {len(self._lower)} finite angles: {goal}")
        clipped = np.clip(goal, self._lower, self._upper)
        self.counts["clipped"] += int((clipped != goal).any())
        self.servos.write_joints(table.GOAL_POSITION, self._joints.counts(clipped))

    def go_limp(self) -> None:
        self._require(Phase.ACTIVE)
        self.servos.write_joints(table.GOAL_CURRENT, np.zeros_like(self._current_limits))
        for name in self.spec.joint_names:
            self.servos.write(name, table.GOAL_CURRENT, 0)

    def deactivate(self) -> None:
        """Torque off. If a servo does not confirm it, this raises and the bus is silent."""
        if self.phase is Phase.READY:
            return
        self._require(Phase.ACTIVE)
        servos = self.servos
        try:
            servos.write_joints(table.TORQUE_ENABLE, np.zeros_like(self._current_limits))
        finally:
            lost = [n for n in self.spec.joint_names if not servos.holds(n, table.TORQUE_ENABLE, 0)]
            self.phase = Phase.SILENT if lost else Phase.READY
        if lost:
            raise RobotFault("torque_not_confirmed_off", "the bus is silent now", tuple(lost))

    def turn_object(self, angle_rad: float, config: TurnConfig | None = None) -> float:
        """Turn the object with its own servo, the hand clear of it: see `ObjectServo.turn_to`."""
        return self.object_servo(config).turn_to(angle_rad)

    def object_servo(self, config: TurnConfig | None = None) -> ObjectServo:
        """The object's own servo, for whoever reads the hand himself while it turns."""
        frame = self._calibration.frame((self.spec.objects[0].name,))
        return ObjectServo(
            self, self.servos, frame, clock_ns=self._clock_ns, sleep=self._sleep, config=config
        )

    def turn_at(self, speed_rad_s: float) -> ObjectServo:
        """The same at this speed: whoever waits for it sees to tolerance and time."""
        return self.object_servo(TurnConfig(speed_rad_s=speed_rad_s))

    def quarantine(self) -> None:
        """Nothing is sent until `close`: traffic to others might feed a lost servo's watchdog."""
        if self.phase is not Phase.CLOSED:
            self.phase = Phase.SILENT

    def close(self) -> None:
        if self.phase is Phase.ACTIVE:
            self._stop_or_fall_silent()
        self._let_go()

    def __enter__(self) -> Self:
        self.connect()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _require(self, phase: Phase) -> None:
        if self.phase is not phase:
            message = f"the robot is {self.phase.value}, this needs {phase.value}"
            raise RobotFault("wrong_phase", message)

    def _open(self) -> None:
        """Open the bus, find all servos, torque off: the beginning of every session."""
        self._require(Phase.CLOSED)
        timing = self._config.timing
        delay_s = timing.return_delay_s + self.spec.bus.return_delay_us * 1e-6
        timing = dataclasses.replace(timing, return_delay_s=delay_s)
        bus = Bus(self._open_port(), timing, clock=lambda: self._clock_ns() * 1e-9)
        self._group = ServoGroup(bus, self.spec, self._calibration)
        self.phase = Phase.READY
        try:
            self.servos.identify()
            for name in self.servos.motor_ids:
                self.servos.write(name, table.TORQUE_ENABLE, 0)
        except BaseException:
            self._let_go()
            raise

    def _let_go(self) -> None:
        if self._group is not None:
            self._group.bus.port.close()
        self._group, self._health, self.phase = None, None, Phase.CLOSED

    def _stop_or_fall_silent(self) -> None:
        try:
            self.deactivate()
        except RobotFault:
            self.quarantine()

    def _await_boot(self, name: str) -> None:
        deadline = self._clock_ns() + round(self._config.reboot_s * 1e9)
        while not self.servos.answers(name):
            if self._clock_ns() > deadline:
                raise RobotFault("silent", "did not come back from its reboot", (name,))
            self._sleep(0.02)

    def _soft_start(self) -> None:
        """Raise goal current from zero to its limit, looking after the servos at every step."""
        steps = self._config.soft_start_steps
        for step in range(1, steps + 1):
            self.servos.write_joints(table.GOAL_CURRENT, self._current_limits * step // steps)
            self._sleep(self._config.soft_start_s / steps)
            self.read()
            self._refuse_condition(torque=True)
        for name, limit in zip(self.spec.joint_names, self._current_limits):
            self.servos.write(name, table.GOAL_CURRENT, int(limit))

    def _refuse_condition(self, *, torque: bool) -> None:
        """Raise unless no servo has an error, a tripped watchdog, or torque other than `torque`."""
        health = self.health()
        errors = sorted({error_names(bits) for bits in health.hardware_error.tolist() if bits})
        why = "not fit for torque"
        for cause, is_bad, detail in (
            ("hardware_error", health.hardware_error != 0, f"{'; '.join(errors)}: {why}"),
            ("watchdog_tripped", health.watchdog_tripped, why),
            ("torque_lost" if torque else "torque_on", health.torque_enabled != torque, why),
        ):
            names = tuple(n for n, bad in zip(self.spec.joint_names, is_bad) if bad)
            if names:
                raise RobotFault(cause, detail, names)

    def _refuse_far_pose(self, reading: Reading) -> None:
        margin = self._config.start_margin_rad
        position = reading.position_rad
        is_far = (position < self._lower - margin) | (position > self._upper + margin)
        names = tuple(n for n, far in zip(self.spec.joint_names, is_far) if far)
        if names:
            raise RobotFault("far_pose", "move the joints into their range by hand", names)
