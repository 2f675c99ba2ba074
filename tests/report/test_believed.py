"""A belief is shown in the words of its kind: quantities by name and unit, latents by number."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

import numpy as np
import pytest

from sim2real.contract.manifest import parse_manifest
from sim2real.contract.quantity import Quantity
from sim2real.report.write import write_report
from sim2real.runtime.kinds.recurrent_belief import ReadOut, RecurrentBeliefSettings
from sim2real.runtime.kinds.registry import quantities_told, record_of
from tests.report.conftest import NUM_EPISODES, NUM_STEPS
from tests.report.page_reader import read_page

MANIFEST = Path(__file__).resolve().parents[2] / "bundles" / "valve_turn" / "manifest.json"
ANGLE = Quantity(name="target_angle", unit="rad")
STIFFNESS = Quantity(name="servo_stiffness[1]", unit="x nominal")


def manifest_of(*quantities: Quantity) -> str:
    """The valve's manifest, of a bundle that believes so."""
    read_out = ReadOut(
        initial_mean=(0.0,) * len(quantities),
        initial_log_variance=(0.0,) * len(quantities),
        quantities=quantities,
    )
    settings = RecurrentBeliefSettings(hidden_size=4, read_out=read_out)
    manifest = parse_manifest(MANIFEST.read_text(), str(MANIFEST))
    return dataclasses.replace(manifest, adaptation=record_of(settings)).to_json()


@pytest.fixture
def of_parameters() -> str:
    return manifest_of(ANGLE, STIFFNESS)


def test_quantities_have_their_names_their_units_and_the_truth_beside_them(
    make_evaluation, of_parameters
):
    folder = make_evaluation(manifest_json=of_parameters)
    text = read_page(write_report(folder)).text

    assert "target angle, rad" in text and "servo stiffness[1], x nominal" in text
    assert "Latent dimension" not in text
    last = NUM_EPISODES * NUM_STEPS
    sd = 1.0 / np.sqrt(1.0 + last)
    assert f"{0.1 * last:.1f} ± {sd:.1f} (−0.6)" in text  # of test/0
    assert f"−1.0 ± {sd:.1f} (0.9)" in text  # the second of its stiffnesses
    with (folder / "figures" / "belief.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["dimension"] for row in rows} == {"target_angle", "servo_stiffness[1]"}
    truths = {(row["task"], row["dimension"]): float(row["truth"]) for row in rows}
    assert truths["test/1", "target_angle"] == 0.4
    assert truths["test/1", "servo_stiffness[1]"] == 1.3
    broken = (folder / "report.html").read_text().count('class="reference truth task-')
    assert broken == 2 * 3


def test_of_a_real_hand_nobody_knows_the_truth(make_evaluation, of_parameters):
    folder = make_evaluation(manifest_json=of_parameters, robot="serial")
    page = read_page(write_report(folder))

    assert "target angle, rad" in page.text
    assert "in brackets what is true" not in page.text and "broken lines" not in page.text
    assert "reference truth" not in (folder / "report.html").read_text()
    with (folder / "figures" / "belief.csv").open() as file:
        assert {row["truth"] for row in csv.DictReader(file)} == {""}


def test_a_latent_stays_a_latent(evaluation):
    page = read_page(write_report(evaluation))

    assert "Latent dimension 0" in page.text
    assert "What is believed at the end" not in page.text
    with (evaluation / "figures" / "belief.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["dimension"] for row in rows} == {"0", "1"}
    assert {row["truth"] for row in rows} == {""}


@pytest.mark.parametrize("damage", ["", "no JSON", '{"schema_version": 1}'])
def test_a_manifest_of_another_version_leaves_dimensions_without_names(make_evaluation, damage):
    assert quantities_told(damage) == ()
    page = read_page(write_report(make_evaluation(manifest_json=damage)))

    assert "Latent dimension 0" in page.text


def test_names_for_more_than_is_believed_are_not_shown(make_evaluation):
    page = read_page(write_report(make_evaluation(manifest_json=manifest_of(ANGLE))))

    assert "Latent dimension 1" in page.text and "target angle, rad" not in page.text
