"""What the camera of one task's world sees, from its positions alone."""

from __future__ import annotations

import mujoco

from sim2real.contract.camera import CameraSpec, Pixels
from sim2real.hardware.scenery import Scenery
from sim2real.hardware.simulated_camera import SimulatedCamera
from training.worlds.scene import Array


class View:
    """A camera over one compiled model, and room to work out where things are."""

    def __init__(self, mj_model: mujoco.MjModel, camera: CameraSpec) -> None:
        """Raises `BadInput` for a model that lacks the camera."""
        self._camera = SimulatedCamera(mj_model, camera)
        self._scenery = Scenery.of(mj_model)
        self._mj_model, self._mj_data = mj_model, mujoco.MjData(mj_model)
        self.home: Array = mj_model.qpos0.copy()
        """(nq,) positions as the model file has them"""

    def frame(self, qpos: Array) -> Pixels:
        """(H, W, C) of positions (nq,)."""
        self._mj_data.qpos[:] = qpos
        mujoco.mj_kinematics(self._mj_model, self._mj_data)
        mujoco.mj_camlight(self._mj_model, self._mj_data)
        return self._camera.render(self._mj_data, self._scenery)
