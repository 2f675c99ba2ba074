"""A policy that sees, on every hand that can be run in one process: with good frames and bad."""

from __future__ import annotations

from dataclasses import replace

import mujoco
import numpy as np
import pytest

from sim2real.contract.camera import Frame
from sim2real.contract.robot_spec import load_robot_spec
from sim2real.emulator.faults import Fault
from sim2real.evaluation.direct import open_direct
from sim2real.evaluation.hands import emulated_hand, lock_step_hand, simulated_hand
from sim2real.evaluation.recorder import RecordingPlace
from sim2real.evaluation.session import EpisodeFault
from sim2real.hardware.simulated_camera import SimulatedCamera
from sim2real.recording.episodes import episodes
from sim2real.recording.reader import read_recording
from sim2real.recording.replay import replay
from sim2real.runtime.evidence import OF_FRAMES, Rejection
from sim2real.runtime.policy_runner import TrialLabels
from sim2real.runtime.verify import load_bundle
from tests.evaluation.fakes import header
from training.benches.bench_tasks import bench_task
from training.families.registry import FAMILIES
from training.tasks.task_set import draw_task_set

SPEC = load_robot_spec()
FAMILY = FAMILIES["valve_turn"]
RATE_HZ = 50.0


@pytest.fixture(scope="module")
def bundle(seeing_bundle):
    return load_bundle(seeing_bundle, SPEC)


@pytest.fixture(scope="module")
def task():
    drawn = draw_task_set(FAMILY, seed=3, num_train=1, num_test=1).test[0]
    return bench_task(FAMILY.scene, drawn, row=0)


def labels(task, robot: str) -> TrialLabels:
    return TrialLabels(robot=robot, task=task.name, condition="adapted", trial=0)


def begin(session, task, robot: str) -> None:
    session.begin_trial(seed=7, labels=labels(task, robot))


@pytest.fixture
def simulated(bundle, task, tmp_path):
    """Two episodes on the simulated hand, recorded: the recording's path and the outcomes."""
    place = RecordingPlace(folder=tmp_path, header=header([task], num_episodes=2))
    camera, period_s = bundle.manifest.camera, bundle.manifest.control_period_s
    with (
        simulated_hand(SPEC, task, period_s, camera) as hand,
        open_direct(hand, bundle, SPEC, place) as session,
    ):
        begin(session, task, "simulated")
        outcomes = [session.run_episode(task.plan(seed)) for seed in (1, 2)]
        name = session.recording
    return tmp_path / name, outcomes


def test_every_transition_of_a_simulated_hand_is_seen_and_is_evidence(bundle, simulated):
    _, outcomes = simulated

    assert [outcome.outcome for outcome in outcomes] == ["completed", "completed"]
    assert outcomes[-1].num_transitions == 2 * bundle.manifest.episode_length


def test_a_recording_holds_what_was_seen_and_replays_to_the_bit(bundle, simulated, task):
    path, _ = simulated
    recording = read_recording(path)
    found = list(episodes(recording))

    for episode in found:
        assert list(episode.frames) == episode.steps["reading_ns"].tolist()
    for item in replay(recording, bundle, SPEC):
        assert max(item.differences().values()) == 0.0, item.differences()

    model = task.make_model()
    data, camera = mujoco.MjData(model), SimulatedCamera(model, bundle.manifest.camera)
    place = model.joint(SPEC.turned_object).qposadr[0]
    first = found[0]
    reading = first.readings[0]
    for name, angle in zip(SPEC.joint_names, reading.position_rad, strict=True):
        data.qpos[model.joint(name).qposadr[0]] = angle
    data.qpos[place] = reading.object_position_rad
    mujoco.mj_forward(model, data)
    seen = first.frames[reading.stamp_ns].pixels
    # The reading is in encoder steps, the picture is not.
    assert (np.abs(seen.astype(int) - camera.render(data)) <= 3).mean() > 0.97
    assert np.unique(seen).size > 20


def test_one_pixel_in_a_recording_makes_another_replay(bundle, simulated):
    path, _ = simulated
    recording = read_recording(path)
    first = next(iter(replay(recording, bundle, SPEC)))
    stamp_ns, frame = list(first.episode.frames.items())[3]
    pixels = frame.pixels.copy()
    pixels[10:20, 10:20] ^= 0xFF

    first.episode.frames[stamp_ns] = replace(frame, pixels=pixels)  # type: ignore[index]
    from sim2real.recording.replay import _Policy

    again = _Policy(bundle, SPEC).run(first.episode, None)
    assert again.differences()["observation"] > 1e-6


def test_recorded_frames_take_less_than_their_pixels(bundle, simulated):
    """They are kept as they are; the chunks of the file are compressed."""
    path, _ = simulated
    recording = read_recording(path)
    pixels = sum(
        message.data.nbytes if hasattr(message.data, "nbytes") else len(message.data)
        for _, _, message in recording.messages("policy_frame")
    )

    assert pixels == recording.counts["policy_frame"] * np.prod(bundle.manifest.camera.shape)
    assert path.stat().st_size < pixels


# ---- an emulated hand --------------------------------------------------------------------------


STEPS_BEFORE = 8
"""of an episode, until something goes wrong"""


def run_in_lock_step(bundle, task, *faults: Fault):
    """One episode with faults in it: what came of it, the readings rejected by cause, and the
    transitions that became evidence."""
    hand, _ = lock_step_hand(SPEC, RATE_HZ, camera=bundle.manifest.camera)

    def on_step(step) -> None:
        if step.tick.number == STEPS_BEFORE:
            for fault in faults:
                hand.camera.inject(fault)

    with open_direct(hand, bundle, SPEC, on_step=on_step) as session:
        begin(session, task, "emulated")
        try:
            outcome = session.run_episode(task.plan(1))
        except EpisodeFault as fault:
            outcome = fault.outcome
        rejections = session.runner.controller.rejections
        accepted = session.runner.controller.num_accepted
    return outcome, {cause: count for cause, count in rejections.items() if count}, accepted


def test_an_emulated_hand_is_seen_through_its_camera(bundle, task):
    outcome, rejections, accepted = run_in_lock_step(bundle, task)

    assert outcome.outcome == "completed"
    assert accepted == bundle.manifest.episode_length
    assert set(rejections) == {Rejection.EPISODE_BOUNDARY}


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind="camera_dropped"),
        Fault(kind="camera_repeated"),
        Fault(kind="camera_late", value=0.3),
    ],
    ids=lambda fault: fault.kind,
)
def test_a_hand_whose_policy_is_blind_stops_and_says_why(bundle, task, fault):
    outcome, rejections, _ = run_in_lock_step(bundle, task, fault)

    assert outcome.outcome == "fault"
    assert "camera palm: no usable frame for" in outcome.reason
    assert STEPS_BEFORE < outcome.num_steps <= STEPS_BEFORE + 3
    assert sum(rejections[cause] for cause in OF_FRAMES & rejections.keys()) >= 2


@pytest.mark.parametrize("kind", ["camera_dropped", "camera_late"])
def test_a_frame_now_and_then_may_be_missing(bundle, task, kind):
    faults = [Fault(kind=kind, start_s=start_s, packets=1) for start_s in (0.0, 0.7)]

    outcome, _, accepted = run_in_lock_step(bundle, task, *faults)

    assert outcome.outcome == "completed"
    assert accepted >= bundle.manifest.episode_length - 4


@pytest.mark.parametrize("kind", ["camera_light", "camera_occluded"])
def test_what_a_frame_shows_is_the_policys_affair(bundle, task, kind):
    plain, _, _ = run_in_lock_step(bundle, task)
    outcome, rejections, accepted = run_in_lock_step(bundle, task, Fault(kind=kind))

    assert outcome.outcome == "completed"
    assert accepted == bundle.manifest.episode_length
    assert set(rejections) == {Rejection.EPISODE_BOUNDARY}
    assert outcome.kl_from_prior != plain.kl_from_prior  # it saw something else


def test_a_hand_without_a_camera_moves_no_policy_that_sees(bundle, task):
    hand, _ = lock_step_hand(SPEC, RATE_HZ)
    with open_direct(hand, bundle, SPEC) as session:
        begin(session, task, "emulated")
        with pytest.raises(EpisodeFault, match="frame_missing") as fault:
            session.run_episode(task.plan(1))
    assert fault.value.outcome.num_steps == 0


class _FromTheFuture:
    """A camera whose clock is ahead."""

    def __init__(self, camera, ahead_ns: int) -> None:
        self._camera, self._ahead_ns = camera, ahead_ns

    def latest(self) -> Frame:
        frame = self._camera.latest()
        return replace(frame, stamp_ns=frame.stamp_ns + self._ahead_ns)


def test_frames_from_the_future_are_not_acted_on(bundle, task):
    hand, _ = lock_step_hand(SPEC, RATE_HZ, camera=bundle.manifest.camera)
    ahead = replace(hand, camera=_FromTheFuture(hand.camera, 10**9))
    with open_direct(ahead, bundle, SPEC) as session:
        begin(session, task, "emulated")
        with pytest.raises(EpisodeFault, match="frame_ahead"):
            session.run_episode(task.plan(1))


def test_an_emulated_hand_in_real_time_is_seen_without_a_missed_step(bundle, task, tmp_path):
    place = RecordingPlace(folder=tmp_path, header=header([task], num_episodes=1))
    camera = bundle.manifest.camera
    with (
        emulated_hand(SPEC, replace(task, reference=""), RATE_HZ, camera=camera) as hand,
        open_direct(hand, bundle, SPEC, place) as session,
    ):
        begin(session, task, "emulated")
        outcome = session.run_episode(task.plan(1))
        name, rejections = session.recording, session.runner.controller.rejections

    assert outcome.outcome == "completed"
    assert outcome.num_transitions >= 0.9 * bundle.manifest.episode_length, rejections
    for item in replay(read_recording(tmp_path / name), bundle, SPEC):
        assert max(item.differences().values()) == 0.0, item.differences()
        stamps = [frame.stamp_ns for frame in item.episode.frames.values()]
        ages = np.array(list(item.episode.frames)) - stamps
        assert np.median(ages) * 1e-9 < camera.period_s + 0.02
