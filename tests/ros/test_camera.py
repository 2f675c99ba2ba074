"""A policy that sees, over DDS: images of the emulated hand's camera, and what becomes of them."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter

import numpy as np
import pytest
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, Image

from sim2real.contract.camera import camera_named
from sim2real.contract.robot_spec import DCLAW, load_robot_spec
from sim2real.recording.reader import read_recording
from sim2real.recording.replay import replay
from sim2real.runtime.bundle import read_bundle, write_bundle
from taskbelief_hardware.interfaces import JOINT_TARGETS
from taskbelief_policy.interfaces import BELIEF, DIRECT
from tests.ros.graph import EMULATED, emulated_hand, patient

pytestmark = pytest.mark.realtime

RECORDED = (*DIRECT.publishes, JOINT_TARGETS)


@pytest.fixture
def hand(tmp_path, seeing_bundle):
    """Parameters of a robot whose limits and whose camera forgive a busy machine its delays, with
    the bundle made for it."""
    robot_config = patient(DCLAW, tmp_path)
    palm = camera_named(load_robot_spec(robot_config), "palm")
    palm = dataclasses.replace(palm, stale_after_s=1.0)
    cameras = {"schema_version": 1, "cameras": [dataclasses.asdict(palm)]}
    (tmp_path / "cameras.yaml").write_text(json.dumps(cameras))
    bundle = read_bundle(seeing_bundle)
    fingerprint = load_robot_spec(robot_config).fingerprint
    robot = dataclasses.replace(bundle.manifest.robot, fingerprint=fingerprint)
    manifest = dataclasses.replace(bundle.manifest, robot=robot, camera=palm)
    write_bundle(tmp_path / "bundle", manifest, bundle.files)
    return {"robot_config": robot_config, "bundle": tmp_path / "bundle"}


def start_camera(bench, hand, port):
    given = {"camera": "palm", "source": "emulated", "at": port, "fovy_rad": 0.8}
    return bench.start("camera", "/palm", robot_config=hand["robot_config"], **given)


@pytest.mark.slow
def test_images_come_as_those_of_any_camera_driver(bench, hand):
    images, infos = [], []
    for kind, name, heard in ((Image, "image_raw", images), (CameraInfo, "camera_info", infos)):
        bench.node.create_subscription(kind, f"/palm/{name}", heard.append, qos_profile_sensor_data)
    with emulated_hand(hand["robot_config"], "palm") as port:
        node = start_camera(bench, hand, port)
        bench.wait_for(lambda: len(images) > 10 and len(infos) > 10, "images")

    image, info = images[-1], infos[-1]
    assert (image.encoding, image.height, image.width, image.step) == ("rgb8", 32, 32, 96)
    assert np.unique(np.frombuffer(bytes(image.data), np.uint8)).size > 20
    stamps = [item.header.stamp.sec * 10**9 + item.header.stamp.nanosec for item in images]
    assert stamps == sorted(set(stamps))
    assert np.median(np.diff(stamps)) * 1e-9 > 0.04  # a busy machine leaves some out
    assert info.k[0] == info.k[4] == pytest.approx(16 / np.tan(0.4))
    assert image.header.frame_id == info.header.frame_id == "palm_optical_frame"
    assert node.stop() == 0


@pytest.mark.slow
def test_episodes_are_seen_through_a_topic_and_replay_to_the_bit(bench, hand, tmp_path):
    with emulated_hand(hand["robot_config"], "palm") as port:
        camera = start_camera(bench, hand, port)
        driver, policy = bench.graph(port=port, **EMULATED | hand)
        with bench.recording(tmp_path / "one.mcap", RECORDED) as counts:
            bench.place(valve_rad=0.2)
            bench.begin_trial(robot="emulated")
            result = bench.run_episode()
            bench.wait_for(lambda: counts["trial_result"] == 1, "the result to be recorded")
        assert result.outcome == "completed", (result.reason, policy.log, driver.log)
        assert result.num_transitions > 0
        assert counts["policy_frame"] == counts["policy_step"]
        for node in (policy, driver, camera):
            assert node.stop() == 0
    recording = read_recording(tmp_path / "one.mcap")
    spec = load_robot_spec(hand["robot_config"])
    (item,) = replay(recording, read_bundle(hand["bundle"]), spec)
    assert max(item.differences().values()) == 0.0, item.differences()
    numbers = Counter(frame.sequence for frame in item.episode.frames.values())
    assert max(numbers.values()) == 1


@pytest.mark.slow
def test_without_images_a_policy_that_sees_does_nothing_and_says_why(bench, hand):
    bench.graph(**hand)
    beliefs = bench.listen(BELIEF)
    bench.place()
    bench.begin_trial()

    result = bench.run_episode()

    assert (result.outcome, result.num_steps) == ("fault", 0)
    assert "camera palm: no usable frame" in result.reason
    assert "frame_missing" in result.reason
    assert not beliefs
