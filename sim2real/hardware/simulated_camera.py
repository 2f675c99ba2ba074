"""The simulated camera: one ray per pixel into the physics model, without any graphics library.

It needs neither a display nor a GPU, and equal states give equal bytes. Surfaces are matt: colour
of the material, times ambient light and one directional light. There are no shadows, textures or
reflections; what has to be seen here is where things are and what hides what.
"""

from __future__ import annotations

import mujoco
import numpy as np
from numpy.typing import NDArray

from sim2real.contract.camera import CAMERAS_YAML, CameraSpec, Pixels
from sim2real.contract.errors import BadInput
from sim2real.hardware.hand_in_model import HandInModel
from sim2real.hardware.scenery import Scenery, Triple

Float = NDArray[np.float64]

AMBIENT, DIFFUSE = 0.4, 0.6
"""shares of the light that come from everywhere, and from its direction"""
TO_LIGHT = np.array([0.35, -0.4, 1.0])
"""from a surface to the light, in the world; vertical part 1"""
SKY_RGB = np.array([0.85, 0.88, 0.92])
"""of a ray that meets nothing"""
_SHOWN_GROUPS = np.array([1, 1, 1, 0, 0, 0], np.uint8)
"""geoms that MuJoCo's own viewer shows at first; collision shapes usually lie in group 3"""
_HAND, _OBJECT, _SURROUNDINGS = range(3)


class SimulatedCamera:
    """A camera of one compiled model, or of its copies with other numbers in them."""

    def __init__(self, mj_model: mujoco.MjModel, camera: CameraSpec) -> None:
        """`mj_model` is from `load_physics_model`. Raises `BadInput` if it lacks the camera."""
        index = mujoco.mj_name2id(mj_model, mujoco.mjtObj.mjOBJ_CAMERA, camera.physics_camera)
        if index < 0:
            known = [mj_model.camera(number).name for number in range(mj_model.ncam)]
            raise BadInput(
                CAMERAS_YAML,
                f"physics_camera of {camera.name}",
                found=camera.physics_camera,
                expected=f"a camera of the physics model: {', '.join(known) or 'it has none'}",
            )
        self.camera = camera
        self._mj_model, self._index = mj_model, index
        self._directions = _directions(camera, float(mj_model.cam_fovy[index]))
        self._colours = _colours(mj_model)
        self._kinds = _kinds(mj_model)
        num_rays = len(self._directions)
        self._geoms = np.zeros(num_rays, np.int32)
        self._distances = np.zeros(num_rays)
        self._normals = np.zeros(3 * num_rays)

    def render(self, mj_data: mujoco.MjData, scenery: Scenery | None = None) -> Pixels:
        """(H, W, 3) uint8, top row first, of where the elements of `mj_data` are.

        What it reads is what `mj_kinematics` and `mj_camlight` compute, so after a bare `mj_step`
        it shows the state before that step. The scenery is the model's, unless given.
        """
        scenery = Scenery.of(self._mj_model) if scenery is None else scenery
        rotation = mj_data.cam_xmat[self._index].reshape(3, 3)
        origin = mj_data.cam_xpos[self._index] + rotation @ scenery.camera_shift
        rays = self._directions @ (rotation @ _rotation(scenery.camera_turn)).T
        mujoco.mj_multiRay(
            self._mj_model,
            mj_data,
            origin,
            rays.ravel(),
            _SHOWN_GROUPS,
            True,  # geoms of the world too
            -1,  # of all bodies
            self._geoms,
            self._distances,
            self._normals,
            len(rays),
            mujoco.mjMAXVAL,
        )
        colour = np.exp(scenery.light_level[0]) * (1.0 + np.array(scenery.light_colour))
        seen = (self._shaded(scenery) * colour).clip(0.0, 1.0)
        pixels: Pixels = np.round(255.0 * seen).astype(np.uint8)
        return pixels.reshape(self.camera.shape)

    def _shaded(self, scenery: Scenery) -> Float:
        """(H W, 3) what each ray meets, in white light."""
        tints = np.stack([scenery.hand_colour, scenery.object_colour, scenery.surroundings_colour])
        colours = np.append((self._colours + tints[self._kinds]).clip(0.0, 1.0), [SKY_RGB], axis=0)
        to_light = TO_LIGHT + np.array([*scenery.light_shift, 0.0])
        facing = self._normals.reshape(-1, 3) @ (to_light / np.linalg.norm(to_light))
        strength = AMBIENT + DIFFUSE * facing.clip(0.0)
        strength[self._geoms < 0] = 1.0  # the sky, last of the colours, which is -1 as an index
        seen: Float = colours[self._geoms] * strength[:, None]
        return seen


def _directions(camera: CameraSpec, fovy_degrees: float) -> Float:
    """(H W, 3) unit vectors in the camera's axes: x right, y up, looking along -z."""
    row, column = np.mgrid[: camera.height, : camera.width]
    scale = np.tan(np.radians(fovy_degrees) / 2.0) / (camera.height / 2.0)
    right = (column + 0.5 - camera.width / 2.0) * scale
    up = -(row + 0.5 - camera.height / 2.0) * scale
    rays = np.stack([right, up, -np.ones_like(right)], axis=-1).reshape(-1, 3)
    unit: Float = rays / np.linalg.norm(rays, axis=1, keepdims=True)
    return unit


def _colours(model: mujoco.MjModel) -> Float:
    """(G, 3) of the geoms: their material's, or else their own."""
    colours: Float = model.geom_rgba[:, :3].astype(np.float64)
    with_material = model.geom_matid >= 0
    colours[with_material] = model.mat_rgba[model.geom_matid[with_material], :3]
    return colours


def _kinds(model: mujoco.MjModel) -> NDArray[np.intp]:
    """(G,) whether a geom is the hand's, the object's or the surroundings'."""
    hand = HandInModel.of(model)
    kind_of_body = np.full(model.nbody, _SURROUNDINGS)
    for finger in hand.fingers:
        kind_of_body[model.joint(finger[0]).bodyid[0]] = _HAND
    kind_of_body[model.joint(hand.object).bodyid[0]] = _OBJECT
    for body in range(1, model.nbody):  # parents come first
        if kind_of_body[body] == _SURROUNDINGS:
            kind_of_body[body] = kind_of_body[model.body_parentid[body]]
    kinds: NDArray[np.intp] = kind_of_body[model.geom_bodyid]
    return kinds


def _rotation(vector: Triple) -> Float:
    """(3, 3) of a rotation vector."""
    axis, quaternion, matrix = np.array(vector), np.zeros(4), np.zeros(9)
    angle = mujoco.mju_normalize(axis)
    mujoco.mju_axisAngle2Quat(quaternion, axis, angle)
    mujoco.mju_quat2Mat(matrix, quaternion)
    return matrix.reshape(3, 3)
