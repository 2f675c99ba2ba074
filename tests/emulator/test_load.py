"""A task's load hangs on fingers that hold: nobody can hook a band on one that has sunk."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from sim2real.contract.robot_spec import load_robot_spec
from sim2real.emulator.line import Line, LineOptions
from sim2real.emulator.plant import Plant, TaskDynamics
from training.worlds.dynamics import apply_dynamics

SPEC = load_robot_spec()
LOADS = (0.7, -0.75, 0.4)
STIFFNESS = 3.4529
"""N m/rad of a servo, as the model file derives it"""


def loaded(model: mujoco.MjModel) -> None:
    apply_dynamics(model, {"finger_load": LOADS})


@pytest.fixture
def line() -> Line:
    plant = Plant(SPEC, dynamics=TaskDynamics(apply=loaded))
    return Line(SPEC, plant, LineOptions(baud=1_000_000, supply_v=12.0))


def joints_of(line: Line) -> np.ndarray:
    return line.plant.angles_rad[:9].reshape(3, 3).copy()


def hold(line: Line, servos: slice, current: int) -> None:
    for servo in line.servos[servos]:
        servo.poke("position_p_gain", 200)
        servo.poke("goal_current", current)
        servo.poke("goal_position", servo["present_position"])
        servo.poke("torque_enable", 1)


def test_a_limp_finger_is_not_pulled_by_a_load_that_nobody_has_hooked_on(line):
    home = joints_of(line)

    line.advance_to(2.0)

    assert not line.plant.is_loaded
    np.testing.assert_allclose(joints_of(line), home, atol=0.1)  # its own weight


@pytest.mark.parametrize(
    ("servos", "current"), [(slice(0, 8), 334), (slice(0, 9), 100)], ids=["a limp joint", "weak"]
)
def test_it_waits_until_the_whole_hand_holds(line, servos, current):
    hold(line, servos, current)

    line.advance_to(0.5)

    assert not line.plant.is_loaded


def test_a_hand_that_holds_hangs_off_its_goals_by_load_over_stiffness(line):
    before = joints_of(line)
    hold(line, slice(0, 9), 334)

    line.advance_to(1.0)

    after = joints_of(line)
    slackened = 1.0 - np.sign(LOADS) * after.T / 4.0  # a band is shorter where it has pulled to
    expected = (LOADS * slackened / STIFFNESS).T
    np.testing.assert_allclose(after - before, expected, atol=0.06)  # weight and dry friction


def test_it_stays_on_when_torque_goes_off(line):
    hold(line, slice(0, 9), 334)
    line.advance_to(1.0)
    for servo in line.servos[:9]:
        servo.poke("torque_enable", 0)

    line.advance_to(3.0)

    # To the model's stops: a driver refuses torque there, and a person is needed.
    assert joints_of(line)[1, 0] < -0.85
    assert joints_of(line)[0, 2] > 2.0


def test_springs_of_the_model_file_are_no_load(tmp_path):
    mjcf = SPEC.file_of("model.xml").read_text()
    path = tmp_path / "sprung.xml"
    path.write_text(mjcf.replace('frictionloss="0.04"/>', 'frictionloss="0.04" stiffness="0.3"/>'))
    plant = Plant(SPEC, path, TaskDynamics(apply=loaded))
    file_only = plant.model.jnt_stiffness.copy()

    plant.load()
    plant.load()

    assert file_only[:9] == pytest.approx(0.3)
    assert plant.model.joint("finger1_top").stiffness[0] == pytest.approx(0.3 + 0.7 / 4.0)
