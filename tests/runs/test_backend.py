"""`--backend`: what it may be, where it is kept, and that a resumed run has the same."""

from __future__ import annotations

import json

import pytest

from sim2real.cli import main
from sim2real.contract.errors import BadInput
from training.algorithms.pearl import Pearl
from training.families import backend
from training.families.backend import simulated_by
from training.families.registry import FAMILIES
from training.runs import start
from training.worlds.physics import NoRoomError

TINY = [
    "num_iterations=1", "num_initial_steps=20", "num_prior_steps=20", "num_extra_steps=20",
    "num_gradient_steps=1", "hidden_sizes=8", "num_trial_episodes=1", "num_test_tasks=2",
    "num_evaluation_trials=1", "num_exploration_episodes=1",
]  # fmt: skip
HAS_WARP = backend.find_spec("mujoco_warp") is not None
needs_warp = pytest.mark.skipif(not HAS_WARP, reason="MuJoCo Warp is not installed")


def test_an_engine_that_is_unknown_or_not_installed_is_refused(monkeypatch):
    with pytest.raises(BadInput, match="'isaac', expected one of mujoco, warp"):
        simulated_by(FAMILIES["valve_turn"], "isaac")
    monkeypatch.setattr(backend, "find_spec", lambda name: None)
    with pytest.raises(BadInput, match=r"not installed.*pip install 'taskbelief\[warp\]'"):
        simulated_by(FAMILIES["valve_turn"], "warp")
    assert simulated_by(FAMILIES["valve_turn"], "mujoco") is FAMILIES["valve_turn"]


@needs_warp
@pytest.mark.parametrize(
    ("family", "why"),
    [
        ("gridworld", "expected a family of MuJoCo worlds"),
        ("valve_turn_pixels", "a family that is not seen"),
        ("humanoid_dir", "mjSOL_PGS is unsupported"),
        ("ant_goal", "moves there as in MuJoCo"),
    ],
)
def test_a_family_that_it_cannot_simulate_is_refused_by_name(family, why):
    with pytest.raises(BadInput, match=f"found '{family}'.*{why}"):
        simulated_by(FAMILIES[family], "warp")


@needs_warp
@pytest.mark.parametrize("family", ["valve_turn_full", "pose_dynamics", "hopper_params"])
def test_others_are_the_same_family_on_another_engine(family):
    simulated = simulated_by(FAMILIES[family], "warp")

    assert simulated.name == family
    assert simulated.parameters == FAMILIES[family].parameters
    assert simulated.engine is not FAMILIES[family].engine


@pytest.fixture
def asked(monkeypatch):
    """Notes which engine training and its evaluations ask for; it is MuJoCo in any case."""
    asked: list[tuple[str, str]] = []

    def noted(family, engine, device="cpu"):
        asked.append((engine, device))
        return family

    monkeypatch.setattr(start, "simulated_by", noted)
    return asked


def test_a_run_keeps_its_engine_and_goes_on_with_no_other(tmp_path, capsys, asked):
    words = ["train", "pearl-point-robot", "--out", str(tmp_path / "run"), "--quiet", "--settings"]
    words += TINY

    assert main([*words, "--backend", "warp"]) == 0
    assert set(asked) == {("warp", "cpu")}
    assert len(asked) == 3  # before anything is written, for learning and for the evaluation
    config = json.loads((tmp_path / "run/config.json").read_text())
    assert config["recipe"]["backend"] == "warp"

    capsys.readouterr()
    assert main([*words, "--resume"]) == 2
    assert "found 'other settings'" in capsys.readouterr().err
    asked.clear()
    assert main([*words, "--resume", "--backend", "warp"]) == 0
    assert set(asked) == {("warp", "cpu")}

    asked.clear()
    start.load_learner(tmp_path / "run")
    assert set(asked) == {("mujoco", "cpu")}, "a run is judged by MuJoCo, wherever it is used"


def test_a_contact_without_room_ends_the_run_in_one_line(tmp_path, capsys, monkeypatch):
    def collect(*arguments, **options):
        raise NoRoomError("a world has 193 constraint rows, room for 192")

    monkeypatch.setattr(Pearl, "iterate", collect)
    words = ["train", "pearl-point-robot", "--out", str(tmp_path / "run"), "--quiet", "--settings"]

    assert main([*words, *TINY]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "193 constraint rows, room for 192; last good checkpoint: none" in said


def test_it_is_named_once(tmp_path, capsys):
    words = ["train", "pearl-point-robot", "--out", str(tmp_path / "run"), "--quiet"]
    assert main([*words, "--backend", "warp", "--settings", "backend=mujoco"]) == 2
    assert "two settings" in capsys.readouterr().err
    assert main([*words, "--backend", "isaac"]) == 2
    assert "one of mujoco, warp" in capsys.readouterr().err
