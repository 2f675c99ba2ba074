"""Tasks from outside of a family are outside, and the family's worlds can play them."""

from __future__ import annotations

import numpy as np
import pytest

from training.families.outside import has_outside, outside_tasks
from training.families.registry import FAMILIES

NAMES = [name for name, family in FAMILIES.items() if has_outside(family)]


@pytest.mark.parametrize("name", NAMES)
def test_none_is_within_what_the_family_draws(name):
    family = FAMILIES[name]
    tasks = outside_tasks(family, seed=0, num_tasks=50)
    assert len({str(task.parameters) for task in tasks}) == 50
    for task in tasks:
        beyond = [
            ((value < np.array(p.low) - 1e-9) | (value > np.array(p.high) + 1e-9)).any()
            for p in family.parameters
            for value in [np.array(task.parameters[p.name])]
        ]
        assert any(beyond), task


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_draws_the_same(name):
    family = FAMILIES[name]
    first, again, other = (outside_tasks(family, seed=s, num_tasks=5) for s in (1, 1, 2))
    assert first == again
    assert first != other


def test_goals_beyond_the_square_are_within_reach():
    """From the middle of it in 14 steps of 20, and spread over the rim."""
    tasks = outside_tasks(FAMILIES["point_robot"], seed=0, num_tasks=200)
    furthest = np.abs([task.parameters["goal"] for task in tasks]).max(1)
    assert (furthest > 1.0).all()
    assert furthest.max() <= 1.4 + 1e-9
    assert furthest.max() - furthest.min() > 0.3


def test_a_family_without_a_rule_has_none():
    assert not has_outside(FAMILIES["two_rewards"])
    with pytest.raises(KeyError):
        outside_tasks(FAMILIES["two_rewards"], seed=0, num_tasks=1)
