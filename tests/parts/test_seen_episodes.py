"""What was seen is remembered whole, as bytes, each frame once."""

from __future__ import annotations

import numpy as np
import torch

from tests.algorithms.dot_world import DotWorld
from training.parts.actor import Drawn, Memoryless
from training.parts.rollout import Step, collect_episodes
from training.parts.seen_episodes import SeenEpisodes, parted

CPU = torch.device("cpu")


class Dithering(Memoryless):
    def __init__(self) -> None:
        self._rng = np.random.default_rng(0)

    def act(self, observation: np.ndarray) -> Drawn:
        return Drawn(self._rng.uniform(-1, 1, (len(observation), 2)).astype(np.float32))


def collected(num_worlds: int = 3, capacity: int = 1000) -> tuple[SeenEpisodes, list[Step]]:
    """Two episodes in each world, and the steps they came as."""
    world, steps = DotWorld(num_worlds), []
    episodes = SeenEpisodes(world, capacity=capacity, device=CPU)

    def store(step: Step) -> None:
        steps.append(step)
        episodes.store(step)

    number = 2 * num_worlds * world.episode_length
    collect_episodes(world, [None] * num_worlds, Dithering(), num_steps=number, seed=1, store=store)  # type: ignore[list-item]
    return episodes, steps


def test_an_observation_parts_into_what_it_was_made_of() -> None:
    world = DotWorld(2)
    observation = world.reset([], 0)
    measured, frame = parted(observation, world.frame_shape)

    assert measured.shape == (2, 2) and frame.shape == (2, 16, 16, 3) and frame.dtype == np.uint8
    whole = np.concatenate([measured, frame.reshape(2, -1)], axis=-1, dtype=np.float32)
    np.testing.assert_array_equal(whole, observation)
    assert parted(measured, None).frame.shape == (2, 0, 0, 0)


def test_each_frame_is_stored_once_and_the_last_one_too() -> None:
    episodes, steps = collected()
    frames = episodes.replay.columns["frame"]

    assert frames.dtype == torch.uint8
    assert episodes.replay.size[0] == 6
    assert frames.shape[2] == DotWorld.episode_length + 1
    stored = {f.numpy().tobytes() for f in frames[0, :6].flatten(0, 1)}
    seen = [parted(step.transition.observation, (16, 16, 3)).frame for step in steps]
    led = [parted(step.transition.next_observation, (16, 16, 3)).frame for step in steps]
    assert stored == {f.tobytes() for f in np.concatenate(seen + led)}


def test_what_is_drawn_are_steps_that_were_made() -> None:
    episodes, steps = collected()
    made = {}
    for step in steps:
        transition = step.transition
        for row in range(len(step.worlds)):
            made[transition.observation[row].tobytes()] = (
                transition.action[row],
                transition.reward[row],
                transition.next_observation[row],
            )
    batch = episodes.sample(200, torch.Generator().manual_seed(0))
    whole = torch.cat([batch.measured, batch.frame.flatten(2).float()], dim=-1).numpy()
    for index in range(200):
        action, reward, after = made[whole[0, index].tobytes()]
        np.testing.assert_array_equal(batch.action[0, index], action)
        assert batch.reward[0, index] == reward
        np.testing.assert_array_equal(whole[1, index], after)
    assert len({row.tobytes() for row in whole[0]}) > 40  # of 60


def test_before_an_episode_there_are_copies_of_its_first_moment_and_nothing_is_done() -> None:
    episodes, _ = collected()
    batch = episodes.sample(300, torch.Generator().manual_seed(1), num_before=4)

    assert batch.frame.shape[:2] == (6, 300) and batch.action.shape[:2] == (5, 300)
    assert not batch.is_padding[-1].any()
    begins = batch.is_padding.sum(0) == 4
    assert begins.any() and not begins.all()
    np.testing.assert_array_equal(
        batch.frame[:5, begins].numpy(), batch.frame[:1, begins].expand(5, -1, -1, -1, -1).numpy()
    )
    assert (batch.measured[0, begins, 0] == 0).all()  # the share of the episode that has passed
    padded = batch.is_padding > 0
    assert (batch.action[padded] == 0).all() and (batch.reward[padded] == 0).all()
    assert (batch.action[~padded] != 0).all()
    passed = batch.measured[..., 0].diff(dim=0)
    torch.testing.assert_close(passed, 0.1 * (1.0 - batch.is_padding))


def test_the_oldest_episodes_make_room() -> None:
    episodes, _ = collected(num_worlds=3, capacity=40)  # four episodes of ten

    assert episodes.replay.size[0] == 4
