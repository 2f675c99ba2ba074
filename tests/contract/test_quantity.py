"""What is believed of a quantity, in words."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim2real.contract.quantity import Quantity, said_of_all

DAMPING = Quantity(name="valve_damping", unit="N m s/rad")
SECOND = Quantity(name="servo_stiffness[1]", unit="x nominal")
PARAMETERS = {"valve_damping": (0.29,), "servo_stiffness": (0.9, 1.2, 0.7)}


def test_it_says_name_value_spread_unit_and_truth():
    assert DAMPING.said(0.3123, 0.0512) == "valve_damping 0.31 ± 0.05 N m s/rad"
    beside = DAMPING.said(0.3123, 0.0512, 0.2931)
    assert beside == "valve_damping 0.31 ± 0.05 N m s/rad (true 0.29)"
    assert Quantity(name="level", unit="1").said(-3.0, 0.012) == "level -3.000 ± 0.012"
    assert DAMPING.heading == "valve damping, N m s/rad"
    assert Quantity(name="level", unit="1").heading == "level"


def test_the_truth_is_that_of_the_element_and_none_where_nobody_knows_it():
    assert DAMPING.value_in(PARAMETERS) == 0.29
    assert SECOND.value_in(PARAMETERS) == 1.2
    assert SECOND.value_in({"servo_stiffness": (0.9,)}) is None
    assert SECOND.value_in({}) is None
    said = said_of_all((DAMPING, SECOND), (0.31, 1.0), (0.05, 0.3), PARAMETERS)
    assert [phrase.endswith(")") for phrase in said] == [True, True]
    assert not any("true" in one for one in said_of_all((DAMPING, SECOND), (0.3, 1.0), (1.0, 0.3)))
    with pytest.raises(ValueError, match="zip"):
        said_of_all((DAMPING, SECOND), (0.3,), (0.1,))


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e4), st.floats(-1e6, 1e6))
def test_what_is_said_is_what_is_believed_to_a_part_of_its_spread(mean, sd, truth):
    said = DAMPING.said(mean, sd, truth)

    numbers = [float(text) for text in re.findall(r"-?\d+(?:\.\d+)?", said)]
    assert len(numbers) == 3
    for found, value in zip(numbers, (mean, sd, truth), strict=True):
        assert abs(found - value) <= 0.26 * sd + 1e-9 * abs(value)
    assert numbers[1] > 0.0
