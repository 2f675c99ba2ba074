"""An evaluation over a graph loses no finished episode, whatever is killed in its middle."""

from __future__ import annotations

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
from training.evaluation.bench import claw_family, held_out

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
    out = str(tmp_path / "results")
    return evaluation_graph(hand, plan=str(tmp_path / "plan.json"), out=out, max_faults=5)


def records(folder: Path):
    path = folder / JOURNAL
    return read_journal(path)[1] if path.exists() else []


def test_it_goes_on_after_its_policy_and_itself_were_killed(graph, tmp_path):
    out = tmp_path / "results"
    with running(graph, tmp_path) as first:
        Bench.wait_for(lambda: records(out), "an episode", PATIENCE_S)
        os.kill(first.pid("policy"), signal.SIGKILL)
        assert first.end() == 1
    assert "/policy ended with SIGKILL" in first.said
    done, *faults = records(out)
    assert done.outcome == "completed"
    assert any(fault.outcome == "fault" and fault.reason for fault in faults)

    with running(graph, tmp_path) as second:
        second.await_word("/evaluator: ")
        evaluator = second.pid("evaluator")
        known = len(records(out))
        Bench.wait_for(lambda: len(records(out)) > known, "another episode", PATIENCE_S)
        os.kill(evaluator, signal.SIGKILL)
        assert second.end() == 1

    with running(graph, tmp_path) as last:
        assert last.process.wait(PATIENCE_S) == 0, last.said + last.log("driver")

    finished = [record for record in records(out) if record.outcome == "completed"]
    assert finished[0] == done, "what was finished stays"
    keys = [record.key for record in finished]
    assert len(keys) == len(set(keys)) == 3, "nothing is done twice"
    assert load_robot_spec(tmp_path / "robot.yaml").fingerprint in (out / JOURNAL).read_text()


def test_its_results_can_be_worked_out_again_from_its_recordings(graph, tmp_path):
    out = tmp_path / "results"
    with running(graph, tmp_path) as up:
        assert up.process.wait(PATIENCE_S) == 0, up.said + up.log("driver") + up.log("policy")

    found = json.loads((out / RESULTS).read_text())
    again = json.loads(json.dumps(recompute_results(out / "recordings")))
    assert found == again
    assert found["conditions"].keys() >= {"adapted", "episode_0", "frozen_prior"}
