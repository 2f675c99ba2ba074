"""A checkpoint in the layout of the PEARL authors' code: played as numpy says, or refused."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
import torch

from sim2real.contract.errors import BadInput
from tests.peers.others import VARIANT, by_hand, save_weights, weights, write_reference
from training.families.registry import FAMILIES
from training.peers.player import Sizes
from training.peers.reference_pearl import is_reference_pearl, reference_pearl
from training.tasks.task_set import draw_task_set

SIZES = Sizes(observation=2, action=2)
FAMILY = FAMILIES["sparse_point_robot"]
TASKS = draw_task_set(FAMILY, seed=0, num_train=1, num_test=3).test


@pytest.mark.parametrize("next_observation", [False, True])
@pytest.mark.parametrize("sparse", [0, 1])
def test_beliefs_and_actions_are_those_of_a_direct_computation(sparse, next_observation, tmp_path):
    """The product of the factors of all steps, in one sum over a trial; the policy on a draw."""
    networks = write_reference(
        tmp_path, sparse_rewards=sparse, use_next_obs_in_context=next_observation
    )
    actor = reference_pearl(tmp_path, SIZES).make_actor(TASKS)
    world, rng = FAMILY.make_world(3), np.random.default_rng(9)
    everywhere, rows = np.ones(3, bool), []
    actor.begin_trial(9)
    for episode in range(4):
        mean, variance = np.zeros((3, 3)), np.ones((3, 3))
        if episode >= 2:  # after two that explore
            mean, raw = np.split(by_hand(networks["context_encoder"], np.stack(rows)), 2, axis=-1)
            precision = 1.0 / np.maximum(np.log1p(np.exp(raw)), 1e-7)
            variance = 1.0 / precision.sum(0)
            mean = variance * (mean * precision).sum(0)
        latent = mean + np.sqrt(variance) * rng.standard_normal((3, 3))
        observation = world.reset(TASKS, episode)
        actor.begin_episode(everywhere)
        for _ in range(world.episode_length):
            action = np.tanh(by_hand(networks["policy"], np.hstack([observation, latent])))
            chosen = actor.act(observation).action
            assert chosen == pytest.approx(action, abs=2e-4)
            result = world.step(chosen)
            step = result.transition(observation)
            actor.observe(step, result.sparse_reward, everywhere)
            paid = result.sparse_reward if sparse else result.reward
            row = [step.observation, step.action, paid[:, None]]
            rows.append(np.hstack([*row, *([step.next_observation] if next_observation else [])]))
            observation = result.observation


def test_its_trial_has_an_episode_more_than_it_explores(tmp_path):
    write_reference(tmp_path, num_exp_traj_eval=5)
    player = reference_pearl(tmp_path, SIZES)

    assert (player.num_episodes, player.adapts) == (6, True)


def test_beliefs_are_exchanged_and_steps_after_the_end_say_nothing(tmp_path):
    write_reference(tmp_path)
    actor = reference_pearl(tmp_path, SIZES).make_actor(TASKS)
    world = FAMILY.make_world(3)
    observation = world.reset(TASKS, 0)
    actor.begin_episode(np.ones(3, bool))
    result = world.step(actor.act(observation).action)
    actor.observe(
        result.transition(observation), result.sparse_reward, np.array([True, True, False])
    )
    before = actor.belief

    assert before.precision[2].tolist() == [0.0] * 3
    actor.exchange_beliefs(np.array([1, 2, 0]))
    assert (actor.belief.precision == before.precision[[1, 2, 0]]).all()


class Harmful:
    def __reduce__(self):
        return (print, ("it was run",))


def change_variant(folder, **changes):
    document = json.loads(json.dumps(VARIANT))
    for name, value in changes.items():
        place = document if name in document else document["algo_params"]
        place[name] = value
    (folder / "variant.json").write_text(json.dumps(document))


def change_weights(folder, name, file="policy", **changes):
    network = write_reference(folder)[file]
    network = {**network, name: changes["value"]} if changes else network | {name: None}
    save_weights(folder / f"{file}.pth", {k: v for k, v in network.items() if v is not None})


def spoil(folder, what):
    """What is wrong with it, by name."""
    nothing, wide = np.zeros((2, 9), np.float32), weights(7, [9, 8, 2], explores=True)
    {
        "no policy": lambda: (folder / "policy.pth").unlink(),
        "no variant": lambda: (folder / "variant.json").unlink(),
        "a pickle alone": lambda: [
            (folder / "policy.pth").unlink(),
            (folder / "params.pkl").write_bytes(pickle.dumps({})),
        ],
        "code": lambda: torch.save({"fc0.weight": Harmful()}, folder / "policy.pth"),
        "no torch file": lambda: (folder / "policy.pth").write_text("weights"),
        "a list": lambda: torch.save([1, 2], folder / "policy.pth"),
        "another family": lambda: save_weights(folder / "policy.pth", wide),
        "half a layer": lambda: change_weights(folder, "fc1.bias"),
        "a wrong shape": lambda: change_weights(folder, "last_fc.weight", value=nothing),
        "not finite": lambda: change_weights(
            folder, "last_fc.bias", value=np.full(2, np.nan, np.float32)
        ),
        "layer norm": lambda: change_weights(
            folder, "layer_norm0.weight", value=np.ones(8, np.float32)
        ),
        "a recurrent one": lambda: change_variant(folder, recurrent=True),
        "no belief": lambda: change_variant(folder, use_information_bottleneck=False),
        "no latent": lambda: change_variant(folder, latent_size=0),
        "half a number": lambda: change_variant(folder, num_exp_traj_eval=1.5),
        "words": lambda: change_variant(folder, sparse_rewards="yes"),
        "no settings": lambda: change_variant(folder, algo_params=[]),
    }[what]()


@pytest.mark.parametrize(
    ("what", "named"),
    [
        ("no policy", "policy.pth: file: found 'nothing'"),
        ("no variant", "variant.json: file: found 'nothing'"),
        ("a pickle alone", "params.pkl, which runs code when it is read"),
        ("code", "policy.pth: file: found .*expected weights by name"),
        ("no torch file", "policy.pth: file: found"),
        ("a list", "policy.pth: file: found 'something else'"),
        ("another family", r"fc0.weight: found \(8, 9\), expected \(8, 5\)"),
        ("half a layer", "fc1.bias: found 'nothing'"),
        ("a wrong shape", r"last_fc.weight: found \(2, 9\), expected \(2, 8\)"),
        ("not finite", "last_fc.bias: found 'a number that is not finite'"),
        ("layer norm", "weights: found 'layer_norm0.weight'"),
        ("a recurrent one", "algo_params.recurrent: found True"),
        ("no belief", "algo_params.use_information_bottleneck: found False"),
        ("no latent", "latent_size: found 0, expected a whole number, at least 1"),
        ("half a number", "algo_params.num_exp_traj_eval: found 1.5"),
        ("words", "algo_params.sparse_rewards: found 'yes'"),
        ("no settings", "algo_params: found"),
    ],
)
def test_what_is_no_such_checkpoint_is_refused_by_name(what, named, tmp_path, capsys):
    write_reference(tmp_path)
    spoil(tmp_path, what)

    assert is_reference_pearl(tmp_path)
    with pytest.raises(BadInput, match=named) as refused:
        reference_pearl(tmp_path, SIZES)
    assert "\n" not in str(refused.value)
    assert "it was run" not in capsys.readouterr().out
