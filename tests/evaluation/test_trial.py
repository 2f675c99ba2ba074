"""Conditions of an evaluation differ in what the belief may know, and in nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from sim2real.contract.robot_spec import load_robot_spec
from sim2real.evaluation import evaluate
from sim2real.evaluation.evaluate import evaluate_bundle
from sim2real.evaluation.trial import (
    EpisodeStart,
    Ledger,
    TrialProtocol,
    run_frozen_prior,
    run_trial,
    run_wrong_task,
)
from sim2real.hardware.simulated import SimulatedRobot
from sim2real.runtime.bundle import read_bundle
from sim2real.runtime.controller import Controller

SPEC = load_robot_spec()
HOME = SPEC.joint_array("home_rad")


class FixedGoalArena:
    """A simulated claw whose task is a target angle; remembers which episodes began."""

    def __init__(self, target_angle_rad: float) -> None:
        self.name = f"target {target_angle_rad}"
        self.robot = SimulatedRobot(SPEC, control_period_s=0.1)
        self.seeds: list[int] = []
        self._goal = np.array([target_angle_rad])

    def begin_episode(self, seed: int) -> EpisodeStart:
        self.seeds.append(seed)
        rng = np.random.default_rng(seed)
        self.robot.place(HOME + rng.uniform(-0.05, 0.05, 9), 0.0, rng)
        return EpisodeStart(goal=lambda _: self._goal, target_rad=self.robot.target_rad)


def opener(target_angle_rad: float):
    @contextmanager
    def open_arena() -> Iterator[FixedGoalArena]:
        arena = FixedGoalArena(target_angle_rad)
        with arena.robot as robot:
            robot.activate()
            yield arena

    return open_arena


@pytest.fixture(scope="module")
def bundle(exported_bundles):
    return read_bundle(exported_bundles("gaussian_belief"))


@pytest.fixture
def arena():
    with opener(0.6)() as arena:
        yield arena


PROTOCOL = TrialProtocol(num_episodes=3)


def test_a_trial_learns_from_every_episode_and_forgets_before_the_next(bundle, arena):
    controller, ledger = Controller(bundle, SPEC), Ledger()
    length = bundle.manifest.episode_length

    trial = run_trial(controller, arena, PROTOCOL, ledger)

    assert len(trial.episodes) == 3
    assert int(trial.memory["num_transitions"][0]) == 2 * length
    assert ledger.evidence["accepted"] == 3 * length
    assert len(ledger.latencies_s) == 3 * length
    columns = trial.trace.columns
    assert len(trial.trace) == 3 * (length + 1)
    returns = [
        columns["reward"][(columns["episode"] == episode) & (columns["number"] > 0)].sum()
        for episode in range(3)
    ]
    np.testing.assert_allclose(returns, [one.total_reward for one in trial.episodes], rtol=1e-5)
    again = run_trial(controller, arena, PROTOCOL, ledger)
    assert again.episodes == trial.episodes


def test_every_condition_starts_where_the_adapted_one_does(bundle, arena):
    controller, ledger = Controller(bundle, SPEC), Ledger()
    trial = run_trial(controller, arena, PROTOCOL, ledger)
    adapted_seed = arena.seeds[-1]

    run_frozen_prior(controller, arena, PROTOCOL, ledger)
    assert controller.belief.num_transitions == 0
    run_wrong_task(controller, arena, trial.memory, PROTOCOL, ledger)
    assert controller.belief.num_transitions == int(trial.memory["num_transitions"][0])

    assert arena.seeds[-2:] == [adapted_seed, adapted_seed]
    assert not controller.is_frozen


def test_wrong_task_on_the_right_task_is_adaptation_without_further_evidence(bundle, arena):
    # The latent is drawn once per episode: the same memory and the same draw act the same.
    controller, ledger = Controller(bundle, SPEC), Ledger()
    protocol = TrialProtocol(num_episodes=1)
    trial = run_trial(controller, arena, protocol, ledger)

    assert run_wrong_task(controller, arena, trial.memory, protocol, ledger) == trial.episodes[0]
    assert run_frozen_prior(controller, arena, protocol, ledger) == trial.episodes[0]


def test_an_evaluation_reports_every_condition_over_tasks(bundle):
    protocol, rounds = TrialProtocol(num_episodes=2, num_trials=2), []

    evaluation = evaluate_bundle(
        bundle,
        SPEC,
        [opener(0.4), opener(-0.8)],
        protocol,
        advance=lambda: rounds.append(1),
    )

    assert evaluation.task_names == ("target 0.4", "target -0.8")
    assert set(evaluation.conditions) == {"adapted", "episode_0", "frozen_prior", "wrong_task"}
    assert len(rounds) == 4
    for rows in evaluation.conditions.values():
        assert [len(row) for row in rows] == [2, 2]
        assert rows[0][0] != rows[0][1]  # trials differ
    returns = [[one.total_reward for one in row] for row in evaluation.by_episode[-1]]
    summary = evaluation.summary()["conditions"]["adapted"]["return"]
    assert summary["mean"] == pytest.approx(np.mean(returns))


def test_the_wrong_task_is_another_one(bundle, monkeypatch):
    learnt, given = {}, {}

    def noted_trial(controller, arena, *rest):
        trial = run_trial(controller, arena, *rest)
        learnt[arena.name] = trial.memory
        return trial

    def noted_wrong_task(controller, arena, memory, *rest):
        given[arena.name] = memory
        return run_wrong_task(controller, arena, memory, *rest)

    monkeypatch.setattr(evaluate, "run_trial", noted_trial)
    monkeypatch.setattr(evaluate, "run_wrong_task", noted_wrong_task)
    arenas = [opener(angle) for angle in (0.4, -0.8, 0.9)]

    evaluate.evaluate_bundle(bundle, SPEC, arenas, TrialProtocol(num_episodes=2))

    assert given["target 0.4"] is learnt["target 0.9"]
    assert given["target -0.8"] is learnt["target 0.4"]
    assert given["target 0.9"] is learnt["target -0.8"]


def test_one_task_has_no_wrong_one(bundle):
    evaluation = evaluate_bundle(bundle, SPEC, [opener(0.4)], TrialProtocol(num_episodes=1))

    assert "wrong_task" not in evaluation.conditions


def test_protocols_without_episodes_are_refused():
    with pytest.raises(ValueError, match="episode"):
        TrialProtocol(num_episodes=0)
    with pytest.raises(ValueError, match="trial"):
        TrialProtocol(num_trials=0)
