"""The same tests against an emulated hand (default) or a real one.

    pytest tests/hil
    pytest tests/hil --robot serial --port /dev/ttyUSB0 --unit <serial number>

The emulated hand has a time of its own, which passes only while the driver waits: what a test finds
does not depend on how busy the machine is. On a real hand a person has to confirm first that
nothing is in its way.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import pytest

from sim2real.contract.robot_spec import RobotSpec, load_robot_spec
from sim2real.emulator.direct_port import DirectPort
from sim2real.emulator.line import Line, LineOptions
from sim2real.emulator.plant import Plant
from sim2real.hardware.calibration import Calibration, load_calibration
from sim2real.hardware.dynamixel.driver import DynamixelRobot, patient
from sim2real.hardware.dynamixel.port import is_emulated

REHEARSAL_PATIENCE_S = 0.5
"""on an emulated hand's port: the machine may have other things to do"""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("hardware in the loop")
    group.addoption("--robot", choices=("emulated", "serial"), default="emulated")
    group.addoption("--port", help="serial port of the hand, for --robot serial")
    group.addoption("--unit", help="whose calibration to use, for --robot serial")


def pytest_configure(config: pytest.Config) -> None:
    is_real = config.getoption("--robot", "emulated") == "serial"
    if is_real and not (config.getoption("--port") and config.getoption("--unit")):
        raise pytest.UsageError("--robot serial needs --port and --unit")


@dataclass
class RealHand:
    """A hand to test, on a cable and in real time."""

    spec: RobotSpec
    port: str
    unit: str

    def robot(self) -> DynamixelRobot:
        """A driver for it, not yet connected."""
        config = patient(REHEARSAL_PATIENCE_S) if is_emulated(self.port) else None
        return DynamixelRobot.on_serial(self.port, self.spec, self.unit, config)

    def now_ns(self) -> int:
        return time.monotonic_ns()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    @property
    def line(self) -> Line:
        """The emulated line, of which there is none here."""
        pytest.skip("needs faults that only the emulator can have")


@dataclass
class EmulatedHand:
    """The same on an emulated line and in its time."""

    spec: RobotSpec
    calibration: Calibration
    line: Line

    def robot(self) -> DynamixelRobot:
        return DynamixelRobot(
            self.spec,
            self.calibration,
            lambda: DirectPort(self.line),
            clock_ns=self.now_ns,
            sleep=self.sleep,
        )

    def now_ns(self) -> int:
        return round(self.line.now * 1e9)

    def sleep(self, seconds: float) -> None:
        self.line.advance_to(self.line.now + seconds)


@pytest.fixture(scope="session")
def spec() -> RobotSpec:
    return load_robot_spec()


@pytest.fixture(scope="session")
def real_hand(pytestconfig: pytest.Config) -> tuple[str, str] | None:
    """(port, unit) of the real hand, once a person has said that it may move."""
    if pytestconfig.getoption("--robot", "emulated") != "serial":
        return None
    port, unit = pytestconfig.getoption("--port"), pytestconfig.getoption("--unit")
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    capture.suspend_global_capture(in_=True)
    try:
        answer = input(f"\nThe hand at {port} will move. Is its workspace clear? [yes/no] ")
    except EOFError:
        answer = "no"
    finally:
        capture.resume_global_capture()
    if answer.strip() != "yes":
        pytest.exit("the workspace is not clear", returncode=1)
    return port, unit


@pytest.fixture
def bench(
    spec: RobotSpec, real_hand: tuple[str, str] | None, request: pytest.FixtureRequest
) -> RealHand | EmulatedHand:
    """A hand with torque off, provisioned. Emulated, it may be mounted otherwise (a parameter)."""
    mounted = getattr(request, "param", None)
    if real_hand is not None:
        if mounted is not None:
            pytest.skip("a real hand is mounted as it is")
        return RealHand(spec, *real_hand)
    calibration = mounted(spec) if mounted else load_calibration(spec, "emulated")
    names = (*spec.joint_names, *(item.name for item in spec.objects))
    servos = [calibration.servos[name] for name in names]
    options = LineOptions(
        baud=spec.bus.baud,
        supply_v=spec.servo.nominal_voltage_v,
        signs=tuple(servo.sign for servo in servos),
        zero_ticks=tuple(float(servo.zero_count) for servo in servos),
    )
    return EmulatedHand(spec, calibration, Line(spec, Plant(spec), options))
