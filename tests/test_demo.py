"""The demo runs any bundle of the claw; the bundles that ship verify themselves."""

from __future__ import annotations

import pytest

from sim2real.cli import main
from sim2real.contract.robot_spec import load_robot_spec
from sim2real.runtime.verify import load_bundle
from training.demo import BUNDLES
from training.demo import demo as run_demo

SHIPPED = sorted(path.parent for path in BUNDLES.glob("*/manifest.json"))


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda folder: folder.name)
def test_a_shipped_bundle_verifies_itself_for_the_robot(folder):
    assert load_bundle(folder, load_robot_spec()).manifest.results


def test_the_demo_shows_episodes_and_says_what_it_is_not(capsys):
    assert run_demo(num_tasks=2, num_episodes=2) == 0

    shown = capsys.readouterr().out
    assert "verified" in shown
    assert "episode 1" in shown
    assert "frozen prior" in shown
    assert "Nothing here ran on hardware" in shown


def test_a_bundle_that_is_not_there_is_one_line(tmp_path, capsys):
    assert main(["demo", "--bundle", str(tmp_path / "nowhere")]) == 2

    assert capsys.readouterr().err.count("\n") == 1
