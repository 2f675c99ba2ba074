"""The protocol: what is compared with what, and what its figures mean."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim2real.contract.transition import Transition
from sim2real.evaluation.metrics import wilson_interval
from sim2real.evaluation.protocol import Condition, TrialProtocol
from training.evaluation.meta_test import CONDITIONS, meta_test
from training.parts.actor import Drawn
from training.tasks.task import Task
from training.worlds.vector_world import StepResult


class GuessWorld:
    """An action equal to the task's number pays 1. Episodes last 2 steps; task 3 falls after 1."""

    observation_size, action_size, episode_length = 1, 1, 2

    def __init__(self, num_worlds: int) -> None:
        self.num_worlds = num_worlds
        self.is_closed = False

    def reset(self, tasks: Sequence[Task], seed: int) -> np.ndarray:
        self.number = np.array([task.parameters["number"][0] for task in tasks], np.float32)
        self.count = 0
        return np.zeros((self.num_worlds, 1), np.float32)

    def step(self, action: np.ndarray) -> StepResult:
        self.count += 1
        hit = action[:, 0] == self.number
        terminated = (self.number == 3) & (self.count == 1)
        observation = np.zeros((self.num_worlds, 1), np.float32)
        return StepResult(
            observation=observation,
            final_observation=observation,
            reward=hit.astype(np.float32) - 1,
            sparse_reward=hit.astype(np.float32),
            success=hit,
            terminated=terminated,
            truncated=~terminated & (self.count == 2),
            applied_action=action,
        )

    def close(self) -> None:
        self.is_closed = True


class GuessFamily:
    name = "guess"

    def make_world(self, num_worlds: int, *, num_threads: int = 1) -> GuessWorld:
        self.world = GuessWorld(num_worlds)
        return self.world


class Told:
    """Guesses 0 until evidence comes; every observed step reveals the task's number at once."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self.truth = np.array([task.parameters["number"][0] for task in tasks], np.float32)
        self.observed: list[np.ndarray] = []
        self.trials: list[int] = []

    def begin_trial(self, seed: int) -> None:
        self.trials.append(seed)
        self.belief = np.zeros_like(self.truth)

    def begin_episode(self, starts: np.ndarray) -> None:
        self.held = self.belief.copy()

    def act(self, observation: np.ndarray) -> Drawn:
        return Drawn(self.held[:, None])

    def observe(
        self, transition: Transition, sparse_reward: np.ndarray, is_running: np.ndarray
    ) -> None:
        self.observed.append(is_running.copy())
        self.belief = np.where(is_running, self.truth, self.belief)

    def exchange_beliefs(self, order: np.ndarray) -> None:
        self.belief = self.belief[order]


TASKS = [
    Task(family="guess", name=f"test/{number}", parameters={"number": (float(number),)})
    for number in range(1, 5)
]


def run(*conditions: Condition, **changes: Any) -> tuple[Any, Told, GuessFamily]:
    made: list[Told] = []

    def make_actor(tasks: Sequence[Task]) -> Told:
        made.append(Told(tasks))
        return made[-1]

    family = GuessFamily()
    protocol = TrialProtocol(**{"num_trials": 2, **changes})
    result = meta_test(make_actor, family, TASKS, protocol, conditions=conditions or CONDITIONS)  # type: ignore[arg-type]
    return result, made[0], family


def test_evidence_of_one_episode_shows_in_the_next() -> None:
    result, _, _ = run(num_episodes=3)
    returns = result.episodes["adapted"]["return"]

    assert returns.shape == (4, 2, 3)
    assert (returns[:, :, 0] == 0).all()
    length = np.array([2, 2, 1, 2])[:, None, None]  # task 3 falls after a step
    assert (returns[:, :, 1:] == length).all()


def test_frozen_prior_gets_no_evidence_and_wrong_task_another_tasks_belief() -> None:
    result, adapter, _ = run(num_episodes=2)

    assert result.last("frozen_prior", "return").max() == 0
    assert result.last("wrong_task", "return").max() == 0
    assert result.episodes["wrong_task"]["return"].shape == (4, 2, 2)
    # Two episodes of adapted, and the first one of wrong_task.
    assert len(adapter.observed) == 2 * 2 + 2


class Quick(Told):
    """Acts on what it believes now, as a recurrent policy does."""

    def act(self, observation: np.ndarray) -> Drawn:
        return Drawn(self.belief[:, None])


def test_a_wrong_belief_stays_wrong_also_where_beliefs_move_within_an_episode() -> None:
    protocol = TrialProtocol(num_episodes=2, num_trials=2)
    result = meta_test(Quick, GuessFamily(), TASKS, protocol)  # type: ignore[arg-type]

    assert result.last(Condition.ADAPTED, "return").min() == 1.0
    assert result.episodes[Condition.ADAPTED]["return"][:, :, 0].max() == 1.0  # found out within it
    assert result.last(Condition.WRONG_TASK, "return").max() == 0.0
    # On the way to the last episode it was as free to learn as the adapted one.
    np.testing.assert_array_equal(
        *(
            result.episodes[each]["return"][:, :, 0]
            for each in (Condition.ADAPTED, Condition.WRONG_TASK)
        )
    )


def test_every_condition_starts_from_the_prior_with_the_same_seed() -> None:
    _, adapter, _ = run(num_episodes=2)

    first_of_condition = [adapter.trials[0], adapter.trials[1], adapter.trials[3]]
    assert len(set(first_of_condition)) == 1


def test_worlds_that_ended_count_no_further_and_give_no_evidence() -> None:
    result, adapter, _ = run(Condition.ADAPTED, num_episodes=1)

    falls = np.repeat([False, False, True, False], 2)
    np.testing.assert_array_equal(adapter.observed[0], np.ones(8, bool))
    np.testing.assert_array_equal(adapter.observed[1], ~falls)
    dense = result.episodes["adapted"]["dense_return"][:, 0, 0]
    np.testing.assert_array_equal(dense, [-2, -2, -1, -2])


def test_success_is_that_of_the_last_step_and_its_fraction_that_of_all() -> None:
    result, _, _ = run(num_episodes=2)

    assert result.last("adapted", "success").min() == 1
    assert result.last("adapted", "success_fraction").min() == 1
    assert result.episodes["adapted"]["success"][:, :, 0].max() == 0


def test_summary_has_means_and_intervals_by_condition_and_episode() -> None:
    result, _, _ = run(num_episodes=2)
    summary = result.summary()

    assert summary["tasks"] == 4 and summary["trials"] == 2
    assert summary["conditions"]["adapted"]["return"]["mean"] == 7 / 4
    low, high = (summary["conditions"]["adapted"]["return"][side] for side in ("low", "high"))
    assert 1 < low < 7 / 4 < high == 2
    assert summary["conditions"]["episode_0"]["return"]["mean"] == 0
    assert [episode["return"]["mean"] for episode in summary["adapted_by_episode"]] == [0, 7 / 4]


def test_success_that_never_fails_is_no_certainty() -> None:
    result, _, _ = run(num_episodes=2)
    success = result.summary()["conditions"]["adapted"]["success"]

    assert success == wilson_interval(np.ones(4))._asdict()
    assert success["low"] < 0.6
    assert success["high"] == 1.0


def test_csv_is_long_form_and_lossless(tmp_path: Path) -> None:
    result, _, _ = run(num_episodes=2)
    result.write_csv(tmp_path / "eval.csv")
    with (tmp_path / "eval.csv").open() as file:
        lines = list(csv.DictReader(file))

    assert len(lines) == 3 * 4 * 4 * 2 * 2  # conditions, metrics, tasks, trials, episodes
    found = [
        float(line["value"])
        for line in lines
        if (line["condition"], line["task"], line["metric"], line["episode"])
        == ("adapted", "test/3", "return", "1")
    ]
    assert found == [1.0, 1.0]
    assert not list(tmp_path.glob("*.part"))


def test_the_world_is_closed_also_when_something_fails() -> None:
    _, _, family = run(num_episodes=1)
    assert family.world.is_closed

    def broken(tasks: Sequence[Task]) -> Told:
        adapter = Told(tasks)
        adapter.act = lambda observation: 1 / 0  # type: ignore[method-assign, assignment, return-value]
        return adapter

    with pytest.raises(ZeroDivisionError):
        meta_test(broken, family, TASKS, TrialProtocol())  # type: ignore[arg-type]
    assert family.world.is_closed


def test_a_wrong_belief_needs_a_second_task() -> None:
    with pytest.raises(ValueError, match="two tasks"):
        meta_test(Told, GuessFamily(), TASKS[:1], TrialProtocol())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="a trial"):
        TrialProtocol(num_trials=0)
