"""A policy that sees, over DDS: images of the emulated hand's camera, and what becomes of them."""

from __future__ import annotations

import dataclasses
import itertools
import json
import time
from collections import Counter
from contextlib import contextmanager
from threading import Event, Thread

import numpy as np
import pytest
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, Image

from sim2real.contract.camera import Frame, camera_named
from sim2real.contract.robot_spec import DCLAW, load_robot_spec
from sim2real.hardware.file_camera import FRAMES, FrameOutbox
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
    palm = dataclasses.replace(palm, stale_after_s=3.0)
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
    assert len(set(stamps)) == len(stamps)
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


@contextmanager
def pictures(folder):
    """A hand's port with frames beside it, another picture each, twenty a second."""
    palm = camera_named(load_robot_spec(DCLAW), "palm")
    outbox, is_over, rng = (
        FrameOutbox(folder / f"palm{FRAMES}", palm),
        Event(),
        np.random.default_rng(0),
    )

    def deliver() -> None:
        for number in itertools.count():
            pixels = rng.integers(0, 256, palm.shape, np.uint8)
            outbox.put(Frame(stamp_ns=time.monotonic_ns(), sequence=number, pixels=pixels))
            if is_over.wait(palm.period_s):
                return

    thread = Thread(target=deliver)
    thread.start()
    try:
        yield str(folder / "port")
    finally:
        is_over.set()
        thread.join()


@pytest.mark.slow
@pytest.mark.parametrize("topology", ["two_processes", "one_process"])
def test_what_is_published_is_what_is_seen_and_recorded(bench, hand, tmp_path, topology):
    with pictures(tmp_path) as port:
        start_camera(bench, hand, port)
        if topology == "two_processes":
            bench.graph(**hand)
        else:
            node = bench.start("direct", robot="simulated", rate_hz=20.0, **hand)
            assert bench.change(node, "configure", "activate"), node.log
        images = {}
        bench.node.create_subscription(
            Image,
            "/palm/image_raw",
            lambda image: images.setdefault(bytes(image.data), image.header.stamp),
            qos_profile_sensor_data,
        )
        with bench.recording(tmp_path / "one.mcap", RECORDED) as counts:
            bench.place()
            # Pictures are sent once: those from before two nodes have found each other are lost.
            bench.wait_for(lambda: bool(images), "a first picture")
            bench.begin_trial()
            result = bench.run_episode()
            bench.wait_for(lambda: counts["trial_result"] == 1, "the result to be recorded")
    assert result.outcome == "completed", result.reason
    recording = read_recording(tmp_path / "one.mcap")
    (item,) = replay(recording, read_bundle(hand["bundle"]), load_robot_spec(hand["robot_config"]))
    assert max(item.differences().values()) == 0.0, item.differences()
    assert len(item.episode.frames) == result.num_steps + 1
    seen = [frame.pixels.tobytes() for frame in item.episode.frames.values()]
    assert len(set(seen)) == len(seen)
    assert sum(pixels in images for pixels in seen) > len(seen) // 2


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
