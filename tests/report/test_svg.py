"""Axes and marks of a figure."""

from __future__ import annotations

import math
from itertools import pairwise
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from sim2real.report.svg import Plot, _apart, duration_axis, linear_axis, log_axis, whole_axis

numbers = st.floats(-1e6, 1e6, allow_nan=False).map(lambda value: round(value, 6))
positive = st.floats(1e-6, 1e3)


@given(st.lists(numbers, min_size=1, max_size=20))
def test_a_linear_axis_holds_its_values_and_a_few_round_ticks(values):
    axis = linear_axis("value", values)

    assert all(-1e-9 <= axis.share(value) <= 1.0 + 1e-9 for value in values)
    places = [place for place, _ in axis.ticks]
    assert 2 <= len(places) <= 12
    assert all(a < b for a, b in pairwise(places))
    assert all(-1e-6 <= axis.share(place) <= 1.0 + 1e-6 for place in places)
    assert len({text for _, text in axis.ticks}) == len(places)


@given(positive, st.floats(1.05, 1e6))
def test_a_logarithmic_axis_has_ticks_in_order(low, factor):
    for axis in (log_axis("value", low, low * factor), duration_axis("time", low, low * factor)):
        places = [place for place, _ in axis.ticks]
        assert len(places) >= 1
        assert all(a < b for a, b in pairwise(places))
        assert all(-0.01 <= axis.share(place) <= 1.01 for place in places)
        assert math.isclose(axis.share(low), 0.0, abs_tol=1e-9)


@given(st.lists(st.floats(0.0, 100.0), min_size=1, max_size=6))
def test_names_are_moved_apart_and_keep_their_order(places):
    ordered = sorted(places)

    moved = _apart(ordered, 14.0, 0.0, 100.0)

    assert all(b - a >= 14.0 - 1e-9 for a, b in pairwise(moved))
    assert moved[-1] <= 100.0


def test_a_plot_is_well_formed_whatever_it_is_called():
    plot = Plot(whole_axis("<x> & y", 3), linear_axis("y", [0.0, 1.0]))
    plot.line([0, 1, 2], [0.0, math.nan, 1.0], "accent", 'a "quoted" <title>')
    plot.band([0, 1], [0.0, 0.1], [0.5, 0.6], "accent")
    plot.point(1, 0.5, "accent", "here")
    plot.outside(0, {"mean": 0.5, "low": 0.2, "high": 0.8}, "robust")
    plot.names([(0.5, "a & b", "robust")])

    root = ElementTree.fromstring(plot.svg("<title>", 'it "shows" & tells'))

    assert root.attrib["role"] == "img"
    assert root.attrib["aria-label"] == '<title>. it "shows" & tells'
