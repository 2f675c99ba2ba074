"""The same tests against an emulated bus (default) or a real hand.

    pytest tests/hil
    pytest tests/hil --robot serial --port /dev/ttyUSB0 --unit <serial number>

On a real hand a person has to confirm first that nothing is in its way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from sim2real.contract.robot_spec import RobotSpec, load_robot_spec
from sim2real.emulator.bus_server import EmulatedBus
from sim2real.hardware.dynamixel.bus import BusTiming
from sim2real.hardware.dynamixel.driver import DriverConfig, DynamixelRobot

# A test machine with two busy cores may not run emulator or driver for some milliseconds.
PATIENT = DriverConfig(
    soft_start_s=0.2,
    soft_start_steps=10,
    timing=BusTiming(turnaround_s=0.03),
    tick_tolerance_s=0.02,
)


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
class Bench:
    """A hand to test: where it is, and the emulator behind it unless it is real."""

    spec: RobotSpec
    port: str
    unit: str
    emulated: EmulatedBus | None

    def robot(self, config: DriverConfig = PATIENT) -> DynamixelRobot:
        """A driver for it, not yet connected."""
        return DynamixelRobot.on_serial(self.port, self.spec, self.unit, config)

    @property
    def bus(self) -> EmulatedBus:
        """The emulated bus; skips the test on a real hand, where it would break something."""
        if self.emulated is None:
            pytest.skip("needs faults that only the emulator can have")
        return self.emulated


@pytest.fixture(scope="session")
def spec() -> RobotSpec:
    return load_robot_spec()


@pytest.fixture(scope="session")
def patient() -> DriverConfig:
    return PATIENT


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
def bench(spec: RobotSpec, real_hand: tuple[str, str] | None) -> Iterator[Bench]:
    """A hand with torque off, provisioned."""
    if real_hand is not None:
        yield Bench(spec, *real_hand, None)
        return
    with EmulatedBus(spec) as bus:
        yield Bench(spec, bus.port, "emulated", bus)
