"""The whole graph: episodes over two processes and in one, two robots, clocks, and late comers."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest
from rosgraph_msgs.msg import Clock

from sim2real.contract.robot_spec import load_robot_spec
from sim2real.recording.reader import read_recording
from sim2real.recording.replay import replay
from sim2real.runtime.bundle import read_bundle
from taskbelief_hardware.interfaces import (
    CONTROL_TICK,
    HAND_READING,
    JOINT_TARGETS,
    ROBOT_DESCRIPTION,
)
from taskbelief_policy.interfaces import BELIEF, BUNDLE_INFO, DIRECT, EPISODE_START, TRIAL_RESULT
from tests.ros.graph import EMULATED, emulated_hand, patient_robot, targets

pytestmark = pytest.mark.realtime

RECORDED = (*DIRECT.publishes, JOINT_TARGETS)


@pytest.fixture
def patient(tmp_path):
    """Parameters of a robot that forgives delays, with the bundle made for it."""
    robot_config, bundle = patient_robot(tmp_path)
    return {"robot_config": robot_config, "bundle": bundle}


def require_equal_replay(path: Path, patient, num_episodes: int) -> None:
    """What the policy computed is what a fresh one computes from the recorded readings."""
    recording = read_recording(path)
    spec = load_robot_spec(patient["robot_config"])
    replayed = list(replay(recording, read_bundle(patient["bundle"]), spec))
    assert len(replayed) == num_episodes
    for item in replayed:
        assert max(item.differences().values()) == 0.0, item.differences()
        assert item.outcome.total_reward == item.episode.result.total_reward


def require_standing_by(bench) -> None:
    """After an episode the hand holds, and misses no command."""
    ticks = bench.listen(CONTROL_TICK)
    held = lambda: [tick for tick in ticks if tick.rung == "hold"]  # noqa: E731
    assert bench.wait_for(held, "the hand to hold")[-1].cause == "no_command"


@pytest.mark.slow
def test_episodes_over_two_processes_and_an_emulated_bus(bench, patient, tmp_path):
    with emulated_hand() as port:
        driver, policy = bench.graph(port=port, **EMULATED | patient)
        with bench.recording(tmp_path / "one.mcap", RECORDED) as counts:
            assert bench.place(valve_rad=0.2).object_rad == pytest.approx(0.2, abs=0.1)
            bench.begin_trial(robot="emulated")
            results = [bench.run_episode() for _ in range(2)]
            bench.wait_for(lambda: counts["trial_result"] == 2, "the results to be recorded")
        outcomes = [(result.outcome, result.reason) for result in results]
        assert outcomes == [("completed", "")] * 2, (policy.log, driver.log)
        assert results[1].num_transitions > results[0].num_transitions > 0
        require_standing_by(bench)
        require_equal_replay(tmp_path / "one.mcap", patient, 2)
        assert policy.stop() == 0
        assert driver.stop() == 0


@pytest.mark.slow
def test_episodes_in_one_process_with_readings_between_the_steps(bench, patient, tmp_path):
    node = bench.start("direct", robot="simulated", rate_hz=50.0, **patient)
    ticks = bench.listen(CONTROL_TICK)
    assert bench.change(node, "configure", "activate"), node.log
    with bench.recording(tmp_path / "one.mcap", RECORDED) as counts:
        bench.place()
        bench.begin_trial()
        results = [bench.run_episode() for _ in range(2)]
        bench.wait_for(lambda: counts["trial_result"] == 2, "the results to be recorded")
    outcomes = [(result.outcome, result.reason) for result in results]
    assert outcomes == [("completed", "")] * 2, node.log
    require_standing_by(bench)
    require_equal_replay(tmp_path / "one.mcap", patient, 2)
    answered = {tick.answers_ns for tick in ticks if tick.answers_ns}
    assert len(answered) == sum(result.num_steps for result in results)
    assert node.stop() == 0


def test_whoever_joins_late_is_told_what_is_loaded_believed_and_was_done(bench, patient):
    node = bench.start("direct", robot="simulated", rate_hz=20.0, **patient)
    assert bench.change(node, "configure", "activate"), node.log
    bench.begin_trial()
    result = bench.run_episode()

    for _ in range(2):  # and whoever comes back is told again
        heard = {
            topic.name: bench.listen(topic)
            for topic in (BELIEF, BUNDLE_INFO, EPISODE_START, TRIAL_RESULT, ROBOT_DESCRIPTION)
        }
        bench.wait_for(lambda: all(heard.values()), "all that is latched")  # noqa: B023
        belief, info = heard["belief"][0], heard["bundle_info"][0]
        assert belief.num_transitions == result.num_transitions
        assert belief.bundle_digest == info.digest
        assert '"adaptation"' in info.manifest_json
        assert heard["trial_result"][-1] == result


def test_two_robots_in_two_namespaces_do_not_hear_each_other(bench, patient):
    config = patient["robot_config"]
    names = ("/left", "/right")
    drivers = {
        name: bench.start("driver", name, robot="simulated", rate_hz=20.0, robot_config=config)
        for name in names
    }
    readings = {name: bench.listen(HAND_READING, name) for name in names}
    ticks = {name: bench.listen(CONTROL_TICK, name) for name in names}
    for node in drivers.values():
        assert bench.change(node, "configure", "activate"), node.log
    commands = bench.publisher(JOINT_TARGETS, "/left")
    since_ns = time.monotonic_ns()  # what answers a reading of before torque came on is void
    heard = readings.values()
    bench.wait_for(lambda: all(one and one[-1].reading_ns > since_ns for one in heard), "readings")
    bench.wait_for(lambda: all(len(ticks[name][-1].applied_rad) for name in names), "goals")
    held = {name: ticks[name][-1].applied_rad for name in names}

    reading = readings["/left"][-1]
    commands.publish(targets(reading, offset_rad=0.05))

    def is_answered(name: str) -> bool:
        return any(tick.answers_ns == reading.reading_ns for tick in ticks[name])

    bench.wait_for(lambda: is_answered("/left"), "the command to be followed")
    count = len(ticks["/right"])
    bench.wait_for(lambda: len(ticks["/right"]) > count + 3, "the other one to go on")
    assert not any(tick.answers_ns for tick in ticks["/right"])
    np.testing.assert_array_equal(ticks["/right"][-1].applied_rad, held["/right"])
    assert list(ticks["/left"][-1].applied_rad) != list(held["/left"])
    assert not drivers["/right"].log.count("ERROR")


def test_stamps_are_simulated_time_and_ages_are_not(bench, patient):
    node = bench.start(
        "driver",
        robot="simulated",
        rate_hz=20.0,
        robot_config=patient["robot_config"],
        use_sim_time=True,
    )
    clock = bench.node.create_publisher(Clock, "/clock", 1)
    readings = bench.listen(HAND_READING)
    assert bench.change(node, "configure"), node.log
    message = Clock()
    message.clock.sec = 1234

    def has_begun() -> bool:
        clock.publish(message)
        return bool(readings) and readings[-1].header.stamp.sec == 1234

    bench.wait_for(has_begun, "simulated time")
    first = readings[-1]
    count = len(readings)
    bench.wait_for(lambda: len(readings) > count + 2, "further readings")
    last = readings[-1]
    assert last.header.stamp == first.header.stamp, "nobody lets simulated time pass"
    assert last.reading_ns > first.reading_ns, "the hand's own time does"
    assert abs(last.reading_ns - time.monotonic_ns()) < 60e9


@pytest.mark.parametrize("scope", [None, "SUBNET"])
def test_a_node_listens_for_strangers_only_if_it_is_told_to(bench, monkeypatch, scope):
    """Discovery's multicast port (RTPS 2.5, 9.6.2.3) is open where other machines are welcome."""
    monkeypatch.delenv("ROS_AUTOMATIC_DISCOVERY_RANGE", raising=False)
    if scope is not None:
        monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", scope)
    node = bench.start("driver", robot="simulated")
    bench.state(node)

    discovery_port = 7400 + 250 * int(os.environ["ROS_DOMAIN_ID"])
    assert (discovery_port in udp_ports(node.process.pid)) == (scope is not None)


def udp_ports(pid: int) -> set[int]:
    """On which a process listens (proc(5): /proc/net/udp, by inode)."""
    links = [fd.readlink().name for fd in Path(f"/proc/{pid}/fd").iterdir() if fd.is_symlink()]
    sockets = {name[8:-1] for name in links if name.startswith("socket:")}
    rows = [line.split() for line in Path(f"/proc/{pid}/net/udp").read_text().splitlines()[1:]]
    return {int(row[1].split(":")[1], 16) for row in rows if row[9] in sockets}
