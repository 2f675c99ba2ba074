"""Whole trials, collected side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from sim2real.contract.context import ContextLayout
from training.parts.actor import Drawn
from training.parts.running_stats import RunningStats
from training.parts.trials import Trials, by_task, collect_trials
from training.tasks.task import Task
from training.worlds.vector_world import StepResult

CPU = torch.device("cpu")


class SignWorld:
    """Every episode starts at a new random state; the counter in the observation tells steps apart.

    Observation: (state, steps in the episode, episode). The dense reward is 1 where the action has
    the state's sign, the sparse one half of it. Episodes of world w end by time after 3 steps, but
    terminate after 2 in worlds of odd w.
    """

    observation_size, action_size, episode_length = 3, 1, 3
    control_period_s = None
    frame_shape = None

    def __init__(self, num_worlds: int) -> None:
        self.num_worlds = num_worlds

    def reset(self, tasks: Sequence[Task], seed: int) -> np.ndarray:
        self.rng = np.random.default_rng(seed)
        self.state = self.rng.choice([-1.0, 1.0], self.num_worlds)
        self.count, self.episode = np.zeros(self.num_worlds), np.zeros(self.num_worlds)
        return self._observed()

    def step(self, action: np.ndarray) -> StepResult:
        reward = (np.sign(action[:, 0]) == self.state).astype(np.float32)
        self.count += 1
        final = self._observed()
        terminated = (self.count == 2) & (np.arange(self.num_worlds) % 2 == 1)
        truncated = self.count == 3
        ends = terminated | truncated
        self.state = np.where(ends, self.rng.choice([-1.0, 1.0], self.num_worlds), self.state)
        self.count, self.episode = np.where(ends, 0, self.count), self.episode + ends
        return StepResult(
            observation=self._observed(),
            final_observation=final,
            reward=reward,
            sparse_reward=reward / 2,
            success=reward > 0,
            terminated=terminated,
            truncated=truncated,
            applied_action=np.clip(action, -1, 1).astype(np.float32),
        )

    def close(self) -> None:
        pass

    def _observed(self) -> np.ndarray:
        return np.stack([self.state, self.count, self.episode], -1).astype(np.float32)


class SignActor:
    """Acts at twice the sign of the state that it is shown, and notes what it is told."""

    def __init__(self, *, tells_density: bool = True) -> None:
        self.tells_density = tells_density
        self.calls: list[object] = []

    def begin_trial(self, seed: int) -> None:
        self.calls.append(("trial", seed))

    def begin_episode(self, starts: np.ndarray) -> None:
        self.calls.append(("episode", starts.tolist()))

    def act(self, observation: np.ndarray) -> Drawn:
        density = -observation[:, 1] if self.tells_density else None
        return Drawn(2.0 * observation[:, :1], density)

    def observe(self, transition, sparse_reward, is_running) -> None:
        self.calls.append(("step", is_running.tolist()))

    def exchange_beliefs(self, order) -> None:
        pass


TASKS = [Task(family="sign", name="train/0", parameters={})] * 4
LAYOUT = ContextLayout(
    observation_size=3, action_size=1, uses_next_observation=False, marks_episode_end=True
)


def collect(actor: SignActor | None = None, **changes) -> Trials:
    settings = {"num_episodes": 2, "seed": 5, "device": CPU, "context_layout": LAYOUT}
    return collect_trials(SignWorld(4), TASKS, actor or SignActor(), **(settings | changes))


def test_xb1_first_action_of_a_later_episode_is_chosen_on_its_own_first_observation() -> None:
    trials = collect(num_episodes=20)
    first = (trials.is_first * trials.is_valid) > 0

    assert first.sum() == 4 * 20
    assert (trials.observation[..., 1][first] == 0).all()
    assert (trials.reward[first] == 1).all()


def test_xb2_first_and_last_steps_are_marked_and_only_they() -> None:
    trials = collect()
    valid = trials.is_valid > 0
    count, odd = trials.observation[..., 1], torch.arange(4) % 2 == 1
    last_count = torch.where(odd, 1.0, 2.0).expand_as(count)

    assert torch.equal(trials.is_first[valid], (count == 0).float()[valid])
    assert torch.equal(trials.is_last[valid], (count == last_count).float()[valid])
    assert torch.equal(trials.terminated[valid], (trials.is_last * odd)[valid])
    assert torch.equal(trials.episode[valid], trials.observation[..., 2].long()[valid])
    assert torch.equal(trials.step_in_episode()[valid], count.long()[valid])
    for mark in (trials.is_first, trials.is_last, trials.terminated):
        assert (mark[~valid] == 0).all()


def test_xb3_no_transition_joins_two_episodes() -> None:
    trials = collect(num_episodes=5)
    moved = trials.next_observation - trials.observation

    assert (moved[..., 1] == 1).all() and (moved[..., 2] == 0).all() and (moved[..., 0] == 0).all()


def test_every_trial_has_all_its_episodes_and_padding_behind() -> None:
    trials = collect()

    assert trials.is_valid.sum(0).tolist() == [6, 4, 6, 4]
    assert (trials.is_valid.diff(dim=0) <= 0).all()
    assert (trials.episode[trials.is_valid == 0] == 2).all()


def test_m5_actions_and_densities_are_those_drawn_and_context_holds_what_was_applied() -> None:
    trials = collect()

    assert trials.action.abs().eq(2).all()
    assert torch.equal(trials.log_density, -trials.observation[..., 1])
    assert trials.context[..., 3].abs().eq(1).all()
    assert torch.equal(trials.context[..., 4], trials.reward)
    assert collect(SignActor(tells_density=False)).log_density.isnan().all()
    assert collect(context_layout=None).context.shape == (6, 4, 0)


def test_context_may_hold_the_sparse_reward_and_the_dense_one_is_kept() -> None:
    trials = collect(uses_sparse_context=True)

    assert torch.equal(trials.context[..., 4], trials.sparse_reward)
    assert torch.equal(trials.reward, 2 * trials.sparse_reward)


def test_actor_is_told_of_trials_episodes_and_steps_in_their_order() -> None:
    actor = SignActor()
    collect(actor)
    everywhere, odd = [True] * 4, [False, True, False, True]

    assert actor.calls[:4] == [
        ("trial", 5), ("episode", everywhere), ("step", everywhere), ("step", everywhere),
    ]  # fmt: skip
    assert actor.calls[4:8] == [
        ("episode", odd), ("step", everywhere), ("episode", [not o for o in odd]),
        ("step", everywhere),
    ]  # fmt: skip
    assert actor.calls[8:] == [("step", [True, False, True, False])] * 2


def test_less_than_one_episode_is_refused() -> None:
    with pytest.raises(ValueError, match="0 episodes"):
        collect(num_episodes=0)


def test_sums_by_episode_count_valid_steps_only() -> None:
    trials = collect()
    sums = trials.episode_sums(torch.ones_like(trials.reward), 2)

    assert sums.tolist() == [[3, 3], [2, 2], [3, 3], [2, 2]]


def test_episodes_before_and_after_adapting_part_the_steps() -> None:
    trials = collect(num_episodes=3)
    before, after = trials.only_episodes(0, 2), trials.only_episodes(2, 3)

    assert torch.equal(before.is_valid + after.is_valid, trials.is_valid)
    assert after.is_valid.sum(0).tolist() == [3, 2, 3, 2]
    assert (after.observation[..., 2][after.is_valid > 0] == 2).all()


def test_xb3_episodes_taken_apart_are_whole_and_join_nothing() -> None:
    trials = collect(num_episodes=3)
    apart = trials.by_episode(3)
    valid = apart.is_valid > 0

    assert apart.observation.shape == (3, 12, 3)
    assert apart.is_valid.sum(0).tolist() == [3, 3, 3, 2, 2, 2, 3, 3, 3, 2, 2, 2]
    assert torch.equal(
        apart.observation[..., 1][valid], torch.arange(3.0)[:, None].expand(3, 12)[valid]
    )
    assert torch.equal(apart.episode[0], torch.arange(3).repeat(4))
    assert apart.is_first[0].all() and not apart.is_first[1:][valid[1:]].any()
    reward = trials.episode_sums(trials.reward, 3)
    assert torch.equal((apart.reward * apart.is_valid).sum(0).view(4, 3), reward)
    later = trials.only_episodes(1, 3).by_episode(3)  # an episode that is not wanted is all padding
    assert later.is_valid.sum(0).tolist() == [0, 3, 3, 0, 2, 2, 0, 3, 3, 0, 2, 2]


def test_trials_of_a_task_lie_side_by_side() -> None:
    trials = collect()
    tasks = by_task(trials.observation, 2)

    assert tasks.shape == (2, 6, 2, 3)
    assert torch.equal(tasks[1], trials.observation[:, 2:])
    assert torch.equal(trials.of(torch.tensor([2, 3])).observation, tasks[1])


def test_statistics_take_in_valid_steps_only() -> None:
    trials = collect()
    statistics = RunningStats(3, clip=5.0, is_enabled=True, device=CPU)
    spoilt = trials.observation.clone()
    spoilt[trials.is_valid == 0] = 1e6
    trials._replace(observation=spoilt).update(statistics)

    valid = trials.observation[trials.is_valid > 0]
    np.testing.assert_allclose(statistics.frozen().mean, valid.mean(0), atol=1e-6)
    normalized = trials.normalized(statistics)
    torch.testing.assert_close(normalized.observation, statistics.normalize(trials.observation))
    assert torch.equal(normalized.context, trials.context)
