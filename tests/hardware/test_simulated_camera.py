"""The simulated camera shows what is there, the same bytes each time, and how the place looks."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import mujoco
import numpy as np
import pytest

from sim2real.contract.camera import Pixels, load_cameras
from sim2real.contract.errors import BadInput
from sim2real.contract.robot_spec import load_robot_spec
from sim2real.hardware.physics_model import load_physics_model
from sim2real.hardware.scenery import SIZES, Scenery, write_scenery
from sim2real.hardware.simulated_camera import SimulatedCamera

SPEC = load_robot_spec()
PALM = load_cameras(SPEC)["palm"]
HOME = dict(zip(SPEC.joint_names, SPEC.joint_array("home_rad").tolist(), strict=True))
LIFTED = {name: angle - 1.0 if "middle" in name else angle for name, angle in HOME.items()}
"""fingers out of the picture"""


@pytest.fixture(scope="module")
def model() -> mujoco.MjModel:
    return load_physics_model(SPEC)


@pytest.fixture
def picture(model) -> Callable[..., Pixels]:
    camera = SimulatedCamera(model, PALM)

    def take(valve: float = 0.0, scenery: Scenery | None = None, **joints: float) -> Pixels:
        data = mujoco.MjData(model)
        for name, angle in {**LIFTED, **joints, "valve": valve}.items():
            data.joint(name).qpos[0] = angle
        mujoco.mj_kinematics(model, data)
        mujoco.mj_camlight(model, data)
        return camera.render(data, scenery)

    return take


def mark(pixels: Pixels) -> np.ndarray:
    """(x, y) of the white mark about the middle of the picture, in pixels; y up."""
    lobes = pixels[..., 2].astype(int) - pixels[..., 0] > 40
    white = pixels.min(-1) > 225
    near_lobe = sum(np.roll(lobes, s, a) for s in (-1, 1) for a in (0, 1)) > 0
    rows, columns = np.nonzero(white & near_lobe)
    assert rows.size, "no mark in sight"
    return np.array([columns.mean() - 15.5, 15.5 - rows.mean()])


def test_px4_equal_states_give_equal_bytes(picture, model):
    assert picture(0.4).tobytes() == picture(0.4).tobytes()
    data = mujoco.MjData(model)
    data.joint("valve").qpos[0] = 0.4
    mujoco.mj_kinematics(model, data)
    mujoco.mj_camlight(model, data)
    cameras = [SimulatedCamera(load_physics_model(SPEC), PALM) for _ in range(2)]
    assert cameras[0].render(data).tobytes() == cameras[1].render(data).tobytes()


def test_a_frame_has_the_cameras_shape_and_depth_of_colour(picture):
    pixels = picture()
    assert (pixels.shape, pixels.dtype) == (PALM.shape, np.uint8)
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 20


def test_pixels_are_square_in_a_wide_frame(model):
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    mujoco.mj_camlight(model, data)
    wide = SimulatedCamera(model, dataclasses.replace(PALM, width=48)).render(data)
    square = SimulatedCamera(model, PALM).render(data)
    np.testing.assert_array_equal(wide[:, 8:40], square)


@pytest.mark.parametrize("angle", [-2.5, -1.0, 0.0, 0.6, 1.6, 3.0])
def test_the_mark_turns_with_the_valve(picture, angle):
    x, y = mark(picture(angle))
    error = np.arctan2(y, x) - angle
    assert abs((error + np.pi) % (2 * np.pi) - np.pi) < 0.12


def test_a_finger_before_the_mark_hides_it(picture):
    def count(pixels: Pixels) -> int:
        return int((pixels.min(-1) > 225).sum())

    # Finger 3 stands at 180 degrees; bent inwards, it lies over a mark that points there.
    bare, hidden = picture(np.pi), picture(np.pi, finger3_middle=0.0, finger3_bottom=1.0)
    assert count(bare) >= 5
    assert count(hidden) == 0


def brightness(pixels: Pixels) -> float:
    return float(pixels.mean())


def test_more_light_is_brighter_and_less_is_darker(picture):
    dim, nominal, bright = (
        brightness(picture(scenery=Scenery(light_level=(level,)))) for level in (-0.5, 0.0, 0.3)
    )
    assert dim < nominal < bright
    assert dim / nominal == pytest.approx(np.exp(-0.5), rel=0.02)


def test_red_light_reddens_and_leaves_blue(picture):
    white, red = picture(), picture(scenery=Scenery(light_colour=(0.0, -0.3, 0.0)))
    np.testing.assert_array_equal(red[..., [0, 2]], white[..., [0, 2]])
    assert (red[..., 1] < white[..., 1]).all()


def test_light_from_the_right_shades_the_left_of_a_lobe(picture):
    def slope(shift: float) -> float:
        """Brightness of the right of the upright lobe less that of its left."""
        lobe = picture(np.pi / 2, Scenery(light_shift=(shift, 0.0)))[4:10, 12:20, 2]
        lobe = lobe.astype(float)
        return float(lobe[:, 5:7].mean() - lobe[:, 1:3].mean())

    assert slope(2.0) > slope(0.0) > slope(-2.0)


@pytest.mark.parametrize(
    "name, joints", [("object_colour", {}), ("hand_colour", HOME), ("surroundings_colour", {})]
)
def test_a_colour_changes_what_it_names_and_nothing_else(picture, name, joints):
    changed = np.any(
        picture(**joints) != picture(scenery=Scenery(**{name: (-0.1,) * 3}), **joints), axis=-1
    )
    blue = picture(**joints)
    is_object = blue[..., 2].astype(int) - blue[..., 0] > 40
    assert 0.02 < changed.mean() < 0.8
    if name == "object_colour":
        assert changed[is_object].all()
    else:
        assert not changed[is_object].any()


def test_a_camera_that_moves_right_sees_the_valve_further_left(picture):
    shifted = mark(picture(0.0, Scenery(camera_shift=(0.01, 0.0, 0.0))))
    raised = mark(picture(0.0, Scenery(camera_shift=(0.0, 0.01, 0.0))))
    turned = mark(picture(0.0, Scenery(camera_turn=(0.0, 0.0, 0.2))))
    nominal = mark(picture(0.0))
    assert shifted[0] < nominal[0] - 0.9
    assert raised[1] < nominal[1] - 0.9
    # The camera turns one way, so its picture turns the other.
    assert np.arctan2(turned[1], turned[0]) == pytest.approx(-0.2, abs=0.08)


@pytest.mark.parametrize("name", SIZES)
def test_the_models_own_scenery_is_what_is_rendered(picture, model, name):
    value = (0.1,) * SIZES[name]
    given = picture(0.3, Scenery(**{name: value}), **HOME)
    write_scenery(model, name, value)
    try:
        np.testing.assert_array_equal(picture(0.3, **HOME), given)
    finally:
        write_scenery(model, name, 0.0)
    assert (given != picture(0.3, **HOME)).any()


def test_a_camera_that_the_model_lacks_is_refused_by_name(model):
    with pytest.raises(BadInput, match=r"physics_camera of palm.*'wrist'.*front, top, palm"):
        SimulatedCamera(model, dataclasses.replace(PALM, physics_camera="wrist"))
