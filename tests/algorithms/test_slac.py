"""SLAC: what teaches the model and what does not, and what the policy goes by."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch

from tests.algorithms.conftest import build
from tests.algorithms.dot_world import DotFamily, DotWorld
from training.algorithms.slac import Slac
from training.parts.seen_episodes import Batch


def small(**changes: object) -> Slac:
    learner: Slac = build(Slac, DotFamily(), **changes)
    return learner


@pytest.fixture
def collected() -> Slac:
    learner = small(num_worlds=1)
    learner.collect(10)
    return learner


def gradients(module: torch.nn.Module) -> float:
    """The largest of a module's gradients."""
    found = [w.grad.abs().max() for w in module.parameters() if w.grad is not None]
    return float(max(found, default=torch.tensor(0.0)))


def test_l3_neither_actor_nor_critics_teach_the_model(collected: Slac) -> None:
    heads = torch.nn.ModuleList(
        part for name, part in collected.model.named_children() if name != "eye"
    )
    before = [weight.clone() for weight in heads.parameters()]
    collected.gradient_step()

    assert gradients(heads) == 0.0
    assert all(torch.equal(*pair) for pair in zip(before, heads.parameters(), strict=True))


def test_l9_neither_actor_nor_critics_teach_the_eye(collected: Slac) -> None:
    before = [weight.clone() for weight in collected.model.eye.parameters()]
    collected.gradient_step()

    assert gradients(collected.model.eye) == 0.0
    after = collected.model.eye.parameters()
    assert all(torch.equal(*pair) for pair in zip(before, after, strict=True))


def test_the_model_is_taught_by_what_it_tells(collected: Slac) -> None:
    terms = collected.model_step()

    assert set(terms) == {"model_divergence", "model_measured", "model_reward", "model_frame"}
    assert gradients(collected.model.eye) > 0 and gradients(collected.model.of_reward) > 0
    assert gradients(collected.heads.critic) == gradients(collected.policy) == 0.0


def test_l5_the_policy_acts_on_what_it_learns_on_from_the_first_step(collected: Slac) -> None:
    """One episode is remembered: what is drawn for a step is what acting went by in it."""
    episode = collected.episodes.replay.columns
    measured, frame, done = (
        episode[name][0, 0].numpy() for name in ("measured", "frame", "action")
    )
    actor = collected.make_actor([None], is_deterministic=True)  # type: ignore[list-item]
    actor.begin_trial(0)
    actor.begin_episode(np.ones(1, bool))
    acted = []
    for time in range(DotWorld.episode_length):
        observation = np.append(measured[time], frame[time]).astype(np.float32)[None]
        actor.act(observation)
        acted.append(actor.rows()[0])
        _made(actor, done[time])
    batch = collected.sample(200)
    with torch.no_grad():
        glance = collected.glance(batch)
        learnt, following = collected.looks_back(glance)
    steps = (10 * batch.measured[-2, :, 0]).round().long().tolist()

    assert set(steps) == set(range(10))
    for index, step in enumerate(steps):
        torch.testing.assert_close(learnt[index], acted[step], atol=1e-5, rtol=0)
        if step < 9:
            torch.testing.assert_close(following[index], acted[step + 1], atol=1e-5, rtol=0)


def _made(actor: object, action: np.ndarray) -> None:
    class Made:
        pass

    step = Made()
    step.action = action[None]  # type: ignore[attr-defined]
    actor.observe(step, np.zeros(1), np.ones(1, bool))  # type: ignore[attr-defined]


def test_a_new_episode_forgets_the_one_before(collected: Slac) -> None:
    world = DotWorld(1)
    first, second = world.reset([], 1), world.reset([], 2)
    actor = collected.make_actor([None], is_deterministic=True)  # type: ignore[list-item]
    actor.act(first)
    _made(actor, np.ones(2, np.float32))
    actor.begin_episode(np.ones(1, bool))
    actor.act(second)
    fresh = collected.make_actor([None], is_deterministic=True)  # type: ignore[list-item]
    fresh.act(second)

    assert torch.equal(actor.rows(), fresh.rows())


@cache
def told_rewards() -> tuple[np.ndarray, np.ndarray]:
    """(N,) what was paid in steps that were not learnt from, and what the model says of it."""
    learner = small(
        num_channels=8,
        num_features=8,
        z1_size=6,
        z2_size=10,
        model_hidden_size=32,
        model_batch_size=16,
        model_learning_rate=2e-3,
        frame_variance=0.02,
        num_worlds=16,
    )
    learner.collect(600)
    for _ in range(600):
        learner.model_step()
    unseen = small(num_worlds=16, seed=5)
    unseen.collect(600)
    batch: Batch = unseen.sample(400)
    with torch.no_grad():
        glance = learner.glance(batch)
        latent = learner.infer(glance).latent
        before, after = (type(latent)(*(p[at] for p in latent)) for at in (-2, -1))
        told = learner.model.told_reward(before, glance.action[-1], after).mean[:, 0]
    return batch.reward[-1].numpy(), told.numpy()


@pytest.mark.slow
def test_l8_what_is_paid_for_a_step_is_told_from_where_it_was_made() -> None:
    paid, told = told_rewards()

    assert 1.0 - np.square(told - paid).mean() / paid.var() > 0.9


def test_without_a_camera_measurements_are_what_there_is_to_tell(point_robot) -> None:
    learner: Slac = build(Slac, point_robot)
    learner.collect(40)

    assert set(learner.model_step()) == {"model_divergence", "model_measured", "model_reward"}


def test_it_says_why_no_robot_runs_it() -> None:
    with pytest.raises(TypeError, match=r"side by side"):
        small().deployed()
