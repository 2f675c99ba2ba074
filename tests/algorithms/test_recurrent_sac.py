"""What must hold for recurrent off-policy actor-critic, soft and deterministic."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from tests.algorithms.conftest import CountingWorld, NoisyLevelFamily, build
from training.algorithms.recurrent_sac import Rdpg, RecurrentSac
from training.families.gridworld import GridworldFamily
from training.parts import sac
from training.parts.trial_memory import Batch
from training.tasks.task import TaskFamily
from training.worlds.vector_world import StepResult

FORMS = pytest.mark.parametrize("learner_type", [RecurrentSac, Rdpg])


def filled(learner_type: type[RecurrentSac], family: TaskFamily, **changes: Any) -> Any:
    learner = build(learner_type, family, **changes)
    learner.collect()
    return learner


def shaken(module: torch.nn.Module) -> None:
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.3)


@FORMS
def test_d1_acting_step_by_step_sees_what_the_update_sees(
    learner_type: type[RecurrentSac], point_robot: TaskFamily
) -> None:
    learner = build(learner_type, point_robot)
    carried: list[torch.Tensor] = []
    step = learner.actor.cell.step
    learner.actor.cell.step = lambda row, hidden: carried.append(hidden) or step(row, hidden)
    learner.collect()
    learner.replay.sample = lambda *_: learner.replay._gather(  # every trial, in order
        torch.zeros(4, dtype=torch.int64),
        torch.arange(4),
        torch.zeros(4, dtype=torch.int64),
        None,
    )
    seen = learner.actor.seen(learner.sample())

    torch.testing.assert_close(torch.stack(carried), seen[..., 2:], atol=1e-5, rtol=0)


@FORMS
def test_d2_padding_changes_no_update(
    learner_type: type[RecurrentSac], counting: TaskFamily
) -> None:
    def updated(padding: float) -> list[torch.Tensor]:
        learner = filled(learner_type, counting, num_trials=6, batch_size=6)
        batch = learner.sample()
        past = batch.is_valid == 0
        assert past.any()
        for values in (batch.observation, batch.context, batch.action, batch.reward):
            values[past] = padding
        learner.gradient_step(batch)
        return [*learner.actor.parameters(), *learner.critic.parameters()]

    for one, other in zip(updated(0.0), updated(3.0), strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=0)


class CueWorld(CountingWorld):
    """One number is shown at an episode's start and never again; the last action is to be it."""

    def step(self, action: np.ndarray) -> StepResult:
        is_last = self.count == self.episode_length - 1
        missed = np.abs(np.clip(action[:, 0], -1, 1) - self.level)
        result = super().step(action)
        reward = np.where(is_last, -missed, 0.0).astype(np.float32)
        return result._replace(reward=reward, sparse_reward=reward)

    def _observed(self) -> np.ndarray:
        cue = np.where(self.count == 0, self.level, 0.0)
        return np.stack([cue, self.count / self.episode_length], -1).astype(np.float32)


class CueFamily(NoisyLevelFamily):
    """The cue is 0.8 either way: without it the best that can be done is to miss by 0.8."""

    name = "cue"

    def sample(self, rng: np.random.Generator, num_tasks: int) -> list[dict[str, Any]]:
        signs = rng.choice((-0.8, 0.8), num_tasks) + 1e-6 * np.arange(num_tasks)
        return [{"level": (float(level),), "falls": (0.0,)} for level in signs]

    def make_world(self, num_worlds: int, *, num_threads: int = 1) -> CueWorld:
        return CueWorld(num_worlds)


@FORMS
def test_d3_a_cue_is_acted_on_when_it_is_gone_and_not_where_the_memory_of_it_is(
    learner_type: type[RecurrentSac],
) -> None:
    learner = build(
        learner_type,
        CueFamily(),
        num_train=16,
        num_trial_episodes=1,
        hidden_size=16,
        hidden_sizes=(32,),
        num_trials=32,
        batch_size=32,
        replay_capacity=2000,
        num_gradient_steps=20,
        learning_rate=5e-3,
        **({"initial_temperature": 0.02} if learner_type is RecurrentSac else {}),
    )
    for number in range(26):
        learner.iterate(number / 26)

    def missed(forgets: bool) -> float:
        family = learner.tasks
        world, actor = CueWorld(len(family)), learner.make_actor(family, is_deterministic=True)
        observation, total = world.reset(family, 0), 0.0
        everywhere = np.ones(len(family), bool)
        actor.begin_trial(0)
        for _ in range(world.episode_length):
            if forgets:
                actor.hidden = torch.zeros_like(actor.hidden)
            result = world.step(actor.act(observation).action)
            actor.observe(result.transition(observation), result.sparse_reward, everywhere)
            observation, total = result.observation, total - float(result.reward.mean())
        return total

    assert missed(forgets=False) < 0.35
    assert missed(forgets=True) > 0.7


def test_d4_an_action_reaches_its_own_value_beside_the_cell_only(point_robot: TaskFamily) -> None:
    learner = filled(RecurrentSac, point_robot)
    batch = learner.sample()
    changed = batch.context.clone()
    changed[10] += 1.0
    before = learner.critic.seen(batch)
    after = learner.critic.seen(batch._replace(context=changed))

    assert torch.equal(before[:11], after[:11])
    assert (before[11] != after[11]).any()
    other = batch.action.clone()
    other[10] += 0.5
    values = learner.values(learner.critic, batch, batch.action)
    moved = (learner.values(learner.critic, batch, other) != values).any(0).any(-1)
    assert moved.nonzero().flatten().tolist() == [10]


def test_d5_trials_of_one_step_are_plain_soft_actor_critic(point_robot: TaskFamily) -> None:
    learner = filled(RecurrentSac, point_robot)
    batch = Batch(*(values[:1] for values in learner.sample()))
    rows = torch.cat([batch.observation[0], torch.zeros(4, 8), batch.action[0]], -1)
    plain = sac.critic_loss(learner.critic.head(rows), batch.reward[0])
    torch.testing.assert_close(learner._critic_step(batch)["critic_loss"], plain)

    state = learner.state.generator.get_state()
    seen = rows[:, :-2]
    action, log_density = learner.policy(seen).sample(learner.state.generator)
    value = learner.critic.head(torch.cat([seen, action], -1)).amin(0)
    expected = sac.actor_loss(value, log_density, learner.log_temperature.exp())
    learner.state.generator.set_state(state)
    torch.testing.assert_close(learner._actor_step(batch)["actor_loss"], expected)


def test_d6_targets_come_from_the_target_critics_own_cell(point_robot: TaskFamily) -> None:
    learner = filled(Rdpg, point_robot)
    batch = learner.sample()
    target = learner.bellman_target(batch)
    shaken(learner.critic)
    shaken(learner.actor)
    torch.testing.assert_close(learner.bellman_target(batch), target, rtol=0, atol=0)

    shaken(learner.target.cell)
    assert not torch.allclose(learner.bellman_target(batch), target)


@FORMS
def test_d7_actor_and_critic_learn_nothing_through_each_other(
    learner_type: type[RecurrentSac], point_robot: TaskFamily
) -> None:
    learner = filled(learner_type, point_robot)
    batch = learner.sample()
    learner._actor_step(batch)
    assert all(p.grad is None for p in learner.critic.parameters())
    assert all(p.grad is not None for p in learner.actor.cell.parameters())

    learner.actor_optimizer.zero_grad(set_to_none=True)
    learner._critic_step(batch)
    assert all(p.grad is None for p in learner.actor.parameters())
    assert learner.critic.cell is not learner.actor.cell
    assert all(p.grad is not None for p in learner.critic.cell.parameters())


def test_d8_trials_are_sampled_whole_from_their_first_step(counting: TaskFamily) -> None:
    learner = filled(RecurrentSac, counting, num_trials=6, batch_size=30)
    batch = learner.sample()

    assert (batch.observation[0, :, 1] == 0).all()  # no step has been counted
    falls = batch.observation[0, :, 0].long() % 2 == 1
    assert torch.equal(batch.is_valid.sum(0), torch.where(falls, 6.0, 8.0))


@FORMS
def test_xb4_value_is_cut_where_the_trial_ends_and_nowhere_else(
    learner_type: type[RecurrentSac], counting: TaskFamily
) -> None:
    learner = filled(learner_type, counting, num_trials=6, batch_size=12, discount=0.5)
    batch = learner.sample()
    learner.values = lambda critic, batch, action: 100.0 + batch.observation[None, ..., 1]
    learner.log_temperature = torch.tensor(-100.0)
    beyond = learner.bellman_target(batch) - batch.reward
    length = batch.is_valid.sum(0).long()
    trial = torch.arange(12)

    assert (beyond[length - 1, trial] == 0).all()
    first_ends = length // 2 - 1  # of two episodes; odd tasks terminate there
    assert (beyond[first_ends, trial] == 50.0).all()  # of the next one's own first observation
    assert (beyond[0] == 50.5).all()


def test_deterministic_form_explores_by_noise_alone(point_robot: TaskFamily) -> None:
    learner = build(Rdpg, point_robot, exploration_noise=0.05)
    still = learner.make_actor(learner.tasks[:2], is_deterministic=True)
    noisy = learner.make_actor(learner.tasks[:2], is_deterministic=False)
    observation = np.zeros((2, 2), np.float32)
    mode = still.act(observation).action
    drawn = np.stack([noisy.act(observation).action for _ in range(400)])

    np.testing.assert_array_equal(still.act(observation).action, mode)
    np.testing.assert_allclose(drawn.mean(0), mode, atol=0.012)
    np.testing.assert_allclose(drawn.std(0), 0.05, rtol=0.15)


def test_choices_are_refused() -> None:
    with pytest.raises(ValueError, match="gridworld: its actions are choices"):
        build(RecurrentSac, GridworldFamily())
