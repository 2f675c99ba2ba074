"""RL² with an eye: who teaches what, what the belief is made of, and what a robot gets."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from tests.algorithms.conftest import build
from tests.algorithms.dot_world import DotFamily, DotWorld, picture
from training.algorithms.rl2 import Rl2
from training.algorithms.rl2_pixels import Rl2Pixels
from training.parts.seen_episodes import parted
from training.runs.pixels_probe import Frames, of_another


def small(**changes: Any) -> Rl2Pixels:
    learner: Rl2Pixels = build(Rl2Pixels, DotFamily(), **changes)
    return learner


@cache
def trained() -> Rl2Pixels:
    """After two iterations of the eye alone and fourteen of both."""
    learner = small(
        num_channels=8,
        num_features=16,
        hidden_size=16,
        hidden_sizes=(32, 32),
        num_trials=32,
        num_minibatches=4,
        num_epochs=6,
        learning_rate=3e-3,
        num_looking_steps=1280,
        num_eye_steps=60,
        eye_batch_size=64,
        eye_learning_rate=3e-3,
        max_shift_pixels=0,  # of 16 pixels, one is a tenth of a radian
    )
    for _ in range(16):
        learner.iterate(0.0)
    return learner


def weights(module: torch.nn.Module) -> list[bytes]:
    return [value.detach().numpy().tobytes() for value in module.state_dict().values()]


def last_return(learner: Rl2Pixels, frames: Frames, num_worlds: int = 64) -> float:
    """Of the second episode, the policy being shown these frames."""
    world, total = DotWorld(num_worlds), np.zeros(num_worlds)
    actor = learner.make_actor([None] * num_worlds, is_deterministic=True)  # type: ignore[list-item]

    def shown(observation: np.ndarray) -> np.ndarray:
        return np.concatenate([observation[:, :2], of_another(observation[:, 2:], frames)], axis=-1)

    observation = world.reset([], 5)
    for step in range(2 * world.episode_length):
        result = world.step(actor.act(shown(observation)).action)
        transition = result.transition(shown(observation))
        transition = transition._replace(next_observation=shown(result.final_observation))
        actor.observe(transition, result.sparse_reward, np.ones(num_worlds, bool))
        total += result.reward if step >= world.episode_length else 0.0
        observation = result.observation
    return float(total.mean())


def test_the_eye_tells_where_things_are() -> None:
    learner, angle = trained(), np.random.default_rng(0).uniform(-np.pi, np.pi, 200)
    with torch.no_grad():
        cos, sin = learner.eye(torch.from_numpy(picture(angle))).numpy().T
    off = np.arctan2(sin, cos) - angle

    assert np.abs(np.arctan2(np.sin(off), np.cos(off))).mean() < 0.05


def test_with_the_frames_of_another_world_a_belief_is_blind() -> None:
    own, others, none = (last_return(trained(), each) for each in ("true", "shuffled", "black"))

    assert own > 6.0  # of about 12
    assert abs(others) < 3.0 and abs(none) < 3.0


def test_first_the_eye_learns_alone_and_then_both() -> None:
    learner = small(num_looking_steps=60)
    before = weights(learner.policy), weights(learner.cell), weights(learner.eye)
    figures = learner.iterate(0.0)
    after = weights(learner.policy), weights(learner.cell), weights(learner.eye)

    assert after[:2] == before[:2] and after[2] != before[2]
    assert "eye_error" in figures and "policy_loss" not in figures
    assert learner.state.num_gradient_steps == learner.config.num_eye_steps
    figures = learner.iterate(0.5)
    assert weights(learner.policy) != after[0] and weights(learner.eye) != after[2]
    assert {"eye_error", "policy_loss"} <= figures.keys()


def test_neither_policy_nor_value_function_moves_the_eye() -> None:
    learner = small(num_looking_steps=0)
    trials, before = learner.collect(), weights(learner.eye)
    learner.ppo.improve(trials, 0.0)

    assert weights(learner.eye) == before
    assert all(weight.grad is None for weight in learner.eye.parameters())


def test_what_is_learnt_from_is_what_the_eye_told_and_no_frame() -> None:
    learner = small()
    trials = learner.collect()
    frame = learner.looked.columns["frame"][0, :6]  # (B, T + 1, H, W, C)
    with torch.no_grad():
        told = learner.eye(frame.flatten(0, 1)).unflatten(0, frame.shape[:2])

    assert trials.observation.shape[-1] == 2 + 2 and frame.dtype == torch.uint8
    seen = told[:, :-1].transpose(0, 1)
    torch.testing.assert_close(trials.observation[..., 2:], seen, atol=1e-5, rtol=0)
    last = DotWorld.episode_length - 1  # what follows is of another episode
    led, begins = trials.next_observation[..., 2:], trials.observation[..., 2:]
    assert (led[last] - begins[last + 1]).abs().max() > 1e-3
    torch.testing.assert_close(led[:last], begins[1 : last + 1], atol=1e-5, rtol=0)


def test_what_is_deployed_acts_and_believes_as_the_learner_does() -> None:
    learner, world, hidden = trained(), DotWorld(4), torch.zeros(4, 16)
    deployed, everywhere = learner.deployed(), np.ones(4, bool)
    actor = learner.make_actor([None] * 4, is_deterministic=True)  # type: ignore[list-item]
    assert set(deployed.modules) == {"eye", "policy", "recurrent"}
    assert deployed.observation_size == len(deployed.normalizer.mean) == 4
    assert "privileged" in deployed.taught

    def seen(observation: np.ndarray) -> torch.Tensor:
        observed = parted(observation, world.frame_shape)
        told = deployed.modules["eye"](torch.from_numpy(observed.frame))
        return torch.cat([torch.from_numpy(observed.measured), told], dim=-1)

    observation = world.reset([], 1)
    with torch.no_grad():
        for _ in range(world.episode_length + 3):
            action = deployed.modules["policy"](seen(observation), hidden)
            drawn = actor.act(observation).action
            np.testing.assert_allclose(action.numpy(), drawn, atol=1e-5)
            result = world.step(drawn)
            transition = result.transition(observation)
            actor.observe(transition, result.sparse_reward, everywhere)
            told = transition._replace(
                observation=seen(transition.observation).numpy(),
                next_observation=seen(transition.next_observation).numpy(),
            )
            rows = torch.from_numpy(learner.context_layout.row(told))
            hidden = deployed.modules["recurrent"](rows, hidden)
            np.testing.assert_allclose(hidden.numpy(), actor.hidden.numpy(), atol=1e-5)
            observation = result.observation


def test_in_a_world_without_a_camera_it_is_rl2(point_robot) -> None:
    seeing, blind = build(Rl2Pixels, point_robot), build(Rl2, point_robot)
    for learner in (seeing, blind):
        learner.iterate(0.0)

    assert weights(seeing.policy) == weights(blind.policy)
    assert weights(seeing.cell) == weights(blind.cell)
    assert set(seeing.deployed().modules) == {"policy", "recurrent"}
    assert not seeing.deployed().taught


class Mute:
    """The dot's world, which does not tell where the dot is."""

    def __init__(self, world: DotWorld) -> None:
        self._world = world

    def __getattr__(self, name: str) -> Any:
        if name == "seen_angle":
            raise AttributeError(name)
        return getattr(self._world, name)


def test_a_world_that_does_not_tell_what_it_shows_is_refused(monkeypatch) -> None:
    monkeypatch.setattr(DotFamily, "make_world", lambda self, size, **_: Mute(DotWorld(size)))
    with pytest.raises(ValueError, match=r"dot: it does not tell what an eye could be taught"):
        small()
