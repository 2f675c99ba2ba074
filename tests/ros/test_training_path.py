"""What the policy node computes from readings is what training computes from them, in torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sim2real.contract.joint_io import Reading
from sim2real.contract.transition import Transition
from sim2real.recording.episodes import Episode, episodes
from sim2real.recording.reader import read_recording
from sim2real.skills.skill import Moment, observation, reward
from taskbelief_hardware.interfaces import HAND_READING, JOINT_TARGETS
from taskbelief_policy.interfaces import BELIEF, EPISODE_START, POLICY_STEP, TRIAL_RESULT
from tests.ros.pretended_hand import PretendedHand
from training.export.untrained import untrained_parts
from training.families.valve import VALVE_TURN
from training.parts.encoders import Gaussian, product_of_gaussians

pytestmark = [pytest.mark.realtime, pytest.mark.slow]

SCENE = VALVE_TURN.scene
CLOSE = {"rtol": 1e-4, "atol": 2e-5}
"""float32, whose sums ONNX Runtime and torch take in another order"""


@pytest.fixture(scope="module")
def parts():
    """In torch, what `exported_bundles` has exported."""
    return untrained_parts(SCENE, hidden_sizes=(32, 32), encoder_hidden_sizes=(32, 32))


@pytest.fixture
def recorded(bench, exported_bundles, tmp_path) -> list[Episode]:
    """Two episodes of a policy node, from the file that they were recorded in."""
    node = bench.start("policy", bundle=exported_bundles())
    assert bench.change(node, "configure", "activate"), node.log
    said = (HAND_READING, JOINT_TARGETS, POLICY_STEP, BELIEF, EPISODE_START, TRIAL_RESULT)
    with bench.recording(tmp_path / "one.mcap", said) as counts:
        with PretendedHand(bench, SCENE.control_period_s):
            bench.begin_trial()
            for _ in range(2):
                assert bench.run_episode().outcome == "completed", node.log
        bench.wait_for(lambda: counts["trial_result"] == 2, "the results to be recorded")
    return list(episodes(read_recording(tmp_path / "one.mcap")))


def test_observations_rewards_rows_belief_and_actions_are_those_of_training(recorded, parts):
    factors: list[Gaussian] = []
    assert len(recorded) == 2
    for episode in recorded:
        steps, beliefs = episode.steps, episode.beliefs
        seen, paid = as_trained(episode)
        np.testing.assert_allclose(steps["observation"], seen, **CLOSE)
        np.testing.assert_allclose(steps["reward"], paid, **CLOSE)

        rows = context_rows(episode, seen, paid, parts)
        with torch.no_grad():
            mean, variance = parts.modules["encoder"](torch.from_numpy(rows))
        for tick in range(len(seen)):
            if steps["rejection"][tick] == "":
                factors.append(Gaussian(mean[tick - 1], variance[tick - 1]))
            if factors:
                believed = product_of_gaussians(stacked(factors))
                np.testing.assert_allclose(beliefs["mean"][tick], believed.mean, **CLOSE)
                np.testing.assert_allclose(beliefs["variance"][tick], believed.variance, **CLOSE)
                kl = float(believed.kl_from_prior())
                assert beliefs["kl_from_prior"][tick] == pytest.approx(kl, rel=1e-3, abs=1e-4)
            assert beliefs["num_transitions"][tick] == len(factors)

        acted = slice(0, len(seen) - 1)
        with torch.no_grad():
            wanted = parts.modules["policy"](
                torch.from_numpy(seen[acted]),
                torch.from_numpy(beliefs["shown"][acted].astype(np.float32)),
            )
        np.testing.assert_allclose(steps["action"][acted], wanted, **CLOSE)
    assert len(factors) > 0.8 * sum(len(item.steps["tick"]) - 2 for item in recorded)


def as_trained(episode: Episode) -> tuple[np.ndarray, np.ndarray]:
    """(T, O) observations and (T,) rewards, batched as worlds are."""
    steps = set(episode.steps["reading_ns"].tolist())
    states = [state for state in episode.states if state.reading.stamp_ns in steps]
    readings = [state.reading for state in states]
    stamps = np.array([reading.stamp_ns for reading in readings])
    targets = np.array([episode.start.target_rad, *(state.applied_rad for state in states[1:])])

    def column(name: str) -> np.ndarray:
        return np.array([getattr(reading, name) for reading in readings])

    joint = ("position_rad", "velocity_rad_s", "current_ma")
    valve = ("object_position_rad", "object_velocity_rad_s")
    elapsed_s = (stamps - stamps[0]) * 1e-9
    moment = Moment(
        reading=Reading(
            stamp_ns=0, sequence=0, **{name: column(name) for name in (*joint, *valve)}
        ),
        target_position_rad=targets,
        elapsed_s=elapsed_s,
        goal=np.array([episode.start.goal(moment_s) for moment_s in elapsed_s]),
        object_start_rad=np.full(len(readings), readings[0].object_position_rad),
        halfway_s=np.full(len(readings), np.inf),  # what this skill does not ask for
        object_halfway_rad=np.zeros(len(readings)),
        lower_rad=SCENE.spec.joint_array("lower_rad"),
        upper_rad=SCENE.spec.joint_array("upper_rad"),
    )
    values = SCENE.skill.values(moment)
    return observation(SCENE.skill, values), reward(SCENE.skill, values)


def context_rows(episode: Episode, seen, paid, parts) -> np.ndarray:
    """(T - 1, C) one row per transition, whether or not it became evidence."""
    count = len(seen) - 1
    applied = np.nan_to_num(episode.steps["previous_applied_action"][1:]).astype(np.float32)
    transition = Transition(
        observation=seen[:-1],
        action=applied,
        reward=paid[1:],
        next_observation=seen[1:],
        terminated=np.zeros(count, bool),
        truncated=np.arange(count) == count - 1,
    )
    return parts.context_layout.row(transition)


def stacked(factors: list[Gaussian]) -> Gaussian:
    return Gaussian(*(torch.stack(list(column)) for column in zip(*factors)))
