"""Two hands of different configuration on one machine, each with its bus and its namespace."""

from __future__ import annotations

import time
from contextlib import ExitStack

import numpy as np
import pytest

from sim2real.contract.robot_spec import DCLAW, load_robot_spec, robot_yaml
from taskbelief_hardware.interfaces import CONTROL_TICK, HAND_READING, JOINT_TARGETS, SAFETY_EVENT
from tests.own_hand.hands import DCLAW4
from tests.ros.graph import EMULATED, emulated_hand, made_for, patient, targets

pytestmark = pytest.mark.realtime


@pytest.mark.slow
def test_two_hands_of_different_configuration_do_not_disturb_each_other(bench, tmp_path):
    configs = {}
    for name, robot in (("/three", DCLAW), ("/four", robot_yaml(DCLAW4))):
        folder = tmp_path / name[1:]
        folder.mkdir()
        configs[name] = patient(robot, folder)
    specs = {name: load_robot_spec(path) for name, path in configs.items()}
    with ExitStack() as stack:
        drivers = {}
        for name, config in configs.items():
            port = stack.enter_context(emulated_hand(config))
            robot = {**EMULATED, "patience_s": 1.0, "port": port, "robot_config": config}
            drivers[name] = bench.start("driver", name, **robot)
        readings = {name: bench.listen(HAND_READING, name) for name in configs}
        ticks = {name: bench.listen(CONTROL_TICK, name) for name in configs}
        events = bench.listen(SAFETY_EVENT, "/four")
        for node in drivers.values():
            assert bench.change(node, "configure", "activate"), node.log
        since_ns = time.monotonic_ns()
        heard = readings.values()
        bench.wait_for(lambda: all(x and x[-1].reading_ns > since_ns for x in heard), "readings")
        bench.wait_for(lambda: all(len(ticks[name][-1].applied_rad) for name in configs), "goals")
        for name, spec in specs.items():
            assert tuple(readings[name][-1].names) == spec.joint_names
            assert readings[name][-1].header.frame_id == f"{spec.name}_base"
        held = ticks["/four"][-1].applied_rad

        reading = readings["/three"][-1]
        bench.publisher(JOINT_TARGETS, "/three").publish(targets(reading, offset_rad=0.05))
        # The other's command, with the other's joints: whoever it is not meant for refuses it.
        bench.publisher(JOINT_TARGETS, "/four").publish(targets(reading, offset_rad=0.05))

        answered = lambda: any(  # noqa: E731
            tick.answers_ns == reading.reading_ns for tick in ticks["/three"]
        )
        bench.wait_for(answered, "the command to be followed")
        count = len(ticks["/four"])
        bench.wait_for(lambda: len(ticks["/four"]) > count + 3, "the other one to go on")
        assert not any(tick.answers_ns for tick in ticks["/four"])
        np.testing.assert_array_equal(ticks["/four"][-1].applied_rad, held)
        assert "hold" not in {event.rung for event in events if event.cause != "no_command"}

        policy = bench.start(
            "policy",
            "/four",
            robot_config=configs["/four"],
            bundle=made_for(configs["/three"], tmp_path / "bundle"),
        )
        assert not bench.change(policy, "configure")
        assert "robot.name: found 'dclaw', expected dclaw4" in policy.log
        for node in drivers.values():
            assert node.stop() == 0, node.log
