"""What a control step of the claw costs, and what cheaper ones would do to the physics.

    python benchmarks/hand_step.py > docs/results/simulated_hand.jsonl

Every case is the claw's model with one thing changed. Their runs alternate in this process and are
counted in time of the core, so that other work on the machine meets all of them alike; the ratio
is the median over rounds. Beside the cost stand a joint's step response, how far the scripted gait
turns the valve, and how far random targets have led the states apart after six seconds.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import time
from collections.abc import Callable, Mapping

import mujoco
import numpy as np
from mujoco.batch import Batch
from numpy.typing import NDArray

from sim2real.hardware.physics_model import load_physics_model
from training.families.valve import VALVE_TURN_FULL
from training.tasks.task_set import draw_task_set
from training.worlds.scripted_gait import turning_gait

Array = NDArray[np.float64]
SCENE = VALVE_TURN_FULL.scene
SPEC = SCENE.spec
BASELINE = "all that is shown, midphase"
WORLDS, EPISODE, STEPS_A_ROUND = 16, 60, 20
GAIT_PERIOD_S = 0.05
MOVED, FROM_RAD, TO_RAD = "finger1_middle", -0.5, -0.8
"""a step outward, where nothing is met"""


def cases() -> Mapping[str, mujoco.MjModel]:
    """Models by what they are. The second is what is shipped."""
    shipped = load_physics_model(SPEC, is_seen=False)
    midphase = mujoco.mjtDisableBit.mjDSBL_MIDPHASE.value
    island = mujoco.mjtDisableBit.mjDSBL_ISLAND.value

    def changed(model: mujoco.MjModel, **options: float) -> mujoco.MjModel:
        model = copy.copy(model)
        for name, value in options.items():
            setattr(model.opt, name, value)
        return model

    flags = shipped.opt.disableflags
    seen = load_physics_model(SPEC)
    return {
        BASELINE: changed(seen, disableflags=flags & ~midphase),
        "shipped": shipped,
        "all that is shown": seen,
        "midphase": changed(shipped, disableflags=flags & ~midphase),
        "no islands": changed(shipped, disableflags=flags | island),
        "tolerance 1e-4": changed(shipped, tolerance=1e-4),
        "three iterations": changed(shipped, iterations=3),
        "conjugate gradients": changed(shipped, solver=mujoco.mjtSolver.mjSOL_CG.value),
        "sparse Jacobian": changed(shipped, jacobian=mujoco.mjtJacobian.mjJAC_SPARSE.value),
        "elliptic cones": changed(shipped, cone=mujoco.mjtCone.mjCONE_ELLIPTIC.value),
        "Euler": changed(shipped, integrator=mujoco.mjtIntegrator.mjINT_EULER.value),
        "4 ms": changed(shipped, timestep=0.004),
        "5 ms": changed(shipped, timestep=0.005),
    }


class Walk:
    """The full turn's worlds under random increments, episode after episode alike."""

    def __init__(self, model: mujoco.MjModel) -> None:
        tasks = draw_task_set(VALVE_TURN_FULL, seed=0, num_train=WORLDS, num_test=0).train
        models = []
        for task in tasks:
            models.append(copy.copy(model))
            SCENE.apply(models[-1], task)
            mujoco.mj_setConst(models[-1], mujoco.MjData(models[-1]))
        self._batch, self._rows = Batch(model, WORLDS, 1), np.arange(WORLDS)
        self._batch.set_models(models)
        self._batch.bind("qpos")
        self._home = model.qpos0.copy()
        for name, angle in zip(SPEC.joint_names, SPEC.joint_array("home_rad"), strict=True):
            self._home[model.joint(name).qposadr[0]] = angle
        self._actuators = [model.actuator(name).id for name in SPEC.joint_names]
        self._num_steps = round(SCENE.control_period_s / model.opt.timestep)
        shape = (EPISODE, WORLDS, len(SPEC.joints))
        self._actions = np.random.default_rng(0).uniform(-1.0, 1.0, shape)
        self._restart()

    def _restart(self) -> None:
        self._batch.reset(self._rows, stage=mujoco.mjtStage.mjSTAGE_NONE.value)
        self._batch.bind("qpos")[:] = self._home
        self._batch.forward(self._rows)
        self._target, self._step = np.tile(SPEC.joint_array("home_rad"), (WORLDS, 1)), 0

    def run(self, num_steps: int) -> float:
        """Seconds of the core for so many control steps of every world; an episode's end waits."""
        seconds = 0.0
        for _ in range(num_steps):
            if self._step == EPISODE:
                self._restart()
            self._target = SCENE.action_map.target(self._actions[self._step], self._target)
            control = np.zeros((WORLDS, self._num_steps, len(self._actuators)))
            control[:, :, self._actuators] = self._target[:, None, :]
            began = time.thread_time()
            self._batch.rollout(self._num_steps, control, record=())
            seconds += time.thread_time() - began
            self._step += 1
        return seconds

    def ends(self) -> Array:
        """(W, nq) states after an episode."""
        self._restart()
        self.run(EPISODE)
        return np.array(self._batch.bind("qpos"))


def step_response(model: mujoco.MjModel) -> dict[str, tuple[float, str]]:
    """Rise time from a tenth to nine tenths, overshoot, and what is left after a second."""
    data = _at_home(model)
    joint, motor = model.joint(MOVED), model.actuator(MOVED).id
    assert data.ctrl[motor] == FROM_RAD
    data.ctrl[motor] = TO_RAD
    share = []
    for _ in range(round(1.0 / model.opt.timestep)):
        mujoco.mj_step(model, data)
        share.append((data.qpos[joint.qposadr[0]] - FROM_RAD) / (TO_RAD - FROM_RAD))
    tenth, most = (next(i for i, s in enumerate(share) if s > level) for level in (0.1, 0.9))
    return {
        "rise_time": ((most - tenth) * model.opt.timestep * 1e3, "ms"),
        "overshoot": (100.0 * max(max(share) - 1.0, 0.0), "%"),
        "left_after_1_s": (1e3 * (1.0 - share[-1]) * abs(TO_RAD - FROM_RAD), "mrad"),
    }


def gait(model: mujoco.MjModel) -> dict[str, tuple[float, str]]:
    """How far the scripted gait turns the valve in ten seconds, either way."""
    turned = {}
    for name, direction in (("gait_left", 1), ("gait_right", -1)):
        data = _at_home(model)
        actuators = [model.actuator(joint).id for joint in SPEC.joint_names]
        for target in turning_gait(200, control_period_s=GAIT_PERIOD_S, direction=direction):
            data.ctrl[actuators] = target
            mujoco.mj_step(model, data, nstep=round(GAIT_PERIOD_S / model.opt.timestep))
        turned[name] = (float(data.joint(SPEC.turned_object).qpos[0]), "rad")
    return turned


def _at_home(model: mujoco.MjModel) -> mujoco.MjData:
    """Standing still there, after two seconds."""
    data = mujoco.MjData(model)
    for name, angle in zip(SPEC.joint_names, SPEC.joint_array("home_rad"), strict=True):
        data.joint(name).qpos[0] = data.ctrl[model.actuator(name).id] = angle
    mujoco.mj_step(model, data, nstep=round(2.0 / model.opt.timestep))
    return data


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    num_rounds = parser.parse_args().rounds
    models = cases()
    walks = {name: Walk(model) for name, model in models.items()}
    reference = walks[BASELINE].ends()
    physics: dict[str, dict[str, tuple[float, str]]] = {}
    measures: tuple[Callable[[mujoco.MjModel], dict[str, tuple[float, str]]], ...]
    measures = (step_response, gait)
    for name, model in models.items():
        apart = np.abs(walks[name].ends() - reference)
        physics[name] = {
            "apart_median": (float(np.median(apart)), "rad"),
            "apart_most": (float(apart.max()), "rad"),
            **{key: value for measure in measures for key, value in measure(model).items()},
        }
    rounds = [
        {name: walk.run(STEPS_A_ROUND) for name, walk in walks.items()} for _ in range(num_rounds)
    ]
    for name in models:
        own = [each[name] / STEPS_A_ROUND / WORLDS * 1e6 for each in rounds]
        ratios = [each[name] / each[BASELINE] for each in rounds]
        cost = {
            "control_step": (statistics.median(own), "us"),
            "cost": (statistics.median(ratios), "1"),
        }
        for metric, (value, unit) in {**cost, **physics[name]}.items():
            case = f"{VALVE_TURN_FULL.name}/{name}"
            line = {
                "bench": "hand_step",
                "case": case,
                "metric": metric,
                "value": value,
                "unit": unit,
            }
            spread = {"runs": num_rounds, "min": min(ratios), "max": max(ratios)}
            print(json.dumps(line | (spread if metric == "cost" else {})), flush=True)


if __name__ == "__main__":
    main()
