"""The picture of the first-day page shows the hand that is shipped."""

from __future__ import annotations

import runpy

from sim2real.contract.robot_spec import load_robot_spec
from tests.docs.commands import ROOT

IMAGES = ROOT / "docs" / "images"


def test_the_hand_from_above_is_drawn_from_the_model_that_is_shipped():
    above = runpy.run_path(str(ROOT / "docs" / "render_above.py"))["above"]

    assert (IMAGES / "claw_above.svg").read_text(encoding="utf-8") == above(load_robot_spec())


def test_the_first_day_says_where_every_id_stands():
    page = (ROOT / "docs" / "first_day.md").read_text(encoding="utf-8")

    assert "images/claw_above.svg" in page
    for ids, angle in (("10–12", "+60°"), ("20–22", "−60°"), ("30–32", "180°")):
        assert f"{ids} at {angle}" in page
