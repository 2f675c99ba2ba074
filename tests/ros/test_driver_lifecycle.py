"""The driver's life: every transition, what is said and done in each, and an error in each."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import numpy as np
import pytest
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import Parameter, ParameterValue
from rcl_interfaces.srv import SetParameters
from taskbelief_interfaces.msg import SafetyEvent

from sim2real.emulator.bus_server import EmulatedBus
from sim2real.emulator.faults import Fault
from taskbelief_hardware.interfaces import (
    DIAGNOSTICS,
    HAND_READING,
    HOLD,
    JOINT_STATES,
    PLACE_HAND,
    RECOVER_SERVOS,
    ROBOT_DESCRIPTION,
    SAFETY_EVENT,
    SERVO_STATES,
)
from tests.ros.graph import EMULATED, HOME, SPEC, Bench, NodeProcess, bench_in, patient_robot

pytestmark = pytest.mark.realtime


@pytest.fixture
def bus():
    with EmulatedBus(SPEC) as bus:
        yield bus


class Shared:
    """One driver process for most tests: it can be configured again and again."""

    def __init__(self, bench: Bench, folder: Path) -> None:
        self.bench, self.port = bench, folder / "port"
        self._robot_config, _ = patient_robot(folder)
        self._node: NodeProcess | None = None

    def driver(self, bus: EmulatedBus) -> NodeProcess:
        """An unconfigured driver whose port leads to this bus."""
        self.port.unlink(missing_ok=True)
        self.port.symlink_to(bus.port)
        if self._node is None or self._node.process.poll() is not None:
            config = self._robot_config
            self._node = self.bench.start("driver", port=self.port, robot_config=config, **EMULATED)
        self._node.forget()
        return self._node

    def put_back(self) -> None:
        node = self._node
        if node is None or node.process.poll() is not None:
            return
        if self.bench.state(node) == "finalized":
            node.stop()
            return
        for found, label in (("active", "deactivate"), ("inactive", "cleanup")):
            if self.bench.state(node) == found:
                self.bench.change(node, label)


@pytest.fixture(scope="module")
def shared(ros_domain_id, tmp_path_factory):
    folder = tmp_path_factory.mktemp("driver")
    with bench_in(folder, ros_domain_id) as bench:
        yield Shared(bench, folder)


@pytest.fixture
def bench(shared):
    return shared.bench


@pytest.fixture
def driver(shared, bus):
    yield shared.driver(bus)
    shared.put_back()


class Events:
    """What the driver says from now on; what it said before is latched and comes as well."""

    def __init__(self, bench: Bench) -> None:
        self._since_s = time.time()
        self._heard = bench.listen(SAFETY_EVENT)

    @property
    def heard(self) -> list[SafetyEvent]:
        stamps = [event.header.stamp for event in self._heard]
        times = [stamp.sec + 1e-9 * stamp.nanosec for stamp in stamps]
        return [event for event, at in zip(self._heard, times) if at > self._since_s]


def torque(bus) -> list[bool]:
    return [bus.servo(motor_id).torque_is_on for motor_id in SPEC.motor_ids]


def test_a_whole_life(bench, driver, bus):
    assert bench.state(driver) == "unconfigured"
    readings = bench.listen(HAND_READING)

    assert bench.change(driver, "configure"), driver.log
    assert bench.state(driver) == "inactive"
    bench.wait_for(lambda: readings, "a reading with torque off")
    assert not readings[-1].is_following
    assert len(readings[-1].applied_rad) == 0
    assert not any(torque(bus))

    assert bench.change(driver, "activate"), driver.log
    assert all(torque(bus))
    bench.wait_for(lambda: readings[-1].is_following, "a reading with torque on")
    assert len(readings[-1].applied_rad) == 9

    assert bench.change(driver, "deactivate"), driver.log
    assert not any(torque(bus))
    count = len(readings)
    bench.wait_for(lambda: len(readings) > count, "a reading after torque went off")

    assert bench.change(driver, "cleanup"), driver.log
    assert bench.state(driver) == "unconfigured"
    assert bench.change(driver, "configure", "activate"), "once more, on the same port"
    assert bench.change(driver, "shutdown"), driver.log
    assert bench.state(driver) == "finalized"
    assert not any(torque(bus))
    assert driver.stop() == 0


def test_what_it_publishes_is_in_si_units_and_in_order(bench, driver, bus):
    states, servos = bench.listen(JOINT_STATES), bench.listen(SERVO_STATES)
    descriptions, diagnostics = bench.listen(ROBOT_DESCRIPTION), bench.listen(DIAGNOSTICS)
    assert bench.change(driver, "configure", "activate"), driver.log
    bench.wait_for(lambda: servos and diagnostics and len(states) > 5, "telemetry")

    state = states[-1]
    assert list(state.name) == [*SPEC.joint_names, "valve"]
    assert state.header.frame_id == "dclaw_base"
    for index, joint in enumerate(SPEC.joints):
        assert joint.lower_rad - 0.1 < state.position[index] < joint.upper_rad + 0.1
        assert abs(state.effort[index]) < SPEC.servo.stall_torque_nm, "N m, not mA"
    assert [servo.motor_id for servo in servos[-1].servos] == list(SPEC.motor_ids)
    assert servos[-1].phase == "active"
    assert servos[-1].servos[0].torque_enabled
    assert "<robot" in descriptions[0].data
    names = {row.name for row in diagnostics[-1].status}
    assert {"driver: hand", "driver: control loop", "driver: safety ladder"} <= names
    assert all(row.hardware_id == "dclaw/emulated" for row in diagnostics[-1].status)


def test_configuring_without_a_port_says_why_and_works_once_it_is_there(bench, driver, bus, shared):
    shared.port.unlink()
    events = Events(bench)

    assert not bench.change(driver, "configure")
    assert bench.state(driver) == "unconfigured"
    event = bench.wait_for(lambda: events.heard, "the reason")[0]
    assert str(shared.port) in event.detail
    assert f"configure: {shared.port}" in driver.log

    shared.port.symlink_to(bus.port)
    assert bench.change(driver, "configure"), driver.log


def test_another_hand_than_configured_is_refused(bench, driver, bus):
    bus.inject(Fault(kind="set_registers", servo=20, registers={"operating_mode": 3}))
    assert not bench.change(driver, "configure")
    assert bench.state(driver) == "unconfigured"
    assert "operating_mode" in driver.log


def test_torque_does_not_come_on_with_an_error_and_does_after_recovery(bench, driver, bus):
    events = Events(bench)
    assert bench.change(driver, "configure"), driver.log
    bus.inject(Fault(kind="overload", servo=21))

    assert not bench.change(driver, "activate")
    assert bench.state(driver) == "inactive"
    assert not any(torque(bus))
    event = bench.wait_for(lambda: events.heard, "the reason")[0]
    assert event.cause == "hardware_error"

    answer = bench.call(RECOVER_SERVOS)
    assert answer.success, answer.message
    assert "finger2_middle" in answer.message
    assert bench.change(driver, "activate"), driver.log
    assert all(torque(bus))


def test_a_servo_that_fails_takes_the_node_out_of_its_active_state(bench, driver, bus):
    events, diagnostics = Events(bench), bench.listen(DIAGNOSTICS)
    assert bench.change(driver, "configure", "activate"), driver.log
    bus.inject(Fault(kind="overload", servo=31))

    bench.wait_for(lambda: bench.state(driver) == "inactive", "the node to step down")
    assert not any(torque(bus))
    causes = [event.cause for event in events.heard if event.rung == "torque_off" and event.cause]
    assert causes[0] == "hardware_error"
    latched = [event for event in events.heard if event.cause == "hardware_error"][-1]
    assert list(latched.joints) == ["finger3_middle"]
    row = bench.wait_for(
        lambda: (
            (found := bench.diagnosis("driver: safety ladder", diagnostics))
            and found.level == b"\x02"
            and found
        ),
        "its diagnosis",
    )
    assert "hardware_error" in row.message
    assert not bench.change(driver, "activate"), "it does not come back by itself"


def test_a_stop_that_is_not_confirmed_ends_in_silence_and_an_unconfigured_node(bench, driver, bus):
    assert bench.change(driver, "configure", "activate"), driver.log
    cable = bus.inject(Fault(kind="unplugged"))

    assert not bench.change(driver, "deactivate")
    assert bench.state(driver) == "unconfigured"
    assert "deactivate: port_lost" in driver.log
    watched = [bus.servo(motor_id) for motor_id in SPEC.motor_ids]
    bench.wait_for(lambda: all(servo.watchdog_tripped for servo in watched), "the watchdogs")

    bus.withdraw(cable)
    assert bench.change(driver, "configure", "activate"), "the cable is back: " + driver.log


def test_a_cable_that_comes_loose_leaves_an_unconfigured_node_by_itself(bench, driver, bus):
    events = Events(bench)
    assert bench.change(driver, "configure", "activate"), driver.log
    bus.inject(Fault(kind="unplugged"))

    bench.wait_for(lambda: bench.state(driver) == "unconfigured", "the node to give up")
    assert "silent_bus" in driver.log
    bench.wait_for(lambda: "silent" in [event.rung for event in events.heard], "its last word")
    assert all(bus.servo(motor_id).watchdog_tripped for motor_id in SPEC.motor_ids)


@pytest.mark.parametrize("transition", ["cleanup", "shutdown"])
def test_letting_go_of_a_port_that_is_gone_is_no_error(bench, driver, bus, transition):
    assert bench.change(driver, "configure"), driver.log
    bus.inject(Fault(kind="unplugged"))
    assert bench.change(driver, transition), driver.log
    assert driver.stop() == 0


def test_shutting_down_with_the_cable_out_is_an_error_and_the_end(bench, driver, bus):
    assert bench.change(driver, "configure", "activate"), driver.log
    bus.inject(Fault(kind="unplugged"))
    assert not bench.change(driver, "shutdown")
    assert bench.state(driver) == "finalized"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_switches_torque_off_before_the_end(bench, driver, bus, number):
    assert bench.change(driver, "configure", "activate"), driver.log
    assert driver.stop(number) == 0
    assert not any(torque(bus))
    assert not any(bus.servo(motor_id).watchdog_tripped for motor_id in SPEC.motor_ids)


def test_a_signal_does_not_wait_until_the_hand_is_placed(bench, driver, bus):
    readings = bench.listen(HAND_READING)
    assert bench.change(driver, "configure", "activate"), driver.log
    start_rad = float(readings[-1].object_position_rad)
    place = bench.node.create_client(PLACE_HAND.type, PLACE_HAND.name)
    bench.wait_for(place.service_is_ready, "somebody who places the hand")
    goal = {"joint_rad": HOME.tolist(), "moves_object": True, "object_rad": start_rad + 1.0}
    count = len(readings)
    place.call_async(PLACE_HAND.type.Request(**goal))
    bench.wait_for(
        lambda: any(r.applied_answers_ns for r in readings[count:]), "the hand to begin to move"
    )

    assert driver.stop() == 0
    assert not any(torque(bus))
    assert abs(float(readings[-1].object_position_rad) - start_rad) < 0.1, "it was not turned yet"


def test_services_say_why_not(bench, driver, bus):
    place = {"joint_rad": HOME.tolist(), "moves_object": True, "object_rad": 0.2}
    for service, fields in ((HOLD, {}), (RECOVER_SERVOS, {}), (PLACE_HAND, place)):
        answer = bench.call(service, **fields)
        assert not answer.success
        assert answer.message
    assert bench.change(driver, "configure"), driver.log
    answer = bench.call(PLACE_HAND, **place)
    assert "not_active" in answer.message
    answer = bench.call(RECOVER_SERVOS, names=["thumb"])
    assert "thumb" in answer.message
    assert bench.change(driver, "activate"), driver.log
    answer = bench.call(RECOVER_SERVOS, names=["finger1_top"])
    assert "active" in answer.message
    assert bench.state(driver) == "active"
    assert bench.call(HOLD).success


def test_the_first_days_dry_run_is_rehearsed_on_an_emulated_port(bench, bus, driver, tmp_path):
    """With `robot:=serial`, as docs/first_day.md has it; in a namespace beside the other driver."""
    robot_config, _ = patient_robot(tmp_path)
    given = {"port": bus.port, "unit": "emulated", "robot_config": robot_config}
    rehearsed = bench.start("driver", "/dry", **EMULATED | {"robot": "serial"} | given)
    states = bench.listen(JOINT_STATES, "/dry")
    assert bench.change(rehearsed, "configure"), rehearsed.log
    state = bench.wait_for(lambda: states and states[-1], "the joints' states")
    assert np.isnan(state.effort[-1]), "the valve's is not measured, as docs/ros.md says"
    assert bench.change(rehearsed, "cleanup"), rehearsed.log
    assert rehearsed.stop() == 0


HOME_RAD = HOME.tolist()


def test_what_no_hand_could_do_is_told_and_torque_stays_as_it_was(bench, driver, bus):
    assert bench.change(driver, "configure", "activate"), driver.log
    goal = {"joint_rad": HOME_RAD, "moves_object": True, "object_rad": 0.2}
    for changed, told in (
        ({"object_rad": float("nan")}, "object_rad: found nan, expected a finite number"),
        ({"object_rad": float("inf")}, "object_rad: found inf, expected a finite number"),
        ({"object_rad": -1e300}, "object_rad: found -1e+300"),
        ({"joint_rad": [float("nan"), *HOME_RAD[1:]]}, "joint_rad: found [nan,"),
        ({"joint_rad": []}, "joint_rad: found [], expected 9 finite numbers"),
        ({"joint_rad": [*HOME_RAD, 0.0]}, "joint_rad: found ["),
        ({"joint_rad": [9.0] * 9}, "rad"),
    ):
        answer = bench.call(PLACE_HAND, **goal | changed)
        assert not answer.success
        assert told in answer.message
    assert all(torque(bus)), driver.log
    assert bench.state(driver) == "active"
    assert driver.process.poll() is None


def test_a_request_that_rclpy_itself_cannot_read_ends_nobody(bench, driver, bus):
    assert bench.change(driver, "configure", "activate"), driver.log
    value = ParameterValue(type=200)  # no type of a parameter
    request = SetParameters.Request(parameters=[Parameter(name="port", value=value)])
    bench.ask(SetParameters, "driver/set_parameters", request)
    unknown = ChangeState.Request()
    unknown.transition.id = 200
    assert not bench.ask(ChangeState, "driver/change_state", unknown).success
    assert all(torque(bus)), driver.log
    assert bench.state(driver) == "active"
