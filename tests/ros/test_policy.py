"""The policy's life, its services, and what it says about what it believes."""

from __future__ import annotations

import shutil

import pytest

from sim2real.runtime.bundle import MANIFEST, read_bundle
from taskbelief_hardware.interfaces import DIAGNOSTICS
from taskbelief_policy.interfaces import (
    BEGIN_EPISODE,
    BEGIN_TRIAL,
    BELIEF,
    BUNDLE_INFO,
    END_EPISODE,
    EPISODE_START,
    FREEZE_BELIEF,
    GET_BELIEF,
    POLICY_STEP,
    RESET_BELIEF,
    SET_BELIEF,
    TRIAL_RESULT,
)
from tests.ros.graph import BUNDLE, Bench, bench_in, patient_robot
from tests.ros.pretended_hand import PretendedHand

pytestmark = pytest.mark.realtime

TRIAL = {"robot": "simulated", "task": "test/0", "condition": "adapted", "seed": 7}
GOAL = {"seed": 3, "goal_centre": [1.0]}
PERIOD_S = read_bundle(BUNDLE).manifest.control_period_s


class Policy:
    """A policy, a hand that the test plays, and what the policy has said."""

    def __init__(self, bench: Bench, folder) -> None:
        self.bench = bench
        robot_config, bundle = patient_robot(folder)
        self.node = bench.start("policy", bundle=bundle, robot_config=robot_config)
        self.steps, self.beliefs = bench.listen(POLICY_STEP), bench.listen(BELIEF)
        self.starts, self.results = bench.listen(EPISODE_START), bench.listen(TRIAL_RESULT)

    def result(self, count: int):
        self.bench.wait_for(lambda: len(self.results) > count, "the episode's result")
        return self.results[-1]

    def memory(self):
        answer = self.bench.call(GET_BELIEF)
        assert answer.success, answer.message
        return answer


@pytest.fixture(scope="module")
def unconfigured(ros_domain_id, tmp_path_factory):
    folder = tmp_path_factory.mktemp("policy")
    with bench_in(folder, ros_domain_id) as bench:
        yield Policy(bench, folder)


@pytest.fixture
def policy(unconfigured):
    """Active, in a fresh trial, with no episode."""
    bench, node = unconfigured.bench, unconfigured.node
    for state, label in (("unconfigured", "configure"), ("inactive", "activate")):
        if bench.state(node) == state:
            assert bench.change(node, label), node.log
    bench.call(END_EPISODE, reason="the test before is over")
    assert bench.call(FREEZE_BELIEF, is_frozen=False).success
    assert bench.call(BEGIN_TRIAL, **TRIAL).success
    return unconfigured


@pytest.fixture
def hand(policy):
    with PretendedHand(policy.bench, PERIOD_S) as hand:
        yield hand


def test_services_refuse_what_comes_too_early_and_say_why(unconfigured):
    bench, node = unconfigured.bench, unconfigured.node
    for service, fields in (
        (BEGIN_TRIAL, TRIAL),
        (BEGIN_EPISODE, GOAL),
        (END_EPISODE, {}),
        (FREEZE_BELIEF, {}),
        (SET_BELIEF, {}),
        (GET_BELIEF, {}),
        (RESET_BELIEF, {}),
    ):
        answer = bench.call(service, **fields)
        assert not answer.success
        assert answer.message, service.name
    assert bench.change(node, "configure"), node.log
    assert "not_active" in bench.call(BEGIN_EPISODE, **GOAL).message
    assert bench.change(node, "activate"), node.log
    assert "trial" in bench.call(BEGIN_EPISODE, **GOAL).message
    assert bench.call(BEGIN_TRIAL, **TRIAL).success
    assert "goal" in bench.call(BEGIN_EPISODE, seed=3, goal_centre=[1.0, 2.0]).message
    assert "goal" in bench.call(BEGIN_EPISODE, seed=3, goal_centre=[float("nan")]).message
    assert "memory" in bench.call(SET_BELIEF, names=["hidden"], sizes=[1], values=[0.0]).message


def test_an_episode_is_told_from_start_to_result(policy, hand):
    told, diagnostics = [len(policy.steps), len(policy.results)], policy.bench.listen(DIAGNOSTICS)
    info = policy.bench.listen(BUNDLE_INFO)
    begun = policy.bench.call(BEGIN_EPISODE, **GOAL)
    assert begun.success, begun.message

    result = policy.result(told[1])

    assert (result.outcome, result.num_steps) == ("completed", begun.num_steps)
    steps = policy.steps[told[0] :]
    assert [step.tick for step in steps] == list(range(begun.num_steps + 1))
    assert [step.is_last for step in steps] == [False] * begun.num_steps + [True]
    assert result.total_reward == pytest.approx(sum(step.reward for step in steps[1:]))
    belief = policy.beliefs[-1]
    assert belief.num_transitions == result.num_transitions > 0.8 * begun.num_steps
    assert belief.kl_from_prior > 0.0
    assert min(belief.variance) > 0.0
    start = policy.starts[-1]
    assert (start.episode_seed, start.trial_seed) == (3, 7)
    assert list(start.goal_centre) == [1.0]
    assert info[0].digest == belief.bundle_digest == start.bundle_digest
    policy.bench.wait_for(lambda: diagnostics, "diagnostics")
    rows = {row.name: row for row in diagnostics[-1].status}
    assert {"policy: bundle", "policy: policy", "policy: belief"} <= set(rows)
    assert info[0].digest in rows["policy: bundle"].message


def test_commands_answer_readings_and_live_for_two_periods(policy, hand):
    assert policy.bench.call(BEGIN_EPISODE, **GOAL).success
    policy.bench.wait_for(lambda: len(hand.commands) > 3, "commands")
    answered = {step.reading_ns for step in policy.steps}
    for command in hand.commands:
        assert command.lifespan_s == pytest.approx(2 * PERIOD_S)
        assert sorted(command.names) == sorted(hand.names)
    assert {command.reading_ns for command in hand.commands[:-1]} <= answered


def test_a_frozen_belief_stays_as_it_is(policy, hand):
    assert policy.bench.call(FREEZE_BELIEF, is_frozen=True).success
    before, told = policy.memory(), len(policy.steps)
    assert policy.bench.call(BEGIN_EPISODE, **GOAL).success
    policy.bench.wait_for(lambda: len(policy.steps) > told + 4, "steps")
    assert policy.bench.call(END_EPISODE, reason="seen enough").success
    assert policy.memory() == before
    assert policy.beliefs[-1].is_frozen
    assert "frozen" in policy.beliefs[-1].rejection_causes


def test_a_belief_is_kept_given_back_and_reset(policy, hand):
    prior, told = policy.memory(), len(policy.steps)
    assert policy.bench.call(BEGIN_EPISODE, **GOAL).success
    policy.bench.wait_for(lambda: len(policy.steps) > told + 4, "steps")
    busy = policy.bench.call(RESET_BELIEF)
    assert not busy.success
    assert "episode" in busy.message
    assert policy.bench.call(END_EPISODE, reason="seen enough").success
    learnt = policy.memory()
    assert learnt != prior

    assert policy.bench.call(RESET_BELIEF).success
    assert policy.memory() == prior
    kept = {name: getattr(learnt, name) for name in ("names", "sizes", "values")}
    assert policy.bench.call(SET_BELIEF, **kept).success
    assert policy.memory() == learnt


def test_ending_deactivating_and_a_stopped_hand_end_an_episode_with_a_reason(policy, hand):
    bench = policy.bench
    count = len(policy.results)
    assert bench.call(BEGIN_EPISODE, **GOAL).success
    assert bench.call(END_EPISODE, reason="an operator").success
    result = policy.result(count)
    assert (result.outcome, result.reason) == ("aborted", "an operator")

    assert bench.call(BEGIN_EPISODE, **GOAL).success
    assert bench.change(policy.node, "deactivate"), policy.node.log
    result = policy.result(count + 1)
    assert result.outcome == "aborted"
    assert "deactivated" in result.reason

    assert bench.change(policy.node, "activate"), policy.node.log
    assert bench.call(BEGIN_EPISODE, **GOAL).success
    hand.is_following = False
    assert policy.result(count + 2).outcome == "fault"


def test_an_inactive_policy_says_nothing(policy, hand):
    bench, count = policy.bench, len(policy.results)
    assert bench.call(BEGIN_EPISODE, **GOAL).success
    bench.wait_for(lambda: hand.commands, "commands")
    assert bench.change(policy.node, "deactivate"), policy.node.log
    policy.result(count)
    told = len(hand.commands)
    assert "not_active" in bench.call(BEGIN_EPISODE, **GOAL).message
    assert bench.call(GET_BELIEF).success, "what it knows can be asked for"
    assert len(hand.commands) == told


def test_readings_of_another_hand_are_refused(policy):
    with PretendedHand(policy.bench, PERIOD_S) as hand:
        hand.names = [f"thumb{n}" for n in range(9)]
        count = len(policy.results)
        assert policy.bench.call(BEGIN_EPISODE, **GOAL).success
        result = policy.result(count)
    assert result.outcome == "fault"
    assert "no reading" in result.reason
    assert "thumb0" in policy.node.log
    assert policy.bench.state(policy.node) == "active"


def test_an_episode_without_readings_ends_as_a_fault(policy):
    count = len(policy.results)
    assert policy.bench.call(BEGIN_EPISODE, **GOAL).success
    result = policy.result(count)
    assert (result.outcome, result.num_steps) == ("fault", 0)
    assert "no reading" in result.reason


def test_cleaned_up_it_forgets_and_can_be_configured_anew(policy):
    bench, node = policy.bench, policy.node
    assert bench.change(node, "deactivate", "cleanup"), node.log
    assert not bench.call(GET_BELIEF).success
    assert bench.change(node, "configure", "activate"), node.log
    assert "trial" in bench.call(BEGIN_EPISODE, **GOAL).message
    assert bench.change(node, "shutdown"), node.log
    assert bench.state(node) == "finalized"
    assert node.stop() == 0


def test_a_bundle_that_does_not_fit_is_not_configured_until_it_does(bench, tmp_path):
    folder = tmp_path / "bundle"
    node = bench.start("policy", bundle=folder)
    assert not bench.change(node, "configure")
    assert f"{folder}" in node.log

    shutil.copytree(BUNDLE, folder)
    manifest = (folder / MANIFEST).read_text()
    (folder / MANIFEST).write_text(manifest.replace('"dclaw"', '"eclaw"'))
    assert not bench.change(node, "configure")
    assert "sha256" in node.log

    (folder / MANIFEST).write_text(manifest)
    policy = (folder / "policy.onnx").read_bytes()
    (folder / "policy.onnx").write_bytes(policy[:-1] + bytes([policy[-1] ^ 1]))
    assert not bench.change(node, "configure")
    assert "policy.onnx" in node.log

    (folder / "policy.onnx").write_bytes(policy)
    assert bench.change(node, "configure"), node.log
    assert node.stop() == 0


def test_a_bundle_for_another_robot_is_not_configured(bench, tmp_path):
    robot_config, _ = patient_robot(tmp_path)
    node = bench.start("policy", bundle=BUNDLE, robot_config=robot_config)
    assert not bench.change(node, "configure")
    assert "robot.fingerprint" in node.log
