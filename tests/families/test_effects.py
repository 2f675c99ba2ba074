"""Every varied parameter of every family does something; one that does nothing is found out."""

from __future__ import annotations

import dataclasses

import mujoco
import pytest

from sim2real.cli import main
from training.families.body_parameters import WALKER_PARAMS
from training.families.effects import parameters_without_effect
from training.families.point_robot import PointRobot
from training.families.registry import FAMILIES
from training.families.valve import VALVE_TURN
from training.families.valve_pixels import LOOKS, VALVE_TURN_PIXELS_VARIED
from training.tasks.task import Parameter
from training.worlds.dynamics import VARIATIONS


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES.keys())
def test_every_varied_parameter_of_every_family_changes_a_rollout(family):
    assert parameters_without_effect(family) == []


@pytest.mark.parametrize("name", VARIATIONS)
def test_every_variation_of_the_claw_changes_a_rollout(name):
    family = VALVE_TURN_PIXELS_VARIED if name in LOOKS else VALVE_TURN
    assert parameters_without_effect(dataclasses.replace(family, variation_names=(name,))) == []


def test_a_parameter_that_no_world_applies_is_found():
    mass = Parameter(name="mass", unit="1", low=(0.5,), high=(2.0,), changes_dynamics=True)

    assert parameters_without_effect(WithExtra(mass)) == ["mass"]


class WithExtra(PointRobot):
    """Point robots that differ also in what no world reads."""

    def __init__(self, extra: Parameter) -> None:
        self.parameters = (*PointRobot.parameters, extra)

    def sample(self, rng, num_tasks):
        drawn = super().sample(rng, num_tasks)
        return [{**each, "mass": (float(rng.uniform(0.5, 2.0)),)} for each in drawn]


def test_a_change_that_only_rounding_shows_is_no_effect():
    """Masses varied by a part in 10^9 move a walker, as one float32 step of its actions does."""
    scene = WALKER_PARAMS.make_scene()

    def vary(model: mujoco.MjModel, task) -> None:
        model.body_mass[:] *= 1.0 + 1e-9 * task.parameters["body_mass"][0]

    family = dataclasses.replace(
        WALKER_PARAMS,
        parameters=tuple(p for p in WALKER_PARAMS.parameters if p.name == "body_mass"),
        make_scene=lambda: dataclasses.replace(scene, vary=vary),
    )
    assert parameters_without_effect(family) == ["body_mass"]


def test_the_verb_saves_no_tasks_of_such_a_family(tmp_path, monkeypatch, capsys):
    mass = Parameter(name="mass", unit="1", low=(0.5,), high=(2.0,), changes_dynamics=True)
    monkeypatch.setitem(FAMILIES, "point_robot", WithExtra(mass))

    assert main(["tasks", "point_robot", str(tmp_path / "tasks.json")]) == 2
    assert "mass: found 'no effect on any rollout'" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
