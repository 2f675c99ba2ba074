"""`taskbelief meta-test` with other people's policies beside our own: one protocol, one table."""

from __future__ import annotations

import csv
import dataclasses
from collections import Counter

import numpy as np
import pytest
import yaml

from sim2real.cli import main
from sim2real.runtime.kinds.kind import Signature, row
from tests.peers.others import write_recurrent, write_reference
from tests.runs.conftest import recipe_of
from training.export.to_onnx import to_onnx
from training.families.draw import draw
from training.runs.start import load_learner, start_run


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A short run of PEARL on the half circle."""
    folder = tmp_path_factory.mktemp("runs") / "pearl"
    recipe = recipe_of("pearl", num_iterations=1, normalizes_observations=True)
    recipe = dataclasses.replace(recipe, family="sparse_point_robot")
    start_run(recipe, name="pearl", seed=0, directory=folder, is_quiet=True)
    return folder


def read(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_all_are_on_the_same_tasks_in_the_same_table(own, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    write_reference(tmp_path / "theirs")
    recurrent, _ = write_recurrent(tmp_path / "graph")
    runs = [str(own), str(tmp_path / "theirs"), str(recurrent)]
    out, walks = tmp_path / "all.csv", tmp_path / "walks.png"

    words = ["meta-test", *runs, "--num-trials", "2", "--out", str(out), "--walks", str(walks)]
    assert main(words) == 0

    shown, lines = capsys.readouterr().out, read(out)
    assert all(run in shown for run in runs)
    for run, episodes in zip(runs, (2, 3, 2), strict=True):
        mine = [line for line in lines if line["run"] == run]
        assert {line["condition"] for line in mine} == {"adapted", "frozen_prior", "wrong_task"}
        assert {line["task"] for line in mine} == {"test/0", "test/1", "test/2"}
        assert {int(line["episode"]) for line in mine} == set(range(episodes))
    assert set(runs) < {line["who"] for line in read(tmp_path / "walks.csv")}


def test_our_own_networks_as_somebody_elses_graphs_get_the_same_returns(own, tmp_path):
    """PEARL as a run, and exported: latents, beliefs and all conditions, through the YAML file."""
    deployed, learner = load_learner(own).deployed(), load_learner(own)
    latent = row("latent", learner.config.latent_size)
    factor = (row("mean", latent.shape[1]), row("variance", latent.shape[1]))
    signatures = {
        "policy": Signature((row("observation", 2), latent), (row("action", 2),)),
        "encoder": Signature((row("context_row", 5),), factor),
    }
    for role, signature in signatures.items():
        content = to_onnx(deployed.modules[role], signature)
        (tmp_path / f"{role}.onnx").write_bytes(content)
    document = {
        "schema_version": 1, "model": "policy.onnx", "observation": "observation",
        "action": "action", "previous_action": None, "previous_reward": None,
        "begins_episode": None, "reward": "dense", "num_episodes": 2, "state": [],
        "latent": {
            "input": "latent", "encoder": "encoder.onnx", "row": "context_row",
            "uses_next_observation": False, "mean": "mean", "variance": "variance",
            "num_exploration_episodes": 1,
        },
    }  # fmt: skip
    (tmp_path / "policy.yaml").write_text(yaml.safe_dump(document))
    out = tmp_path / "all.csv"

    assert main(["meta-test", str(own), str(tmp_path / "policy.yaml"), "--out", str(out)]) == 0

    lines = read(out)
    counts = Counter(line["run"] for line in lines)
    assert len(counts) == 2 and len(set(counts.values())) == 1
    for first, second in zip(lines[: len(lines) // 2], lines[len(lines) // 2 :], strict=True):
        assert first["task"] == second["task"] and first["metric"] == second["metric"]
        if first["metric"] == "dense_return":  # of what pays at a rim a rounding may decide
            assert np.isclose(float(first["value"]), float(second["value"]), atol=1e-3)


def test_others_alone_need_to_be_told_the_tasks(tmp_path, capsys):
    write_reference(tmp_path / "theirs")
    words = ["meta-test", str(tmp_path / "theirs")]

    assert main(words) == 2
    assert "a run of ours among them, or --tasks" in capsys.readouterr().err
    draw("sparse_point_robot", tmp_path / "tasks.json", num_train=1, num_test=3)
    assert main([*words, "--tasks", str(tmp_path / "tasks.json"), "--num-trials", "1"]) == 0
    draw("gridworld", tmp_path / "grid.json", num_train=1, num_test=3)
    assert main([*words, "--tasks", str(tmp_path / "grid.json")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "context_encoder.pth: fc0.weight" in error
