"""The emulated hand's camera: when its frames come, what they show, what faults do to them."""

from __future__ import annotations

import time
from pathlib import Path

import mujoco
import numpy as np
import pytest

from sim2real.contract.camera import load_cameras
from sim2real.contract.errors import BadInput
from sim2real.contract.robot_spec import load_robot_spec
from sim2real.emulator.bus_server import EmulatedBus
from sim2real.emulator.camera import EmulatedCamera
from sim2real.emulator.camera_faults import KINDS
from sim2real.emulator.faults import Fault, FaultPlan
from sim2real.evaluation.hands import lock_step_hand
from sim2real.hardware.file_camera import FileCamera
from sim2real.hardware.physics_model import load_physics_model
from sim2real.hardware.simulated_camera import SimulatedCamera

SPEC = load_robot_spec()
PALM = load_cameras(SPEC)["palm"]
PERIOD_NS = round(PALM.period_s * 1e9)


@pytest.fixture(scope="module")
def model():
    return load_physics_model(SPEC)


class Film:
    """A camera on a hand whose valve turns all the time, frame by frame."""

    def __init__(self, model, *faults: Fault, seed: int = 0) -> None:
        self.camera = EmulatedCamera(model, PALM, FaultPlan(seed=seed, faults=faults))
        self.valve = model.joint(SPEC.turned_object).qposadr[0]
        self.qpos, self.number = model.qpos0.copy(), 0

    def shoot(self):
        """Frames that have arrived before the next is taken."""
        now_s = self.number * PALM.period_s
        self.qpos[self.valve] = 0.2 * self.number
        self.camera.take(self.qpos, self.number * PERIOD_NS, now_s)
        self.number += 1
        return self.camera.receive(now_s)

    def run(self, count: int):
        return [frame for _ in range(count) for frame in self.shoot()]


@pytest.fixture(scope="module")
def undamaged(model):
    return Film(model).run(10)


def test_a_frame_shows_where_the_joints_are(model, undamaged):
    data = mujoco.MjData(model)
    film = Film(model)
    for frame in undamaged:
        data.qpos[film.valve] = 0.2 * frame.sequence
        mujoco.mj_forward(model, data)
        np.testing.assert_array_equal(frame.pixels, SimulatedCamera(model, PALM).render(data))
    assert [frame.sequence for frame in undamaged] == list(range(10))
    assert [frame.stamp_ns for frame in undamaged] == [PERIOD_NS * n for n in range(10)]


def test_every_kind_of_fault_changes_what_arrives(model, undamaged):
    plain = [(frame.stamp_ns, frame.pixels.tobytes()) for frame in undamaged]
    for kind in KINDS:
        frames = Film(model, Fault(kind=kind)).run(10)
        assert [(frame.stamp_ns, frame.pixels.tobytes()) for frame in frames] != plain, kind


def test_fr10_dropped_frames_leave_gaps_in_the_numbers(model):
    frames = Film(model, Fault(kind="camera_dropped", probability=0.5), seed=1).run(40)
    again = Film(model, Fault(kind="camera_dropped", probability=0.5), seed=1).run(40)

    numbers = [frame.sequence for frame in frames]
    assert 10 <= len(numbers) <= 30
    assert numbers == sorted(set(numbers))
    assert numbers == [frame.sequence for frame in again]


def test_fr9_late_frames_bear_the_time_at_which_they_were_taken(model):
    film = Film(model, Fault(kind="camera_late", value=2 * PALM.period_s))

    assert [frame.sequence for frame in film.run(2)] == []
    assert [frame.stamp_ns for frame in film.run(3)] == [0, PERIOD_NS, 2 * PERIOD_NS]


def test_a_frozen_picture_looks_new_and_a_repeated_frame_does_not(model, undamaged):
    frozen = Film(model, Fault(kind="camera_frozen", start_s=2.5 * PALM.period_s)).run(6)
    assert [frame.sequence for frame in frozen] == list(range(6))
    assert [frame.pixels.tobytes() for frame in frozen[3:]] == [undamaged[3].pixels.tobytes()] * 3

    repeated = Film(model, Fault(kind="camera_repeated", packets=2)).run(4)
    assert [frame.sequence for frame in repeated] == [0, 0, 2, 3]


def test_a_part_of_the_lens_is_hidden_and_the_rest_is_not(model, undamaged):
    frame = Film(model, Fault(kind="camera_occluded", value=0.25)).run(1)[0]
    hidden = PALM.width // 4

    assert (frame.pixels[:, :hidden] == frame.pixels[0, 0]).all()
    np.testing.assert_array_equal(frame.pixels[:, hidden:], undamaged[0].pixels[:, hidden:])


@pytest.mark.parametrize("factor", [0.4, 1.5])
def test_light_changes_every_pixel_in_proportion(model, undamaged, factor):
    frame = Film(model, Fault(kind="camera_light", value=factor)).run(1)[0]

    expected = np.clip(factor * undamaged[0].pixels.astype(float), 0, 255)
    assert np.abs(frame.pixels - expected).max() <= 0.5


# ---- on a hand ---------------------------------------------------------------------------------


def test_in_lock_step_frames_come_at_the_cameras_period():
    hand, line = lock_step_hand(SPEC, 50.0, camera=PALM)
    camera = hand.camera
    stamps = {}
    while line.now < 1.0:
        line.advance_to(line.now + 0.007)
        frame = camera.latest()
        assert 0.0 <= line.now - frame.stamp_ns * 1e-9 <= PALM.period_s + 0.01
        stamps[frame.sequence] = frame.stamp_ns

    assert list(stamps) == list(range(len(stamps)))
    assert len(stamps) in (20, 21)


def test_a_camera_in_real_time_keeps_its_period_beside_the_bus():
    with EmulatedBus(SPEC, cameras=[PALM]) as bus:
        camera, stamps, ages = FileCamera(Path(bus.port), PALM), {}, []
        end = time.monotonic() + 2.0
        while time.monotonic() < end:
            frame = camera.latest()
            if frame.sequence not in stamps:
                ages.append(frame.age_s(time.monotonic_ns()))
            stamps[frame.sequence] = frame.stamp_ns
            time.sleep(0.002)
        bus.check()

    intervals = np.diff(list(stamps.values())) * 1e-9
    # A busy machine leaves some out, and never makes any up.
    assert PALM.period_s - 0.01 < np.median(intervals) < 3 * PALM.period_s
    assert min(ages) >= 0.0


def test_a_camera_sees_what_is_behind_the_bus():
    with EmulatedBus(SPEC, cameras=[PALM]) as bus:
        camera = FileCamera(Path(bus.port), PALM)
        before = camera.latest()
        with bus.frozen() as line:
            line.plant.data.qpos[line.plant.model.joint(SPEC.turned_object).qposadr[0]] = 2.0
        _until(lambda: camera.latest().sequence > before.sequence + 2)
        after = camera.latest()

    assert (before.pixels != after.pixels).mean() > 0.02


def test_faults_reach_a_camera_in_real_time():
    with EmulatedBus(SPEC, cameras=[PALM]) as bus:
        camera = FileCamera(Path(bus.port), PALM)
        bus.inject(Fault(kind="camera_dropped"))
        time.sleep(3 * PALM.period_s)
        silent = camera.latest().sequence
        time.sleep(3 * PALM.period_s)
        assert camera.latest().sequence == silent


def test_a_camera_that_ends_is_a_failure_of_the_bus():
    with pytest.raises(RuntimeError, match="palm"), EmulatedBus(SPEC, cameras=[PALM]) as bus:
        bus._cameras[0]._process.kill()
        _until(lambda: bus.has_failed)
        bus.check()


def test_a_fault_of_a_camera_that_is_not_there_is_refused():
    with pytest.raises(BadInput, match="no camera is emulated"):
        EmulatedBus(SPEC, faults=[Fault(kind="camera_dropped")])
    with EmulatedBus(SPEC) as bus, pytest.raises(BadInput, match="no camera is emulated"):
        bus.inject(Fault(kind="camera_light"))


def _until(holds, seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)
