"""`taskbelief evaluate` from the outside: what it writes, refuses, survives and says."""

from __future__ import annotations

import csv
import json
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from sim2real.cli import main
from sim2real.contract.robot_spec import load_robot_spec
from sim2real.evaluation.direct import DirectSession
from sim2real.evaluation.from_recordings import recompute_results
from sim2real.evaluation.journal import JOURNAL, read_journal
from sim2real.runtime.kinds.recurrent_belief import RecurrentBeliefSettings
from sim2real.runtime.kinds.registry import REHEARSED
from training.benches.evaluate_bundle import evaluate
from training.benches.options import Options, say_what_is_untrained

SPEC = load_robot_spec()
EPISODES = ("--num-episodes", "3", "--num-trials", "2")


@pytest.fixture
def folder(exported_bundles) -> Path:
    return exported_bundles()


def document(out: Path):
    return json.loads((out / "results.json").read_text())


def without_times(results):
    """What does not depend on the machine, the commit, or how often it was interrupted."""
    varies = ("latency_s", "recordings")
    kept = {name: value for name, value in results.items() if name not in varies}
    return kept | {"provenance": {**kept["provenance"], "git_commit": ""}}


def test_it_writes_what_others_read(folder, tmp_path, capsys):
    out = tmp_path / "out"

    assert main(["evaluate", str(folder), "--out", str(out), "--num-episodes", "2"]) == 0

    results = document(out)
    assert set(results) >= {
        "bundle", "robot", "tasks", "trials", "episodes", "conditions", "adapted_by_episode",
        "per_task", "differences", "interventions", "latency_s", "safety_events", "evidence",
        "faults", "provenance", "recordings", "not_available",
    }  # fmt: skip
    assert set(results["not_available"]) == {"robust", "oracle"}
    with (out / "episodes.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 2 * 2 + 2 + 2
    assert len(read_journal(out / JOURNAL)[1]) == 2 * 2 + 2 + 2
    assert sorted(path.name for path in (out / "recordings").iterdir()) == results["recordings"]
    shown = capsys.readouterr().out
    assert "adapted, episode 1" in shown
    assert "oracle: not available" in shown


def test_a_belief_about_parameters_is_said_and_reported_beside_the_truth(
    exported_bundles, tmp_path, capsys
):
    out, folder = tmp_path / "out", exported_bundles("recurrent_belief", 2)

    assert main(["evaluate", str(folder), "--out", str(out), "--num-episodes", "2"]) == 0

    truths = {row["task"]: row["parameters"]["valve_damping"] for row in document(out)["per_task"]}
    shown = capsys.readouterr().out
    lines = [line for line in shown.splitlines() if " adapted, episode 1:" in line]
    assert len(lines) == len(truths) == 2
    pattern = r"belief valve_damping -?[\d.]+ ± [\d.]+ N m s/rad \(true ([\d.]+)\)$"
    for line, (task, [truth]) in zip(lines, truths.items(), strict=True):
        assert task in line
        [found] = re.findall(pattern, line)
        assert float(found) == pytest.approx(truth, abs=0.06)
    assert "valve damping, N m s/rad" in (out / "report.html").read_text()
    with (out / "figures" / "belief.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["dimension"] for row in rows} == {"valve_damping"}
    assert all(float(row["truth"]) == truths[row["task"]][0] for row in rows)


@pytest.mark.parametrize(
    ("given", "explores", "expected"), [(None, 0, 3), (None, 20, 21), (2, 20, 2)]
)
def test_a_trial_is_as_long_as_the_bundle_needs_unless_told(given, explores, expected):
    settings = replace(REHEARSED, num_exploration_episodes=explores)  # type: ignore[type-var]
    bundle = SimpleNamespace(settings=lambda: settings)
    options = Options(num_episodes=given)

    assert options.protocol(bundle).num_episodes == expected  # type: ignore[arg-type]


def test_a_recurrent_belief_is_played_for_as_long_as_it_was_trained(capsys):
    of_two = RecurrentBeliefSettings(hidden_size=4, num_trained_episodes=2)
    bundle = SimpleNamespace(settings=lambda: of_two)

    assert Options().protocol(bundle).num_episodes == 2  # type: ignore[arg-type]
    assert Options(num_episodes=5).protocol(bundle).num_episodes == 5  # type: ignore[arg-type]
    say_what_is_untrained(of_two, 2)
    assert capsys.readouterr().err == ""
    say_what_is_untrained(of_two, 5)
    assert capsys.readouterr().err == (
        "trained on trials of 2 episodes: what the belief does in the other 3 was never learnt\n"
    )


def test_a_folder_with_an_evaluation_is_refused_in_one_line(folder, tmp_path, capsys):
    out = tmp_path / "out"
    arguments = ["evaluate", str(folder), "--out", str(out), "--num-episodes", "1", "--quiet"]
    assert main(arguments) == 0
    before = document(out)
    capsys.readouterr()

    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "--resume" in error

    assert main([*arguments, "--resume"]) == 0
    assert document(out) == before


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--num-tasks", "0"], "--num-tasks"),
        (["--max-faults", "0"], "--max-faults"),
        (["--robot", "serial", "--unit", "emulated"], "--port"),
        (["--robot", "serial", "--port", "/dev/null"], "--unit"),
        (["--port", "/dev/null"], "--port"),
        (["--rate", "50"], "--rate"),
        (["--robot", "emulated", "--rate", "33"], "--rate"),
        (["--faults", "plan.yaml"], "--faults"),
        (["--realtime-priority", "5"], "--realtime-priority"),
        (["--resume"], "--out"),
        (["--task", "tasks.json"], "task"),
        (["--task", "tasks.json:0", "--num-tasks", "2"], "--task"),
        (["--tasks", "nowhere.json"], "nowhere.json"),
    ],
)
def test_options_that_do_not_fit_are_one_line(folder, capsys, arguments, named):
    assert main(["evaluate", str(folder), *arguments]) == 2

    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert named in error


def test_one_task_starts_as_it_does_among_all_of_its_set(folder, tmp_path):
    options = Options(out=tmp_path / "all", num_episodes=2, quiet=True)
    evaluate(folder, options=options)
    task = f"{folder / 'tasks.json'}:1"
    evaluate(folder, options=replace(options, out=tmp_path / "one", task=task))

    among_all, alone = document(tmp_path / "all")["per_task"][1], document(tmp_path / "one")
    assert alone["tasks"] == 1
    assert alone["per_task"][0]["episodes"] == among_all["episodes"]
    assert alone["per_task"][0]["frozen_prior"] == among_all["frozen_prior"]
    assert alone["not_available"]["wrong_task"] == "there is one task only"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "num_lines", "code"),
    [
        (signal.SIGKILL, 2, -signal.SIGKILL),
        (signal.SIGKILL, 5, -signal.SIGKILL),
        (signal.SIGTERM, 3, 130),
        (signal.SIGINT, 3, 130),
    ],
)
def test_an_interrupted_evaluation_goes_on_and_ends_as_if_nothing_had_been(
    folder, tmp_path, number, num_lines, code
):
    command = [sys.executable, "-m", "sim2real.cli", "evaluate", str(folder), *EPISODES]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    subprocess.run([*command, "--out", str(whole)], check=True, capture_output=True)

    with subprocess.Popen(
        [*command, "--out", str(killed)],
        stdout=subprocess.DEVNULL,
        # Whoever runs the tests in the background has SIGINT ignored, and so would this child.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        journal = killed / JOURNAL
        deadline = time.monotonic() + 300.0
        while not journal.exists() or journal.read_bytes().count(b"\n") <= num_lines:
            assert process.poll() is None, "it was done before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.002)
        process.send_signal(number)
        assert process.wait(60.0) == code
    assert (killed / "results.json").exists() == (code == 130)
    before = read_journal(journal)[1]
    assert len(before) >= num_lines
    subprocess.run([*command, "--out", str(killed), "--resume"], check=True, capture_output=True)

    after = read_journal(journal)[1]
    assert after[: len(before)] == before
    assert without_times(document(killed)) == without_times(document(whole))
    assert not list((killed / "recordings").glob("*.part"))
    recomputed = json.loads(json.dumps(recompute_results(killed / "recordings")))
    assert recomputed == document(killed)


def test_a_fault_is_exit_code_1_and_one_line_that_says_how_to_go_on(
    folder, tmp_path, capsys, monkeypatch
):
    run_episode, calls = DirectSession.run_episode, []

    def failing(session, plan):
        calls.append(plan)
        if len(calls) == 3:
            session.loop.robot.quarantine()
        return run_episode(session, plan)

    monkeypatch.setattr(DirectSession, "run_episode", failing)
    arguments = ["evaluate", str(folder), "--out", str(tmp_path / "out"), "--num-episodes", "4"]

    assert main([*arguments, "--quiet"]) == 1

    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "test/0, adapted, episode 2" in error
    assert "--resume" in error
    results = document(tmp_path / "out")
    assert results["interventions"] == 1
    assert len(results["per_task"][0]["episodes"]) == 2
    assert main([*arguments, "--quiet", "--resume"]) == 0
    assert document(tmp_path / "out")["conditions"]["adapted"]["tasks"] == 2


@pytest.mark.parametrize("answer", ["no", ""])
def test_a_real_hand_does_not_move_before_somebody_said_that_it_may(
    folder, capsys, monkeypatch, answer
):
    monkeypatch.setattr("builtins.input", lambda _: answer)
    robot = ["--robot", "serial", "--port", "/dev/null", "--unit", "emulated"]

    assert main(["evaluate", str(folder), *robot]) == 2

    assert "workspace" in capsys.readouterr().err


def test_an_emulated_hand_is_not_passed_off_as_a_real_one(folder, tmp_path, capsys):
    port = str(tmp_path / "port")
    robot = ["--robot", "serial", "--port", port, "--unit", "emulated", "--yes", "--quiet"]

    assert main(["evaluate", str(folder), *robot]) == 2

    assert "unit" in capsys.readouterr().err


def test_nothing_of_training_is_needed():
    code = "import training.benches.evaluate_bundle, sys; print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert run.stdout.strip() == "False"


def test_an_oracle_is_measured_by_the_code_that_trained_it(folder, tmp_path):
    from training.algorithms.sac import SacConfig
    from training.recipes.recipe import Recipe
    from training.runs.start import start_run

    config = SacConfig(
        view="oracle", hidden_sizes=(8,), num_worlds=2, num_initial_steps=60, num_steps=60,
        num_gradient_steps=1, batch_size=8,
    )  # fmt: skip
    recipe = Recipe(
        algorithm="sac", family="valve_turn", config=config, num_train_tasks=2, num_test_tasks=2,
        num_iterations=1, num_trial_episodes=1, num_evaluation_trials=1,
    )  # fmt: skip
    run = tmp_path / "oracle"
    start_run(recipe, name="oracle", seed=0, directory=run, is_quiet=True)
    options = Options(out=tmp_path / "out", num_episodes=1, quiet=True, oracle=run)

    assert evaluate(folder, options=options) == 0

    results = document(tmp_path / "out")
    assert results["conditions"]["oracle"]["tasks"] == 2
    assert "oracle" not in results["not_available"]
    assert "adapted - oracle" in results["differences"]


EMULATED = ("--robot", "emulated", "--num-episodes", "1", "--num-tasks", "1", "--quiet")


@pytest.mark.slow
@pytest.mark.realtime
def test_an_emulated_hand_that_is_unplugged_is_gone_on_with(folder, tmp_path, capsys):
    plan = tmp_path / "faults.yaml"
    plan.write_text("faults:\n  - {kind: unplugged, start_s: 4.0}\n")
    arguments = ["evaluate", str(folder), *EMULATED, "--out", str(tmp_path / "out")]

    assert main([*arguments, "--faults", str(plan)]) == 1
    assert "--resume" in capsys.readouterr().err
    for _ in range(5):  # a busy machine may be as bad as a loose cable
        if main([*arguments, "--resume"]) == 0:
            break

    results = document(tmp_path / "out")
    assert results["interventions"] >= 1
    assert set(results["conditions"]) == {"adapted", "episode_0", "frozen_prior"}
