"""The whole document: nothing lies between a recording and itself, and sides can change places."""

from __future__ import annotations

import csv
import dataclasses
import io
import json

import pytest
from rich.console import Console

from sim2real.contract.errors import BadInput
from sim2real.gap.measure import measure_gap
from sim2real.gap.show import show_gap
from sim2real.gap.tables import gap_tables, write_tables
from sim2real.hardware.physics_model import load_physics_model
from training.gap.unknowns import with_dynamics
from training.worlds.dynamics import CUSTOM_NUMERICS, VARIATIONS


@pytest.fixture(scope="module")
def measure(spec):
    base = load_physics_model(spec, custom_numerics=CUSTOM_NUMERICS)

    def model_of(side, task):
        known = {name: v for name, v in side.tasks[task].items() if name in VARIATIONS}
        return with_dynamics(base, known)

    return lambda a, b: measure_gap(a, b, spec, model_of, dynamics="recorded")


@pytest.fixture(scope="module")
def gap(measure, simulated_side, emulated_side):
    return measure(simulated_side, emulated_side)


def numbers_called(document, name):
    """Every number of that name, wherever it is."""
    if isinstance(document, dict):
        for key, value in document.items():
            if key == name and isinstance(value, int | float):
                yield value
            yield from numbers_called(value, name)
    elif isinstance(document, list):
        for item in document:
            yield from numbers_called(item, name)


def test_the_same_recordings_twice_show_no_gap_at_all(measure, emulated_side):
    gap = measure(emulated_side, emulated_side)

    for name in ("difference", "difference_s", "ks", "share", "mean_rank_violation"):
        found = list(numbers_called(gap, name))
        assert found or name == "mean_rank_violation", name
        assert all(value == 0.0 for value in found), name
    for metric in ("wasserstein_2", "symmetric_kl"):
        assert gap["beliefs"][metric]["normalised"]["mean"] == 0.0
    assert gap["left_out"] == {}


def test_changing_sides_changes_the_signs_of_all_differences(
    measure, gap, simulated_side, emulated_side
):
    back = measure(emulated_side, simulated_side)

    for name in ("difference", "difference_s"):
        there, again = (list(numbers_called(document, name)) for document in (gap, back))
        assert there == pytest.approx([-value for value in again], abs=1e-9)
        assert any(there)
    assert list(numbers_called(gap, "ks")) == pytest.approx(list(numbers_called(back, "ks")))


def test_the_emulated_bus_is_near_its_simulation_and_called_by_its_name(gap):
    assert (gap["a"]["label"], gap["b"]["label"]) == ("simulation", "emulated bus")
    assert "hardware" not in json.dumps({**gap, "notes": []})
    assert any("none of its numbers is of hardware" in note for note in gap["notes"])
    for section in gap["replay"].values():
        assert section["a"]["joints"]["mean"] < 0.002
        assert section["b"]["joints"]["mean"] < 0.01
    assert all(0.0 <= row["b"]["lag_s"] < 0.2 for row in gap["delay"]["per_joint"])


def test_times_of_a_lock_step_simulation_are_left_out(gap):
    stages = gap["latency"]["stages"]

    assert stages["period"]["a"] is None
    assert stages["age"]["b"]["p50"] > 0.0
    assert stages["compute"]["a"]["count"] > 0
    assert gap["latency"]["missed"]["a"]["deadlines"] == 0


def test_what_recordings_do_not_show_is_left_out_with_the_reason(measure, simulated_side):
    only_script = dataclasses.replace(
        simulated_side, outcomes={}, beliefs={}, motions=tuple(simulated_side.excited), bundle=""
    )

    gap = measure(only_script, only_script)

    assert gap["closed_loop"] is None
    assert "no episode" in gap["left_out"]["closed_loop"]
    assert "beliefs" in gap["left_out"]
    assert gap["headline"]["condition"] == "script"
    assert gap["steps"][0]["num_steps"]["a"] > 0


def test_beliefs_of_two_policies_are_not_compared(measure, simulated_side):
    other = dataclasses.replace(simulated_side, bundle="another 123")

    gap = measure(simulated_side, other)

    assert "different policies" in gap["left_out"]["beliefs"]
    assert any("policies differ" in note for note in gap["notes"])


def test_another_robot_is_bad_input(measure, simulated_side):
    other = dataclasses.replace(simulated_side, robot_fingerprint="0" * 64)

    with pytest.raises(BadInput, match="000000000000"):
        measure(simulated_side, other)


def test_the_document_is_json_without_a_nan_and_every_table_comes_from_it(gap, tmp_path):
    restored = json.loads(json.dumps(gap, allow_nan=False))

    tables = gap_tables(restored)

    expected = {
        "closed_loop",
        "replay",
        "replay_growth",
        "replay_excess",
        "steps",
        "delay",
        "beliefs",
        "belief_trajectory",
        "latency",
        "latency_distribution",
    }
    assert tables.keys() == expected
    for path in write_tables(tmp_path, tables):
        with path.open() as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == len(tables[path.stem])
        assert None not in rows[0]


def test_a_person_reads_the_headline_first(gap):
    written = io.StringIO()

    show_gap(Console(file=written, width=100), gap)

    text = written.getvalue()
    assert text.startswith("simulation → emulated bus over 3 tasks: success")
    assert "open-loop replay" in text
    assert "normalised" in text
