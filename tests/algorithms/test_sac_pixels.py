"""SAC from pixels: what teaches the eye, what the policy goes by, and what a robot gets."""

from __future__ import annotations

from functools import cache

import numpy as np
import onnx
import pytest
import torch

from sim2real.contract.manifest import TensorRecord
from sim2real.runtime.kinds.kind import Signature, row
from tests.algorithms.conftest import build
from tests.algorithms.dot_world import DotFamily, DotWorld, picture
from training.algorithms.sac import Sac
from training.algorithms.sac_pixels import SacPixels
from training.export.to_onnx import to_onnx
from training.parts.eye import Eye
from training.parts.seen_episodes import parted
from training.runs.pixels_probe import Frames, of_another


@cache
def trained() -> SacPixels:
    """After a few hundred gradient steps on the dot."""
    learner: SacPixels = build(
        SacPixels,
        DotFamily(),
        num_channels=8,
        num_features=8,
        hidden_sizes=(32, 32),
        num_worlds=8,
        num_initial_steps=400,
        num_steps=80,
        num_gradient_steps=60,
        batch_size=64,
        learning_rate=2e-3,
        discount=0.5,
        initial_temperature=0.05,
        max_shift_pixels=0,  # of 16 pixels, one is a tenth of a radian
    )
    for _ in range(10):
        learner.iterate(0.0)
    return learner


def returns(learner: SacPixels, frames: Frames, num_worlds: int = 64) -> np.ndarray:
    """Of one episode in every world, the policy being shown these frames."""
    world, total = DotWorld(num_worlds), np.zeros(num_worlds)
    actor = learner.make_actor([None] * num_worlds, is_deterministic=True)  # type: ignore[list-item]
    observation = world.reset([], 5)
    for _ in range(world.episode_length):
        shown = np.concatenate(
            [observation[:, :2], of_another(observation[:, 2:], frames)], axis=-1
        )
        result = world.step(actor.act(shown).action)
        total += result.reward
        observation = result.observation
    return total


def r_squared(eye: Eye) -> float:
    """Of (cos, sin) of the dot's place, from features, on angles that the fit has not seen."""
    rng = np.random.default_rng(3)
    angles = rng.uniform(-np.pi, np.pi, (2, 300))
    known, told = [], []
    for part in angles:
        with torch.no_grad():
            features = eye(torch.from_numpy(picture(part))).numpy()
        known.append(np.concatenate([features, np.ones((300, 1))], axis=-1))
        told.append(np.stack([np.cos(part), np.sin(part)], -1))
    weights = np.linalg.lstsq(known[0], told[0], rcond=None)[0]
    return 1.0 - float(np.square(known[1] @ weights - told[1]).mean() / told[1].var(0).mean())


def test_px1_critics_teach_the_eye_where_things_are() -> None:
    untrained: SacPixels = build(SacPixels, DotFamily(), num_channels=8, num_features=8)
    learnt, before = r_squared(trained().eye), r_squared(untrained.eye)

    assert learnt > 0.95
    assert learnt > before + 0.02


def test_px2_with_the_frames_of_another_world_a_policy_is_blind() -> None:
    own, others, none = (
        returns(trained(), frames).mean() for frames in ("true", "shuffled", "black")
    )

    assert own > 7.0  # of about 12
    assert abs(others) < 3.0 and abs(none) < 3.0


def test_the_exported_eye_takes_bytes_and_makes_floats_of_them_once() -> None:
    eye = trained().deployed().modules["eye"].eval()
    frame = torch.from_numpy(picture(np.array([0.3])))
    given = TensorRecord(name="frame", dtype="uint8", shape=tuple(frame.shape))
    graph = onnx.load_from_string(to_onnx(eye, Signature((given,), (row("features", 8),)))).graph
    [taken], [first, second] = graph.input, graph.node[:2]

    assert taken.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert [axis.dim_value for axis in taken.type.tensor_type.shape.dim] == [1, 16, 16, 3]
    assert first.op_type == "Transpose" and list(first.input) == ["frame"]
    assert second.op_type == "Cast" and list(second.input) == list(first.output)
    assert [node.op_type for node in graph.node].count("Cast") == 1


def test_what_is_deployed_acts_as_the_learner_does() -> None:
    learner, world = trained(), DotWorld(6)
    observation = world.reset([], 1)
    deployed = learner.deployed()
    observed = parted(observation, world.frame_shape)
    with torch.no_grad():
        features = deployed.modules["eye"](torch.from_numpy(observed.frame))
        seen = torch.cat([torch.from_numpy(observed.measured), features], dim=-1)
        action = deployed.modules["policy"](seen)
    actor = learner.make_actor([None] * 6, is_deterministic=True)  # type: ignore[list-item]

    assert deployed.observation_size == seen.shape[1] == 2 + 8
    assert len(deployed.normalizer.mean) == 10
    np.testing.assert_allclose(action.numpy(), actor.act(observation).action, atol=1e-5)


def test_the_policy_does_not_move_the_eye() -> None:
    learner: SacPixels = build(SacPixels, DotFamily())
    learner.collect(40)
    moments = learner.moments(learner.sample())
    learner.eye.zero_grad()
    state = moments.state.detach()
    learner.heads.actor_step(state, state)

    assert all(weight.grad is None for weight in learner.eye.parameters())


def test_a_learner_without_an_eye_is_refused_where_things_have_to_be_seen() -> None:
    with pytest.raises(ValueError, match=r"dot: it has to be seen, and this learner has no eye"):
        build(Sac, DotFamily())


def test_in_a_world_without_a_camera_it_sees_nothing_and_deploys_no_eye(point_robot) -> None:
    learner: SacPixels = build(SacPixels, point_robot)

    assert set(learner.deployed().modules) == {"policy"}
    assert learner.deployed().observation_size == 2
