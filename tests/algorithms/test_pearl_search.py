"""PEARL that searches: what is learnt beside it, and that the robot does as training does."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch

from sim2real.contract.manifest import GraphRecord
from sim2real.contract.transition import Transition
from sim2real.runtime.kinds.kind import Sizes
from sim2real.runtime.kinds.registry import kind_of
from sim2real.runtime.noise import TrialNoise
from sim2real.runtime.onnx_model import OnnxModel
from tests.algorithms.conftest import build
from training.algorithms.pearl import Pearl
from training.algorithms.pearl_search import PearlSearch
from training.export.to_onnx import to_onnx
from training.families.registry import FAMILIES
from training.tasks.task import TaskFamily

Make = Callable[..., PearlSearch]


@pytest.fixture
def make() -> Make:
    return partial(build, PearlSearch)


@pytest.fixture
def half_circle() -> TaskFamily:
    return FAMILIES["sparse_point_robot"]


@pytest.mark.parametrize("form", ["modern", "reference"])
def test_ls5_what_is_learnt_beside_changes_nothing_of_pearl(
    make: Make, point_robot: TaskFamily, form: str
) -> None:
    plain, searching = build(Pearl, point_robot, form=form), make(point_robot, form=form)
    for learner in (plain, searching):
        learner.collect_initial_pool()
        learner.improve()

    for name, module in plain.state.modules.items():
        for one, other in zip(
            module.state_dict().values(),
            searching.state.modules[name].state_dict().values(),
            strict=True,
        ):
            torch.testing.assert_close(one, other, rtol=0.0, atol=0.0)
    first = make(point_robot, form=form).decoder.state_dict()
    learnt = searching.decoder.state_dict()
    assert all((first[name] != learnt[name]).any() for name in learnt)


def test_ls5_a_prediction_does_not_look_at_the_reward_itself(
    make: Make, counting: TaskFamily
) -> None:
    learner = make(counting)
    rows = torch.randn(5, learner.context_layout.size)
    other = rows.clone()
    other[:, learner.decoder.reward_at] += 100.0
    latent = torch.randn(5, 2)

    torch.testing.assert_close(learner.decoder(rows, latent), learner.decoder(other, latent))
    assert learner.decoder.reward_at == 3  # two of the observation, one of the action


def test_predictions_are_in_units_of_reward_and_inside_near_one(
    make: Make, noisy_level: TaskFamily
) -> None:
    plain, scaled = make(noisy_level), make(noisy_level, context_reward_scale=0.125)
    rows, latent = torch.randn(5, plain.context_layout.size), torch.randn(5, 2)

    torch.testing.assert_close(scaled.decoder(rows, latent), 8.0 * plain.decoder(rows, latent))


def test_the_noted_error_is_what_a_learnt_decoder_gets_wrong(
    make: Make, noisy_level: TaskFamily
) -> None:
    learner = make(noisy_level, num_gradient_steps=600, learning_rate=3e-3)
    learner.collect_initial_pool()
    learner.improve()
    levels = [task.parameters["level"][0] for task in learner.tasks]

    # The reward's noise has a deviation of 0.3; the latent tells something of the level.
    assert 0.08 < float(learner.decoder_error) < 0.09 + np.var(levels)


def test_latents_are_those_of_the_tasks_whose_context_there_is(
    make: Make, counting: TaskFamily
) -> None:
    learner = make(counting)
    assert learner.hypotheses().tolist() == [[0.0, 0.0]]  # nothing is known yet
    learner.collect_initial_pool()
    learner.encoder_buffer.clear(np.array([1, 4]))

    found = learner.hypotheses()

    assert len(found) == 4
    for latent, task in zip(found, (0, 2, 3, 5), strict=True):
        rows = learner.encoder_buffer.rows[task, : learner.encoder_buffer.size[task]]
        torch.testing.assert_close(latent, learner.infer(rows[None]).mean[0])


def test_no_more_latents_are_tested_than_asked_for(make: Make, counting: TaskFamily) -> None:
    learner = make(counting, max_hypotheses=3)
    learner.collect_initial_pool()

    assert len(learner.hypotheses()) == 3


def test_what_is_allowed_is_what_the_decoder_gets_wrong(make: Make, counting: TaskFamily) -> None:
    learner = make(counting, refuting_nats=2.0)
    learner.decoder_error.fill_(0.25)

    assert learner.max_excess_error == pytest.approx(1.0)  # 2 nats are 2 · 2 variances


def test_training_collects_by_searching_and_other_phases_as_pearl(
    make: Make, counting: TaskFamily
) -> None:
    learner = make(counting)
    tasks, groups = np.arange(2), np.arange(2)
    learner.collect_initial_pool()
    learner.collect()

    kinds = [
        type(learner._collecting_actor(tasks, groups, phase)).__name__
        for phase in ("prior", "held", "posterior")
    ]
    assert kinds == ["_CollectingActor", "_HeldActions", "SearchActor"]


def test_worlds_whose_episode_is_over_add_no_evidence(make: Make, point_robot: TaskFamily) -> None:
    learner = make(point_robot)
    learner.collect_initial_pool()
    actor = learner.make_actor(learner.tasks[:2], is_deterministic=True)
    ones = np.ones((2, 2), np.float32)
    transition = Transition(ones, ones, ones[:, 0], ones, np.zeros(2, bool), np.zeros(2, bool))

    actor.observe(transition, ones[:, 0], np.array([True, False]))

    assert (actor.hypotheses.error[0] > 0.0).all() and (actor.hypotheses.error[1] == 0.0).all()


@pytest.mark.parametrize("form", ["modern", "reference"])
def test_ls6_the_robot_acts_as_training_does(
    make: Make, half_circle: TaskFamily, form: str
) -> None:
    """One trial of three episodes, through the exported graphs and through the learner's actor."""
    learner = make(half_circle, form=form, uses_sparse_context=True, normalizes_observations=True)
    for progress in (0.0, 0.5):
        learner.iterate(progress)
    learner.decoder_error.fill_(1e-3)  # so that latents are refuted at all
    deployed = learner.deployed()
    kind, settings = kind_of(deployed.settings), deployed.settings
    sizes = Sizes(observation=2, action=2, context=deployed.context_layout.size)
    graphs = {
        role: model_of(deployed.modules[role], role, signature)
        for role, signature in kind.signatures(settings, sizes).items()
    }
    robot = kind.make(settings, graphs)
    robot.reset(np.random.default_rng(0), TrialNoise(0))
    policy = graphs["policy"]
    actor = learner.make_actor(learner.tasks[:1], is_deterministic=True)
    actor.begin_trial(0)
    world, held = half_circle.make_world(1), set()

    for episode in range(3):
        observation = world.reset(learner.tasks[:1], episode)
        actor.begin_episode(np.ones(1, bool))
        robot.begin_episode(episode)
        for tick in range(world.episode_length):
            action = actor.act(observation).action
            policy.inputs["observation"][:] = observation
            robot.fill(policy.inputs, episode, tick)
            policy.run()
            np.testing.assert_allclose(policy.outputs["action"], action, atol=1e-5)
            held.add(tuple(policy.inputs["latent"][0]))
            result = world.step(action)
            transition = result.transition(observation)
            actor.observe(transition, result.sparse_reward, np.ones(1, bool))
            row = deployed.context_layout.row(transition._replace(reward=result.sparse_reward))
            robot.observe(row[0])
            observation = result.observation
    assert len(held) > 1
    np.testing.assert_allclose(robot.memory["error"], actor.hypotheses.error[0], rtol=1e-4)


def model_of(module: torch.nn.Module, role: str, signature) -> OnnxModel:
    record = GraphRecord(
        role=role,
        file=f"{role}.onnx",
        inputs=signature.inputs,
        outputs=signature.outputs,
        max_parity_error=0.0,
    )
    return OnnxModel(to_onnx(module, signature), record, role)
