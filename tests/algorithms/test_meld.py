"""MELD: what its belief is made of, what teaches it, and that a robot's is the same."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch

from sim2real.contract.joint_io import Command
from sim2real.contract.manifest import Provenance
from sim2real.contract.transition import Transition
from sim2real.runtime.controller import Controller
from tests.algorithms.conftest import (
    CountingFamily,
    NoisyLevelFamily,
    NoisyLevelWorld,
    build,
)
from tests.algorithms.dot_world import DotFamily, DotWorld
from training.algorithms.meld import Meld
from training.benches.arena import SimulatedArena
from training.export.make_bundle import Origin, make_draft
from training.families.valve_pixels import VALVE_TURN_PIXELS_VARIED
from training.tasks.task_set import draw_task_set
from training.worlds.mujoco_world import MujocoWorld
from training.worlds.vector_world import StepResult


def small(**changes: object) -> Meld:
    learner: Meld = build(Meld, DotFamily(), **changes)
    return learner


@pytest.fixture
def collected() -> Meld:
    learner = small(num_trials=2)
    learner.collect()
    return learner


# ---- what is remembered, and what it is learnt on ----------------------------------------------


def test_xb3_a_trial_is_remembered_as_its_moments_and_none_joins_two_episodes() -> None:
    """Levels tell tasks apart, and the count starts anew in every episode."""
    learner: Meld = build(Meld, CountingFamily())
    learner.collect()
    batch = learner.sample()

    for trial in range(batch.measured.shape[1]):
        level = batch.measured[0, trial, 0]
        length = 3 if level % 2 else 4  # odd ones fall
        there = batch.is_valid[:, trial].bool()
        count = batch.measured[there, trial, 1].tolist()
        assert count == [*range(length), *range(length + 1)]  # the last moment of the last episode
        begins = [float(step == 0) for step in count]
        assert batch.is_first[there, trial].tolist() == begins
        assert batch.led[there, trial, -1].tolist() == [1.0 - first for first in begins]
        paid = batch.led[there, trial, -2]
        assert paid.tolist() == [0.0, *[float(level) + 1000.0] * (2 * length)]
        # X-B4: only the end of the trial cuts, and only where it is no time limit.
        cut = batch.is_cut[there, trial].tolist()
        assert cut == [0.0] * (2 * length - 1) + [float(level % 2), 0.0]


def test_frames_are_bytes_and_each_is_there_once(collected: Meld) -> None:
    frames = collected.trials.replay.columns["frame"]
    length = 2 * DotWorld.episode_length + 1

    assert frames.dtype == torch.uint8
    assert frames.shape[2:] == (length, *DotWorld.frame_shape)  # type: ignore[misc]


def test_it_acts_on_what_it_learns_on_in_every_step_of_a_trial(collected: Meld) -> None:
    batch = collected.sample()
    learnt = collected.filtered(batch).state
    for trial in range(2):
        acted = _acted_on(collected, batch, trial)
        torch.testing.assert_close(acted, learnt[:-1, trial], atol=1e-5, rtol=1e-4)


def _acted_on(learner: Meld, batch, trial: int) -> torch.Tensor:
    """(T, S) beliefs of an actor that is shown a remembered trial."""
    actor, states = learner.make_actor([None], is_deterministic=True), []  # type: ignore[list-item]
    actor.begin_trial(0)
    num_steps = int(batch.is_valid[:, trial].sum()) - 1
    for time in range(num_steps):
        parts = (batch.measured, batch.frame)
        shown = [part[time, trial].reshape(-1).numpy() for part in parts]
        observation = np.concatenate(shown, dtype=np.float32)[None]
        if batch.is_first[time, trial]:
            actor.begin_episode(np.ones(1, bool))
        actor.act(observation)
        rows = torch.cat([actor._seen(observation), actor.memory], -1)
        states.append(learner.on_belief.state(rows)[0, learner.model.sizes.measured :].detach())
        is_last = time + 1 == num_steps or bool(batch.is_first[time + 1, trial])
        made = Transition(
            observation=observation,
            action=batch.action[time, trial].numpy()[None],
            reward=batch.reward[time, trial].numpy()[None],
            next_observation=observation,
            terminated=np.zeros(1, bool),
            truncated=np.full(1, is_last),
        )
        actor.observe(made, made.reward, np.ones(1, bool))
    return torch.stack(states)


def test_me1_a_trial_leaves_no_trace_in_the_next_ones_first_belief(collected: Meld) -> None:
    batch = collected.sample()
    once, again = _acted_on(collected, batch, 0), _acted_on(collected, batch, 0)
    actor = collected.make_actor([None, None], is_deterministic=True)  # type: ignore[list-item]
    world = DotWorld(2)
    first = world.reset([], 3)
    before = actor.act(first).action
    for _ in range(4):
        result = world.step(actor.act(first).action)
        actor.observe(result.transition(first), result.sparse_reward, np.ones(2, bool))
    assert not np.array_equal(actor.act(first).action, before)
    actor.begin_trial(1)

    np.testing.assert_array_equal(actor.act(first).action, before)
    assert torch.equal(once, again)


# ---- what teaches what -------------------------------------------------------------------------


def test_neither_actor_nor_critics_teach_the_model(collected: Meld) -> None:
    before = [weight.clone() for weight in collected.model.parameters()]
    batch = collected.sample()
    collected.actor_critic_steps(collected.steps(batch, collected.filtered(batch)))

    assert all(weight.grad is None for weight in collected.model.parameters())
    assert all(torch.equal(*pair) for pair in zip(before, collected.model.parameters()))


def test_the_model_is_taught_by_what_it_tells_and_teaches_nobody_else(collected: Meld) -> None:
    batch = collected.sample()
    terms = collected.model_step(batch, collected.filtered(batch))

    assert set(terms) == {"model_divergence", "model_measured", "model_reward", "model_frame"}
    for part in (collected.model.eye, collected.model.second, collected.model.of_reward):
        assert any(weight.grad is not None and weight.grad.any() for weight in part.parameters())
    others = [*collected.policy.parameters(), *collected.heads.critic.parameters()]
    assert all(weight.grad is None for weight in others)


def test_all_steps_of_the_trials_are_dealt_out_once(collected: Meld, monkeypatch) -> None:
    batch, dealt = collected.sample(), []
    steps = collected.steps(batch, collected.filtered(batch))
    monkeypatch.setattr(collected, "actor_critic_step", lambda part: dealt.append(part) or {})
    collected.actor_critic_steps(steps)

    assert len(dealt) == collected.config.num_actor_critic_steps
    found = torch.cat([part.action for part in dealt])
    assert sorted(found.flatten().tolist()) == sorted(steps.action.flatten().tolist())


# ---- rewards as evidence -----------------------------------------------------------------------


class UntoldWorld(NoisyLevelWorld):
    """The evaluator pays nothing, so that a belief that is told of it is told nothing."""

    def step(self, action: np.ndarray) -> StepResult:
        return super().step(action)._replace(sparse_reward=np.zeros(self.num_worlds, np.float32))


class UntoldFamily(NoisyLevelFamily):
    def make_world(self, num_worlds: int, *, num_threads: int = 1) -> UntoldWorld:
        return UntoldWorld(num_worlds)


@cache
def deviations(*, feels_reward: bool) -> tuple[float, float]:
    """What a learnt model gives the level for a deviation, at the beginning of a trial and at its
    end: of the reward that it tells, mean over held-out trials. Noise alone has 0.3."""
    learner: Meld = build(
        Meld,
        UntoldFamily(),
        num_train=200,
        num_trials=64,
        batch_size=32,
        replay_capacity=256,
        model_hidden_size=32,
        model_window=9,
        model_learning_rate=3e-3,
        uses_sparse_context=not feels_reward,
    )
    for _ in range(4):
        learner.collect()
    for _ in range(200):
        batch = learner.sample()
        learner.model_step(batch, learner.filtered(batch))
    learner.trials.replay.clear(np.zeros(1, np.int64))
    learner.collect()
    batch = learner.trials.sample(64, learner.state.generator)
    memory = learner.filtered(batch).memory
    with torch.no_grad():
        noise = torch.zeros(*batch.measured.shape[:2], learner.model.sizes.latent)
        latent = learner.model.infer(memory[0], learner.seen(batch), batch.led, noise).latent
        told = learner.model.told_reward(latent, batch.action).log_std.exp()[..., 0]
    return float(told[0].mean()), float(told[-2].mean())


@pytest.mark.slow
def test_me2_what_is_paid_tells_the_task() -> None:
    first, last = deviations(feels_reward=True)

    assert first > 0.5
    assert last < 0.75 * first


@pytest.mark.slow
def test_me2_with_zeros_in_place_of_rewards_the_belief_does_not_shrink() -> None:
    first, last = deviations(feels_reward=False)

    assert first > 0.5
    assert last > 0.9 * first


# ---- on a robot --------------------------------------------------------------------------------


def test_a_robots_belief_is_that_of_training_through_a_whole_trial() -> None:
    family = VALVE_TURN_PIXELS_VARIED
    learner: Meld = build(Meld, family, normalizes_observations=True)
    learner.collect()
    task_set = draw_task_set(family, seed=0, num_train=1, num_test=2)
    origin = Origin(name="meld", provenance=_provenance())
    bundle = make_draft(learner.deployed(), family.scene, task_set, origin).as_bundle()
    scene, task = family.scene, task_set.test[0]
    arena, world = SimulatedArena(scene, task, 0), MujocoWorld(scene, 1)
    controller, actor = (
        Controller(bundle, scene.spec),
        learner.make_actor([task], is_deterministic=True),
    )
    arena.robot.connect()
    arena.robot.activate()
    controller.begin_trial(seed=0)
    beliefs = []
    for seed in (5, 6):
        observation, start = world.reset([task], seed), arena.begin_episode(seed)
        controller.begin_episode(goal=start.goal, target_rad=start.target_rad)
        actor.begin_episode(np.ones(1, bool))
        for step in range(scene.episode_length + 1):
            frame, reading = arena.frame(), arena.robot.read()
            if step == scene.episode_length:
                controller.end_episode(reading, reading.stamp_ns, frame)
                break
            command = controller.step(reading, reading.stamp_ns, frame)
            tick = controller.latest
            hidden = controller.memory["hidden"]
            np.testing.assert_allclose(hidden, actor.memory[0].numpy(), atol=2e-4)
            np.testing.assert_allclose(tick.action, actor.act(observation).action[0], atol=2e-3)
            beliefs.append(hidden)
            result = world.step(tick.action[None])
            actor.observe(result.transition(observation), result.sparse_reward, np.ones(1, bool))
            observation = result.observation
            arena.robot.write(Command(stamp_ns=0, position_rad=command.position_rad))
    again = controller.memory["hidden"]
    np.testing.assert_allclose(again, actor.memory[0].numpy(), atol=2e-4)
    assert len({belief.tobytes() for belief in beliefs}) == len(beliefs)


def _provenance() -> Provenance:
    return Provenance(
        recipe="meld",
        algorithm="meld",
        family="valve_turn_pixels_varied",
        seed=0,
        git_commit="0" * 40,
        task_set_sha256="0" * 64,
        environment_steps=1,
        packages={},
    )
