"""A line of servos without a port: bytes in, bytes out, time when the test says so."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from sim2real.contract.robot_spec import RobotSpec, load_robot_spec
from sim2real.emulator.faults import Fault, FaultPlan
from sim2real.emulator.line import Line, LineOptions
from sim2real.emulator.plant import Plant
from sim2real.emulator.servo import Servo
from sim2real.hardware.dynamixel.packet import Status, decode, packet_size, status_of


class Host:
    """Someone who talks to a line."""

    def __init__(self, line: Line) -> None:
        self.line = line

    def ask(self, request: bytes) -> bytes:
        """All bytes that come back until the exchange is over."""
        self.line.receive(request, self.line.now)
        self.line.advance_to(self.line.busy_until)
        return self.line.deliveries(self.line.now)

    def statuses(self, request: bytes) -> list[Status]:
        """The answers to a request, all of which must be whole."""
        data, found = self.ask(request), []
        while data:
            size = packet_size(data)
            found.append(status_of(decode(data[:size])))
            data = data[size:]
        return found

    def status(self, request: bytes) -> Status:
        (status,) = self.statuses(request)
        return status

    def wait(self, seconds: float) -> None:
        self.line.advance_to(self.line.now + seconds)

    def servo(self, motor_id: int) -> Servo:
        return next(servo for servo in self.line.servos if servo.motor_id == motor_id)


MakeHost = Callable[..., Host]


def spec_with_ids(*ids: int) -> RobotSpec:
    """The claw with these ids on its first servos."""
    spec = load_robot_spec()
    known = [*ids, *range(100, 120)]
    joints = tuple(
        dataclasses.replace(joint, motor_id=known[row]) for row, joint in enumerate(spec.joints)
    )
    return dataclasses.replace(spec, joints=joints)


@pytest.fixture(scope="session")
def spec() -> RobotSpec:
    return load_robot_spec()


@pytest.fixture
def make_host(spec: RobotSpec) -> MakeHost:
    def make(*faults: Fault, ids: tuple[int, ...] = (), **options: object) -> Host:
        robot = spec_with_ids(*ids) if ids else spec
        chosen = LineOptions(**{"baud": 1_000_000, "supply_v": 12.0, **options})  # type: ignore[arg-type]
        return Host(Line(robot, Plant(robot), chosen, FaultPlan(faults=faults)))

    return make


@pytest.fixture
def host(make_host: MakeHost) -> Host:
    return make_host()
