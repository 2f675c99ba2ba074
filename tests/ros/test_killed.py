"""Processes that are killed: whoever is left, down to the servos, stops the hand."""

from __future__ import annotations

import pytest

from sim2real.emulator.bus_server import EmulatedBus
from taskbelief_hardware.interfaces import CONTROL_TICK, DIAGNOSTICS, HAND_READING, SAFETY_EVENT
from taskbelief_policy.interfaces import POLICY_STEP, TRIAL_RESULT
from tests.ros.graph import EMULATED, SPEC, patient_robot

pytestmark = [pytest.mark.realtime, pytest.mark.slow]


@pytest.fixture
def patient(tmp_path):
    robot_config, bundle = patient_robot(tmp_path, limp_after_s=2.0)
    return {"robot_config": robot_config, "bundle": bundle}


def test_a_killed_policy_leaves_a_hand_that_holds_and_then_lets_go(bench, patient):
    events, ticks = bench.listen(SAFETY_EVENT), bench.listen(CONTROL_TICK)
    steps = bench.listen(POLICY_STEP)
    driver, policy = bench.graph(**patient)
    bench.begin_trial()
    bench.begin_episode()
    bench.wait_for(lambda: len(steps) > 5, "the episode to run")

    policy.kill()

    bench.wait_for(lambda: bench.state(driver) == "inactive", "the driver to step down")
    assert [event.rung for event in events[-4:]] == ["run", "hold", "limp", "torque_off"]
    assert {event.cause for event in events[-3:]} == {"late_command"}
    bench.wait_for(lambda: ticks[-1].rung == "torque_off", "the last tick")
    lifespan_ns = 2 * 0.1e9
    late = [t for t in ticks if t.answers_ns and t.written_ns - t.answers_ns > lifespan_ns]
    assert not late, "nothing is executed past its lifespan"

    again = bench.start("policy", **patient)
    assert bench.change(again, "configure", "activate"), again.log
    assert bench.change(driver, "activate"), driver.log
    bench.begin_trial()
    assert bench.run_episode().outcome == "completed", driver.log


def test_a_killed_driver_leaves_servos_that_stop_themselves(bench, patient):
    with EmulatedBus(SPEC) as bus:
        results = bench.listen(TRIAL_RESULT)
        readings, steps = bench.listen(HAND_READING), bench.listen(POLICY_STEP)
        driver, policy = bench.graph(port=bus.port, **EMULATED | patient)
        servos = [bus.servo(motor_id) for motor_id in SPEC.motor_ids]
        bench.begin_trial(robot="emulated")
        bench.begin_episode()
        bench.wait_for(lambda: readings and len(steps) > 3, "the episode to run")
        assert all(servo.torque_is_on and not servo.watchdog_tripped for servo in servos)

        driver.kill()

        bench.wait_for(lambda: all(servo.watchdog_tripped for servo in servos), "the watchdogs")
        result = bench.wait_for(lambda: results, "the policy to notice")[0]
        assert result.outcome == "fault"
        assert "no reading" in result.reason
        assert bench.state(policy) == "active"

        diagnostics = bench.listen(DIAGNOSTICS)
        again = bench.start("driver", port=bus.port, **EMULATED | patient_only_config(patient))
        assert bench.change(again, "configure"), again.log
        assert not any(servo.torque_is_on for servo in servos), "torque is off after connecting"
        assert bench.change(again, "activate"), again.log
        bench.wait_for(lambda: diagnostics, "diagnostics")
        assert bench.run_episode().outcome == "completed", again.log


def patient_only_config(patient) -> dict[str, object]:
    """A driver needs no bundle."""
    return {"robot_config": patient["robot_config"]}
