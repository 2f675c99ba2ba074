"""ONNX policies by a YAML file: what they are told, what they keep, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import yaml

from sim2real.contract.errors import BadInput, WorkFailed
from tests.peers.others import RECURRENT, write_recurrent
from training.families.registry import FAMILIES
from training.peers.onnx_policy import is_onnx_policy, onnx_policy
from training.peers.player import Sizes
from training.tasks.task_set import draw_task_set

SIZES = Sizes(observation=2, action=2)
FAMILY = FAMILIES["sparse_point_robot"]
TASKS = draw_task_set(FAMILY, seed=0, num_train=1, num_test=3).test
ALL = np.ones(3, bool)


@pytest.mark.parametrize("reward", ["dense", "sparse"])
def test_actions_and_state_are_those_of_a_direct_computation(reward, tmp_path):
    path, by = write_recurrent(tmp_path, reward=reward)
    actor, world = onnx_policy(path, SIZES).make_actor(TASKS), FAMILY.make_world(3)
    hidden = np.zeros((3, 4))
    actor.begin_trial(0)
    for episode in range(2):
        before, paid, begins = np.zeros((3, 2)), np.zeros((3, 1)), np.ones((3, 1))
        observation = world.reset(TASKS, episode)
        actor.begin_episode(ALL)
        for _ in range(world.episode_length):
            told = {"obs": observation, "before": before, "paid": paid, "begins": begins}
            told["h"] = hidden
            hidden = np.tanh(sum(value @ by[name] for name, value in told.items()))
            chosen = actor.act(observation).action
            assert chosen == pytest.approx(np.tanh(hidden @ by["out"]), abs=1e-5)
            result = world.step(chosen)
            actor.observe(result.transition(observation), result.sparse_reward, ALL)
            before, begins = result.applied_action, np.zeros((3, 1))
            paid = (result.sparse_reward if reward == "sparse" else result.reward)[:, None]
            observation = result.observation
    assert actor.state["h"][:, 0] == pytest.approx(hidden, abs=1e-5)


def test_what_was_not_observed_has_left_nothing(tmp_path):
    path, _ = write_recurrent(tmp_path)
    actor, world = onnx_policy(path, SIZES).make_actor(TASKS), FAMILY.make_world(3)
    observation = world.reset(TASKS, 0)
    actor.begin_episode(ALL)
    result = world.step(actor.act(observation).action)
    assert not actor.state["h"].any()
    actor.observe(result.transition(observation), result.sparse_reward, np.array([1, 0, 1], bool))

    kept = actor.state["h"].copy()
    assert [bool(each.any()) for each in kept] == [True, False, True]
    actor.exchange_beliefs(np.array([1, 2, 0]))
    assert (actor.state["h"] == kept[[1, 2, 0]]).all()
    actor.begin_trial(0)
    assert not actor.state["h"].any()


def test_a_policy_that_keeps_nothing_does_not_adapt(tmp_path):
    path, _ = write_recurrent(tmp_path)
    assert onnx_policy(path, SIZES).adapts
    assert is_onnx_policy(path) and not is_onnx_policy(tmp_path)


def test_numbers_that_are_not_finite_are_no_actions(tmp_path):
    path, _ = write_recurrent(tmp_path, scale=np.nan)
    actor = onnx_policy(path, SIZES).make_actor(TASKS)

    with pytest.raises(WorkFailed, match="act is not finite"):
        actor.act(np.zeros((3, 2), np.float32))


LATENT = {
    "input": "z",
    "encoder": "policy.onnx",
    "row": "obs",
    "uses_next_observation": False,
    "mean": "act",
    "variance": "act",
    "num_exploration_episodes": 1,
}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"schema_version": 2}, "schema_version: found 2"),
        ({"model": "other.onnx"}, "other.onnx: file: found 'No such file"),
        ({"model": "policy.yaml"}, "policy.yaml: file: found"),
        ({"observation": "state"}, "inputs: found 'obs, before, paid, begins, h'"),
        ({"previous_reward": None}, "inputs: found 'obs, before, paid, begins, h'"),
        ({"previous_reward": "before"}, "inputs: found 'before twice'"),
        ({"action": "done"}, "outputs: found 'act, h_next', expected done"),
        ({"action": "h_next"}, r"shape of h_next: found \(1, 4\), expected \(1, 2\)"),
        ({"state": []}, "inputs: found"),
        ({"state": [{"input": "h"}]}, r"state\[0\].output: found 'nothing'"),
        ({"state": [{"input": "h", "output": "act"}]}, r"shape of act: found \(1, 2\)"),
        ({"state": "h"}, "state: found 'h'"),
        ({"reward": "both"}, "reward: found 'both'"),
        ({"num_episodes": 0}, "num_episodes: found 0"),
        ({"num_episodes": "two"}, "num_episodes: found 'two'"),
        ({"colour": "red"}, "colour"),
        ({"latent": {**LATENT, "encoder": "none.onnx"}}, "none.onnx: file"),
        ({"latent": LATENT}, "policy.onnx: inputs: found"),
        ({"latent": {**LATENT, "num_exploration_episodes": 0}}, "num_exploration_episodes: found"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(changes, named, tmp_path):
    path, _ = write_recurrent(tmp_path, **changes)

    with pytest.raises(BadInput, match=named) as refused:
        onnx_policy(path, SIZES)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", RECURRENT)
def test_every_field_has_to_be_there(name, tmp_path):
    path, _ = write_recurrent(tmp_path)
    path.write_text(yaml.safe_dump({key: value for key, value in RECURRENT.items() if key != name}))

    with pytest.raises(BadInput, match=f"{name}: found 'nothing'"):
        onnx_policy(path, SIZES)


def test_a_policy_for_other_worlds_is_refused(tmp_path):
    path, _ = write_recurrent(tmp_path)

    with pytest.raises(BadInput, match=r"input obs: found \['batch', 2\], expected \(1, 3\)"):
        onnx_policy(path, Sizes(observation=3, action=2))
