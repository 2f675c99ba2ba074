"""A hand that is read at any rate, and a bundle with random weights for it: to measure loops.

The policy's network has the size of a trained one and its actions are tiny: the hand stands still.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from sim2real.contract.action import ActionMap
from sim2real.contract.camera import load_cameras
from sim2real.contract.output_file import write_file
from sim2real.contract.robot_spec import DCLAW, load_robot_spec
from sim2real.contract.text_file import read_text, read_yaml
from sim2real.hardware.physics_model import default_mjcf
from sim2real.runtime.bundle import write_bundle
from training.export.untrained import untrained_draft, untrained_parts
from training.families.valve import VALVE_TURN
from training.worlds.claw import ClawScene

PHYSICS_STEP_S = 0.002
"""of the emulated hand: every rate up to 500 Hz that divides it is a whole number of steps"""


@dataclass(frozen=True, kw_only=True)
class Rehearsal:
    """Files for one rate."""

    robot_config: Path
    bundle: Path


def write_rehearsal(
    folder: Path, *, rate_hz: float, baud: int, episode_s: float, sees: bool = False
) -> Rehearsal:
    """Write a robot.yaml with this baud rate and a bundle whose policy acts at this rate.

    A policy that `sees` looks through the hand's first camera.

    Raises `ValueError` for a rate whose period is no whole number of physics steps.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = _write_robot(folder, baud)
    spec, period_s = load_robot_spec(config), 1.0 / rate_hz
    scene = dataclasses.replace(
        VALVE_TURN.scene,
        spec=spec,
        control_period_s=period_s,
        episode_length=round(episode_s * rate_hz),
        action_map=ActionMap.for_robot(spec, kind="increment", control_period_s=period_s),
        camera=next(iter(load_cameras(spec).values())) if sees else None,
    )
    draft = untrained_draft(untrained_parts(_checked(scene), action_scale=1.0), scene=scene)
    bundle = folder / "bundle"
    write_bundle(bundle, draft.manifest, draft.files)
    return Rehearsal(robot_config=config, bundle=bundle)


def _checked(scene: ClawScene) -> ClawScene:
    assert scene.physics_steps >= 1  # raises where it is not a whole number
    return scene


def _write_robot(folder: Path, baud: int) -> Path:
    """The D'Claw with another baud rate, and physics in steps that fit every rate."""
    model, config = folder / "model.xml", folder / "robot.yaml"
    text = read_text(default_mjcf(load_robot_spec()), "an MJCF file")
    step = f'timestep="{PHYSICS_STEP_S}"'
    changed, count = re.subn(r'timestep="[\d.]+"', step, text)
    if count != 1:
        raise ValueError(f"the hand's MJCF has {count} time steps, expected one")
    write_file(model, changed)
    document = read_yaml(DCLAW, "a robot.yaml")
    document["bus"]["baud"] = baud
    document["physics_model"] = model.name
    write_file(config, yaml.safe_dump(document, sort_keys=False))
    return config
