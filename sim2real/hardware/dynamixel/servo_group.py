"""A hand's servos by joint name: registers, frames, identity, configuration.

Between the bus, which knows ids and bytes, and the driver, which knows in what order things happen.
Every failure leaves here as a `RobotFault` that names joints.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from sim2real.contract.errors import BadInput
from sim2real.contract.robot_spec import RobotSpec
from sim2real.hardware.calibration import Calibration
from sim2real.hardware.dynamixel import provisioning
from sim2real.hardware.dynamixel.bus import Bus, BusFault, Identity
from sim2real.hardware.dynamixel.control_table import Register
from sim2real.hardware.dynamixel.packet import Status
from sim2real.hardware.dynamixel.port import PortLost
from sim2real.hardware.dynamixel.servo_tables import TABLES
from sim2real.hardware.robot import RobotFault

FAST_SYNC_READ_FIRMWARE = 45


class ServoGroup:
    """All servos of a robot on an open bus. `read_names` is the order of frames."""

    def __init__(self, bus: Bus, spec: RobotSpec, calibration: Calibration) -> None:
        self.bus = bus
        self.motor_ids = provisioning.motor_ids(spec)
        self.read_names = (*spec.joint_names, *(item.name for item in spec.objects[:1]))
        """joints, then the object that the hand turns"""
        self.identities: dict[str, Identity] = {}
        self.counts: Counter[str] = Counter()
        """`fallbacks`: frames read by Sync Read because Fast Sync Read failed"""
        self._spec = spec
        self._table = TABLES[spec.servo.model]
        self._eeprom = provisioning.eeprom_plan(spec, calibration)
        self._ram = provisioning.ram_plan(spec)
        self._names = {motor_id: name for name, motor_id in self.motor_ids.items()}
        self._read_ids = tuple(self.motor_ids[name] for name in self.read_names)
        self._joint_ids = spec.motor_ids

    def identify(self) -> None:
        """Ping every servo; fill `identities`.

        Raises `BadInput` for a servo of another model or with older firmware than the spec allows.
        """
        for name, motor_id in self.motor_ids.items():
            with self._faults_named():
                found = self.bus.ping(motor_id)
            self.identities[name] = found
            self._require_model(name, found)

    def _require_model(self, name: str, found: Identity) -> None:
        where, servo = f"servo {self.motor_ids[name]}", self._spec.servo
        if found.model_number != servo.model_number:
            expected = f"{servo.model_number} ({servo.model})"
            raise BadInput(where, f"{name}.model", found=found.model_number, expected=expected)
        if found.firmware < servo.min_firmware:
            expected = f"{servo.min_firmware} or later"
            raise BadInput(where, f"{name}.firmware", found=found.firmware, expected=expected)

    def read(self, name: str, register: Register) -> int:
        with self._faults_named():
            return self.bus.read_register(self.motor_ids[name], register)

    def write(self, name: str, register: Register, count: int) -> None:
        """Write and read back."""
        with self._faults_named():
            self.bus.write_register(self.motor_ids[name], self._table.of(register), count)

    def write_joints(self, register: Register, counts: Iterable[int]) -> None:
        """One register of all joints at once, unconfirmed; `counts` in joint order."""
        own = self._table.of(register)
        rows = {i: own.encode(int(n)) for i, n in zip(self._joint_ids, counts)}
        with self._faults_named():
            self.bus.sync_write(register.address, rows)

    def frames(self) -> NDArray[np.void]:
        """What every servo shows now, (len(read_names),) of the model's `Frame.dtype`.

        Raises `RobotFault` `silent` naming those that did not answer.
        """
        with self._faults_named():
            answers = self._sync_read(fast=self._is_fast)
            if len(answers) < len(self._read_ids) and self._is_fast:
                self.counts["fallbacks"] += 1
                answers = self._sync_read(fast=False)
        missing = tuple(self._names[i] for i in self._read_ids if i not in answers)
        if missing:
            raise RobotFault("silent", "no answer in time", missing)
        return self._table.frame.decode(answers[motor_id].data for motor_id in self._read_ids)

    @property
    def _is_fast(self) -> bool:
        return all(found.firmware >= FAST_SYNC_READ_FIRMWARE for found in self.identities.values())

    def _sync_read(self, *, fast: bool) -> dict[int, Status]:
        frame = self._table.frame
        return self.bus.sync_read(frame.address, frame.length, self._read_ids, fast=fast)

    def differences(self, name: str) -> list[provisioning.Difference]:
        """Where the servo's EEPROM is not as configured."""
        with self._faults_named():
            return provisioning.differences(
                self.bus, name, self.motor_ids[name], self._eeprom[name]
            )

    def refuse_other_eeprom(self) -> None:
        """Raise `BadInput` with every register that is not as configured."""
        found = [item for name in self.motor_ids for item in self.differences(name)]
        if found:
            raise BadInput(
                "EEPROM",
                f"{found[0].servo}.{found[0].register.name}",
                found="; ".join(map(str, found)),
                expected="the registers of robot.yaml and the unit's calibration",
                remedy="taskbelief provision, or correct the files",
            )

    def configure(self, name: str) -> None:
        """Write the servo's RAM and what its frame shows; all read back."""
        motor_id, frame = self.motor_ids[name], self._table.frame
        with self._faults_named():
            provisioning.apply(self.bus, motor_id, self._ram[name])
            self.bus.write(motor_id, frame.pointer_address, frame.pointers)
            size = len(frame.pointers)
            if self.bus.read(motor_id, frame.pointer_address, size).data != frame.pointers:
                raise BusFault("not_kept", motor_id, "indirect addresses read back otherwise")

    def reboot(self, name: str) -> None:
        with self._faults_named():
            self.bus.reboot(self.motor_ids[name])

    def answers(self, name: str) -> bool:
        try:
            self.bus.ping(self.motor_ids[name])
        except BusFault:
            return False
        return True

    def holds(self, name: str, register: Register, count: int) -> bool:
        """Whether the servo, after writing `count` to it, confirms that it has it."""
        try:
            self.write(name, register, count)
        except RobotFault:
            return False
        return True

    @contextmanager
    def _faults_named(self) -> Iterator[None]:
        try:
            yield
        except BusFault as fault:
            name = self._names.get(fault.motor_id, f"id {fault.motor_id}")
            raise RobotFault(fault.cause, str(fault), (name,)) from fault
        except PortLost as error:
            raise RobotFault("port_lost", str(error)) from error
