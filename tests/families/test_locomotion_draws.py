"""How the tasks of the walking families are distributed, against the papers."""

import numpy as np
import pytest

from training.families.registry import FAMILIES


def draws(family_name, parameter, num_tasks=4000):
    sample = FAMILIES[family_name].sample(np.random.default_rng(0), num_tasks)
    return np.array([draw[parameter] for draw in sample])


def test_half_cheetah_runs_either_way():
    assert sorted(draws("half_cheetah_dir", "direction", 2).ravel()) == [-1.0, 1.0]
    with pytest.raises(ValueError, match=r"has 2 tasks, not 3"):
        draws("half_cheetah_dir", "direction", 3)


def test_half_cheetah_speeds_are_uniform_up_to_three():
    speeds = draws("half_cheetah_vel", "velocity")
    quartiles = np.quantile(speeds, [0.0, 0.25, 0.5, 0.75, 1.0])
    np.testing.assert_allclose(quartiles, [0.0, 0.75, 1.5, 2.25, 3.0], atol=0.1)


@pytest.mark.parametrize("family_name", ["ant_dir", "humanoid_dir"])
def test_directions_are_unit_vectors_all_around(family_name):
    directions = draws(family_name, "direction")
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1.0)
    np.testing.assert_allclose(directions.mean(axis=0), 0.0, atol=0.05)


def test_ant_goals_fill_the_disc_evenly():
    distances = np.linalg.norm(draws("ant_goal", "goal"), axis=1)
    assert distances.max() <= 3.0
    # a disc of half the area has 3 / sqrt(2) m of radius
    assert np.mean(distances < 3.0 / np.sqrt(2.0)) == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("family_name", ["walker_params", "hopper_params"])
@pytest.mark.parametrize("name", ["body_mass", "body_inertia", "dof_damping", "geom_friction"])
def test_body_exponents_are_uniform_within_three(family_name, name):
    exponents = draws(family_name, name, 500)
    np.testing.assert_allclose(exponents.min(), -3.0, atol=0.05)
    np.testing.assert_allclose(exponents.max(), 3.0, atol=0.05)
    assert abs(exponents.mean()) < 0.2
