"""`--backend`: which engine simulates the worlds of a family."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from typing import Literal, get_args

from sim2real.contract.errors import BadInput
from sim2real.contract.require import WHERE
from training.families.claw import ClawFamily
from training.families.locomotion_family import LocomotionFamily
from training.tasks.task import TaskFamily
from training.worlds.physics import MakePhysics, Physics, PhysicsOf

Backend = Literal["mujoco", "warp"]
"""MuJoCo on threads of the processor, or MuJoCo Warp on the device that a run has"""
BACKENDS: tuple[str, ...] = get_args(Backend)
PARTS_FROM_MUJOCO = ("ant_dir", "ant_goal")
"""families that MuJoCo Warp 4.0.0 moves otherwise from their first contact on: a millimetre in one
step (docs/gpu.md); the cause was not found"""


def simulated_by(family: TaskFamily, backend: str, device: str = "cpu") -> TaskFamily:
    """The family with its worlds on that engine; of MuJoCo Warp on `device` (cpu, cuda, cuda:N).

    Raises `BadInput` for an engine that is unknown or not installed, and for a family whose worlds
    it cannot simulate.
    """
    if backend not in BACKENDS:
        expected = f"one of {', '.join(BACKENDS)}"
        raise BadInput(WHERE, "--backend", found=backend, expected=expected)
    if backend == "mujoco":
        return family
    if find_spec("mujoco_warp") is None or find_spec("warp") is None:
        raise BadInput(
            WHERE,
            "--backend",
            found="warp, which is not installed",
            expected="mujoco",
            remedy="pip install 'taskbelief[warp]'",
        )
    if not isinstance(family, ClawFamily | LocomotionFamily):
        raise _refused(family, "a family of MuJoCo worlds")
    scene = family.scene if isinstance(family, ClawFamily) else family.make_scene()
    if scene.camera is not None:
        raise _refused(family, "a family that is not seen: frames are drawn on the processor")
    if family.name in PARTS_FROM_MUJOCO:
        raise _refused(family, "a family that moves there as in MuJoCo: this one's contacts differ")
    engine = _warp_on(device)
    try:
        engine(PhysicsOf(scene.mj_model, 1, scene.fields, 1)).close()
    except (NotImplementedError, ValueError) as error:  # of MuJoCo Warp, about the model
        raise _refused(family, f"a model that MuJoCo Warp takes: {error}") from None
    return replace(family, engine=engine)


def _warp_on(device: str) -> MakePhysics:
    """MuJoCo Warp, which is loaded here and nowhere before."""
    import warp

    warp.config.log_level = warp.LOG_WARNING  # not a line for each kernel that is loaded
    from training.worlds.warp_physics import WarpPhysics

    def engine(of: PhysicsOf) -> Physics:
        return WarpPhysics(of, device=device)

    return engine


def _refused(family: TaskFamily, expected: str) -> BadInput:
    remedy = "--backend mujoco simulates it"
    return BadInput(WHERE, "--backend warp", found=family.name, expected=expected, remedy=remedy)
