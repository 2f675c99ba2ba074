"""`taskbelief exploration-study`: what it plans, and that it goes on where it was stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import pytest

from sim2real.contract.errors import BadInput, WorkFailed
from sim2real.contract.output_file import write_json
from training import exploration_study as study_module
from training.exploration_study import LEARNERS, PLAN, Planned, Study, exploration_study
from training.recipes.registry import with_settings
from training.runs.desiderata import desiderata
from training.runs.metrics import MetricsFile

SCALE = 0.015
"""three iterations of REINFORCE, about as long as it takes to load torch"""
TINY = (
    "num_trial_episodes=2", "num_exploration_episodes=1", "num_evaluation_trials=1",
    "num_train_tasks=20", "num_test_tasks=2",
)  # fmt: skip
SMALL_PLAN = (
    Planned(recipe="reinforce-point-robot", settings=TINY),
    Planned(recipe="reinforce-shown-goal", settings=TINY),
)
STUDY = """
import sys
from sim2real.cli import main
from tests.test_exploration_study import SMALL_PLAN
from training import exploration_study

exploration_study.PLAN = SMALL_PLAN
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def small(monkeypatch, tmp_path):
    """A study of REINFORCE alone, of which the desiderata are measured and no exact values."""

    def parts(study, out, claw):
        runs = tuple(out / "runs" / each.recipe / str(s) for each in study.plan for s in (0,))
        return {"desiderata": partial(desiderata, runs, num_tasks=2, out=out / "d.jsonl")}

    monkeypatch.setattr(study_module, "PLAN", SMALL_PLAN)
    monkeypatch.setattr(study_module, "_parts", parts)
    options = {"seeds": (0,), "processes": 1, "scale": SCALE, "learners": ("reinforce",)}
    return partial(exploration_study, tmp_path / "study", **options)


def command(out, scale=SCALE):
    words = ["exploration-study", str(out), "--seeds", "0", "--processes", "1"]
    options = ["--scale", str(scale), "--learners", "reinforce"]
    return [sys.executable, "-c", STUDY, *words, *options]


def wait_for(path, timeout_s=60.0):
    until = time.monotonic() + timeout_s
    while not path.exists():
        assert time.monotonic() < until, f"no {path}"
        time.sleep(0.02)


def processes_naming(out):
    """Of this machine, those whose command line names the folder."""
    found = []
    for each in Path("/proc").iterdir():
        if each.name.isdigit() and int(each.name) != os.getpid():
            try:
                words = (each / "cmdline").read_bytes()
            except OSError:  # it has ended
                continue
            if str(out).encode() in words:
                found.append(words)
    return found


# ---- what is planned -----------------------------------------------------------------------------


def test_every_recipe_is_there_once_and_takes_its_settings():
    names = [planned.recipe for planned in PLAN]
    assert len(set(names)) == len(names)
    for planned in PLAN:
        for scale in (1e-6, 0.3, 1.0):
            study = Study(seeds=(0,), scale=scale, learners=LEARNERS)
            recipe = with_settings(planned.recipe, study.settings(planned))
            whole = with_settings(planned.recipe, planned.settings)
            assert 1 <= recipe.evaluation_interval <= recipe.num_iterations
            assert recipe.num_iterations <= whole.num_iterations
            assert recipe.config == whole.config
        assert recipe.num_iterations == whole.num_iterations


def test_no_learner_has_two_recipes_of_one_family_but_teacher_and_noise():
    keys = [
        (planned.learner, planned.family)
        for planned in PLAN
        if not planned.recipe.startswith("noise-")
    ]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"scale": 0.0}, "--scale"),
        ({"scale": 1.5}, "--scale"),
        ({"seeds": ()}, "--seeds"),
        ({"learners": ("alchemy",)}, "--learners"),
        ({"learners": ()}, "--learners"),
        ({"processes": 0}, "--processes"),
        ({"claw": (Path("no-run"),)}, "no-run"),
    ],
)
def test_what_makes_no_study_is_refused_and_leaves_nothing(options, named, tmp_path):
    with pytest.raises(BadInput, match=named):
        exploration_study(tmp_path / "study", **options)
    assert not (tmp_path / "study").exists()


# ---- going on ------------------------------------------------------------------------------------


def test_a_study_ends_with_a_page_and_its_second_time_makes_nothing_again(small, tmp_path):
    small()
    out = tmp_path / "study"
    page = (out / "index.md").read_text()
    for word in ("desiderata on points", "reinforce", "Wall clock", "| training |"):
        assert word in page
    made = {p: p.stat().st_mtime_ns for p in [out / "d.jsonl", *out.glob("runs/*/*/eval.json")]}

    small()
    assert made == {path: path.stat().st_mtime_ns for path in made}
    with pytest.raises(BadInput, match=r"--claw: found .*expected a run on the claw"):
        small(claw=(next(out.glob("runs/*/0")),))
    parts = [json.loads(line)["part"] for line in (out / "clock.jsonl").read_text().splitlines()]
    assert parts == ["training", "desiderata", "training"]


def test_another_study_in_the_same_folder_is_refused(small, tmp_path):
    begun = Study(seeds=(0,), scale=SCALE, learners=("reinforce",))
    write_json(tmp_path / "study" / "study.json", asdict(begun))
    with pytest.raises(BadInput, match=r"seeds: found \[0\], expected \[1\]"):
        small(seeds=(1,))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_what_was_stopped_goes_on_and_ends_as_if_it_had_not_been(number, small, tmp_path):
    out = tmp_path / "study"
    process = subprocess.Popen(command(out), stderr=subprocess.PIPE, start_new_session=True)
    wait_for(out / "runs" / "reinforce-shown-goal" / "0" / "config.json")
    process.send_signal(number)
    error = process.communicate(timeout=60)[1].decode()
    assert process.returncode == (130 if number == signal.SIGINT else -signal.SIGKILL), error
    until = time.monotonic() + 30
    while processes_naming(out):  # no training outlives the study
        assert time.monotonic() < until, processes_naming(out)
        time.sleep(0.05)
    assert not (out / "index.md").exists()

    small()
    whole = tmp_path / "whole"
    small.func(whole, **small.keywords)
    for planned in study_module.PLAN:
        one, other = (
            MetricsFile(each / "runs" / planned.recipe / "0" / "metrics.csv").read()
            for each in (out, whole)
        )
        clocked = ("seconds", "steps_per_second")
        assert [x for x in one if x.metric not in clocked] == [
            x for x in other if x.metric not in clocked
        ]
    assert (out / "index.md").exists()


def test_nothing_is_measured_where_a_training_failed(small, tmp_path, monkeypatch):
    real = study_module._training

    def broken(study, planned, seed, out):
        training = real(study, planned, seed, out)
        extra = ("no_such=1",) if planned.family == "shown_goal" else ()
        return replace(training, settings=(*training.settings, *extra))

    monkeypatch.setattr(study_module, "_training", broken)
    with pytest.raises(WorkFailed, match=r"reinforce-shown-goal/0; what they printed"):
        small()
    out = tmp_path / "study"
    assert (out / "runs" / "reinforce-point-robot" / "0" / "eval.json").exists()
    assert not (out / "d.jsonl").exists()
    assert "no_such" in (out / "runs" / "reinforce-shown-goal" / "0.log").read_text()

    monkeypatch.setattr(study_module, "_training", real)
    small()
    assert (out / "index.md").exists()
