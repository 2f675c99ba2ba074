"""A step on the robot is the step of training, for every learner that adapts by gradients."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from sim2real.runtime.exploration import Explored, ExploredStep
from sim2real.runtime.linear_baseline import LinearBaseline
from tests.runtime.robot_steps import NUM_STEPS, Robot, as_trials, episodes, graphs_of, made
from training.algorithms.registry import ALGORITHMS
from training.algorithms.settings import ExplorationSettings
from training.parts.gradient_adaptation import stage_of
from training.parts.inner_loop import parameters_of

GRADIENT = [
    name
    for name, learner in ALGORITHMS.items()
    if issubclass(learner.config_type, ExplorationSettings)
]
NUM_BATCHES = {"promp": 100, "maesn": 100}
"""of made-up episodes; the others' graphs are ProMP's, and a few will do"""


def in_torch(learner, found, latents) -> np.ndarray:
    """(P,) after the inner step of training on these episodes, in the order of the robot's."""
    stage = stage_of(
        as_trials(found),
        torch.zeros(1, len(found), learner.adaptation.held_size),
        torch.from_numpy(np.array(latents, np.float32))[None],
        learner.explorer.trial_credit,
        learner.state.statistics,
        num_tasks=1,
    )
    # Ratios are to what collected: the policy as it is.
    with torch.no_grad():
        density = learner.adaptation.distributions(
            start := start_of(learner), stage.observation, stage.held
        ).log_density(stage.action)
    adapted = learner.adaptation.adapted(start, stage._replace(log_density=density))
    return np.concatenate([part.detach().numpy().ravel() for part in adapted.values()])


def start_of(learner):
    if learner.adaptation.held_size:
        return learner.latents.prior(1)
    return learner.adaptation.start(1)


def test_all_learners_that_explore_by_themselves_are_meant():
    assert GRADIENT == ["reinforce", "maml", "e_maml", "promp", "maesn"]


@pytest.mark.parametrize("algorithm", GRADIENT)
def test_is1_a_robots_step_is_that_of_training(algorithm: str):
    learner, rng = made(algorithm, normalizes_observations=True), np.random.default_rng(3)
    learner.state.statistics.update(rng.normal(0.3, 2.0, (50, 2)).astype(np.float32))
    deployed = learner.deployed()
    robot = Robot(replace(deployed.settings, max_kl=1e6), graphs_of(deployed))
    errors, steps = [], []
    for seed in range(NUM_BATCHES.get(algorithm, 5)):
        robot.episode = 0
        robot.adaptation.reset(rng, type(robot.adaptation._noise)(seed))
        found = episodes(rng, 4)
        latents = [robot.run(**episode) for episode in found]
        assert robot.adaptation.summary().figures["taken"] == 1.0
        expected, start = in_torch(learner, found, latents), robot.adaptation._step.start
        errors.append(np.linalg.norm(robot.parameters - expected) / np.linalg.norm(expected))
        steps.append(np.linalg.norm(robot.parameters - expected) / np.linalg.norm(expected - start))

    assert max(errors) <= 1e-6
    assert max(steps) <= 1e-4  # of the step alone


@pytest.mark.parametrize("adapts_log_std", [True, False])
def test_is2_deviations_move_only_where_they_did_in_training(adapts_log_std: bool):
    learner, rng = made("maml", adapts_log_std=adapts_log_std), np.random.default_rng(0)
    deployed = learner.deployed()
    robot = Robot(deployed.settings, graphs_of(deployed))
    for episode in episodes(rng, 4):
        robot.run(**episode)
    moved = robot.parameters != robot.adaptation._step.start

    assert next(iter(parameters_of(learner.policy))) == "log_std"
    assert moved[:2].any() == adapts_log_std
    assert moved[2:].any()


def test_is3_rows_that_hold_nothing_count_for_nothing():
    """Two episodes in a graph with room for four; and what it held before is gone."""
    learner, rng = made("maml"), np.random.default_rng(0)
    deployed = learner.deployed()
    models = graphs_of(deployed)
    found = episodes(rng, 4)
    dirty = Robot(deployed.settings, models)
    for episode in found:
        dirty.run(**episode)
    robot = Robot(deployed.settings, models)
    for number, episode in enumerate(found):
        robot.run(**episode, missing=() if number < 2 else tuple(range(NUM_STEPS)))

    assert robot.adaptation.summary().figures["num_episodes"] == 2.0
    np.testing.assert_allclose(
        robot.parameters, in_torch(learner, found[:2], np.zeros((2, 0))), atol=2e-6
    )


@pytest.mark.parametrize("algorithm", ["maml", "maesn"])
def test_is4_several_steps_follow_one_another(algorithm: str):
    """The second one on episodes of its own, from where the first one led."""
    learner, rng = made(algorithm, num_inner_steps=2), np.random.default_rng(0)
    deployed = learner.deployed()
    robot = Robot(replace(deployed.settings, max_kl=1e6, max_fall=1e6), graphs_of(deployed))
    places = []
    for episode in episodes(rng, 10):
        robot.run(**episode)
        places.append(robot.parameters.copy())
    changed = [
        number
        for number, place in enumerate(places)
        if (place != (places[number - 1] if number else robot.adaptation._step.start)).any()
    ]

    assert changed == [3, 7]
    assert robot.adaptation.summary().figures["taken"] == 2.0


def explored_steps(missing: set[int]) -> Explored:
    """Three episodes whose reward is linear in time."""
    return Explored.of(
        [
            ExploredStep(
                episode=episode,
                tick=tick,
                observation=np.array([episode, tick % 3], np.float32),
                drawn=np.zeros(1, np.float32),
                reward=0.5 * tick - episode,
            )
            for episode in range(3)
            for tick in range(12)
            if tick not in missing
        ]
    )


def test_is5_what_was_missed_is_interpolated_and_not_learnt_from(monkeypatch):
    """A gap in a reward that is linear in time changes no other step's return."""
    returns, fitted = [], LinearBaseline.fitted

    def watched(observation, step, found):
        returns.append(found[: (step[1:] < step[:-1]).argmax() + 1])  # of the first episode
        return fitted(observation, step, found)

    monkeypatch.setattr(LinearBaseline, "fitted", watched)
    missing = {4, 5, 9}
    whole, gappy = explored_steps(set()), explored_steps(missing)
    advantages = [one.advantages(discount=0.9, gae_lambda=1.0) for one in (whole, gappy)]
    reward = whole.reward[whole.episode == 0]
    by_hand = [sum(0.9**k * r for k, r in enumerate(reward[tick:])) for tick in range(12)]

    assert whole.mean_rewards() == pytest.approx(gappy.mean_rewards())
    np.testing.assert_allclose(returns[0], by_hand)
    np.testing.assert_allclose(returns[1], [by_hand[t] for t in range(12) if t not in missing])
    assert [len(each) for each in advantages] == [36, 27]
