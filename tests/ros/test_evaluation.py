"""An evaluation over a graph loses no finished episode, whatever is killed in its middle."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
from pathlib import Path

import pytest

from sim2real.bringup.graph import dclaw_graph, evaluation_graph
from sim2real.contract.robot_spec import load_robot_spec
from sim2real.evaluation.from_recordings import recompute_results
from sim2real.evaluation.journal import JOURNAL, read_journal
from sim2real.evaluation.plan_file import make_plan, write_plan
from sim2real.evaluation.protocol import TrialProtocol
from sim2real.evaluation.results import RESULTS
from tests.ros.graph import BUNDLE, Bench, patient_robot
from tests.ros.test_bringup import running
from training.benches.bench_tasks import held_out
from training.families.registry import claw_family

pytestmark = [pytest.mark.realtime, pytest.mark.slow]

PATIENCE_S = 120.0
"""for an episode on a busy machine, with the start of everything that it needs"""


@pytest.fixture
def graph(tmp_path, ros_domain_id):
    """One task, two episodes, and one without evidence."""
    family = claw_family("valve_turn", "test")
    tasks, sha256 = held_out(family, BUNDLE / "tasks.json", 1)
    plan = make_plan(tasks, TrialProtocol(num_episodes=2), sha256)
    write_plan(tmp_path / "plan.json", plan)
    robot_config, bundle = patient_robot(tmp_path)
    hand = dclaw_graph(
        robot="emulated",
        bundle=str(bundle),
        port=str(tmp_path / "port"),
        rate_hz=20.0,
        robot_config=str(robot_config),
    )
    driver, policy = hand.nodes
    patient = dataclasses.replace(driver, parameters={**driver.parameters, "patience_s": 0.5})
    hand = dataclasses.replace(hand, nodes=(patient, policy))
    out = str(tmp_path / "results")
    return evaluation_graph(hand, plan=str(tmp_path / "plan.json"), out=out, max_faults=10)


def records(folder: Path, outcome: str):
    """Episodes of that outcome, in the order in which they ended."""
    path = folder / JOURNAL
    found = read_journal(path)[1] if path.exists() else []
    return [record for record in found if record.outcome == outcome]


def test_it_goes_on_after_its_policy_and_itself_were_killed(graph, tmp_path):
    out = tmp_path / "results"
    with running(graph, tmp_path) as first:
        Bench.wait_for(lambda: records(out, "completed"), "an episode", PATIENCE_S)
        known = len(records(out, "fault"))
        os.kill(first.pid("policy"), signal.SIGKILL)
        assert first.end() == 1
    assert "/policy ended with SIGKILL" in first.said
    done = records(out, "completed")
    assert len(records(out, "fault")) > known, "it is in the journal"
    assert all(fault.reason for fault in records(out, "fault"))

    with running(graph, tmp_path) as second:
        second.await_word("/evaluator: ")
        evaluator = second.pid("evaluator")
        more = lambda: len(records(out, "completed")) > len(done)  # noqa: E731
        Bench.wait_for(more, "another episode", PATIENCE_S)
        os.kill(evaluator, signal.SIGKILL)
        assert second.end() == 1

    with running(graph, tmp_path) as last:
        assert last.process.wait(PATIENCE_S) == 0, last.said + last.log("driver")

    finished = records(out, "completed")
    assert finished[: len(done)] == done, "what was finished stays"
    keys = [record.key for record in finished]
    assert len(keys) == len(set(keys)) == 3, "nothing is done twice"
    assert load_robot_spec(tmp_path / "robot.yaml").fingerprint in (out / JOURNAL).read_text()


def test_its_results_can_be_worked_out_again_from_its_recordings(graph, tmp_path):
    out = tmp_path / "results"
    with running(graph, tmp_path) as up:
        assert up.process.wait(PATIENCE_S) == 0, up.said + up.log("driver") + up.log("policy")

    found = json.loads((out / RESULTS).read_text())
    again = json.loads(json.dumps(recompute_results(out / "recordings")))
    # A hand that could not be made ready, on a busy machine, is in no recording.
    for name in ("faults", "interventions"):
        found.pop(name), again.pop(name)
    assert found == again
    assert found["conditions"].keys() >= {"adapted", "episode_0", "frozen_prior"}
