"""A trial that adapts by itself: when it explores, when it steps, and what it forgets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from sim2real.evaluation.protocol import Condition, TrialProtocol
from tests.algorithms.conftest import CountingFamily, build
from training.algorithms.learner import deployed_actor
from training.algorithms.maesn import Maesn
from training.algorithms.maml import Maml
from training.evaluation.meta_test import meta_test
from training.families.registry import FAMILIES
from training.parts.gradient_adaptation import stage_of
from training.parts.trials import Trials, collect_trials

POINTS = FAMILIES["point_robot"]
LEARNERS = pytest.mark.parametrize("learner_type", [Maml, Maesn])


def made(learner_type: Any = Maml, family: Any = POINTS, **changes: Any) -> Any:
    settings = {"num_exploration_episodes": 2, "num_trial_episodes": 7, **changes}
    return build(learner_type, family, **settings)


def trial(
    learner: Any, actor: Any, num_episodes: int, seed: int = 0, family: Any = POINTS
) -> Trials:
    num_worlds = actor._num_worlds
    return collect_trials(
        family.make_world(num_worlds),
        learner.tasks[:num_worlds],
        actor,
        num_episodes=num_episodes,
        seed=seed,
        device=torch.device("cpu"),
    )


def moved(actor: Any) -> torch.Tensor:
    """(W,) how far each world's own parameters are from where a trial starts."""
    return sum(
        (actor.own[name] - value).flatten(1).abs().sum(1) for name, value in actor._start.items()
    )


@LEARNERS
@pytest.mark.parametrize(("num_steps", "adapted_after"), [(1, {2}), (2, {2, 4})])
def test_it_adapts_after_every_so_many_episodes_and_then_no_more(
    learner_type: Any, num_steps: int, adapted_after: set[int]
) -> None:
    learner = made(learner_type, num_inner_steps=num_steps)
    actor = deployed_actor(learner)(learner.tasks[:3])
    states = []
    for num_episodes in range(1, 7):
        trial(learner, actor, num_episodes)
        states.append(moved(actor))
    changed = {
        index + 1
        for index, state in enumerate(states)
        if not torch.equal(state, states[index - 1] if index else torch.zeros(3))
    }

    assert changed == adapted_after
    assert (states[-1] > 0).all()


def test_its_step_is_that_of_training() -> None:
    learner = made()
    actor = deployed_actor(learner)(learner.tasks[:3])
    explored = trial(learner, actor, 2).by_episode(2)
    stage = stage_of(
        explored,
        torch.zeros(3, 2, 0),
        torch.zeros(3, 2, 0),
        learner.explorer.trial_credit,
        learner.state.statistics,
        num_tasks=3,
    )
    expected = learner.adaptation.adapted(learner.adaptation.start(3), stage)

    for name, value in expected.items():
        torch.testing.assert_close(actor.own[name], value.detach())


@LEARNERS
def test_noise_explores_and_the_mean_acts_afterwards(learner_type: Any) -> None:
    """Noise follows from the trial's seed; later episodes have none."""
    learner = made(learner_type)
    actor = deployed_actor(learner)(learner.tasks[:3])
    first, again, other = (trial(learner, actor, 3, seed).action for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first[0], other[0])
    rows = torch.zeros(3, 2).numpy()
    acted = []
    for noise_seed in (0, 1):
        actor._noise.manual_seed(noise_seed)
        actor.begin_episode(np.ones(3, bool))
        acted.append(actor.act(rows).action)
    np.testing.assert_array_equal(*acted)
    assert actor.act(rows).log_density is not None


def test_a_new_trial_forgets() -> None:
    learner = made()
    actor = deployed_actor(learner)(learner.tasks[:3])
    fresh = trial(learner, actor, 4, seed=5).action
    trial(learner, actor, 4, seed=6)

    assert torch.equal(trial(learner, actor, 4, seed=5).action, fresh)


@LEARNERS
def test_beliefs_change_hands_before_and_after_adapting(learner_type: Any) -> None:
    learner = made(learner_type)
    order = np.array([1, 2, 0])
    actor = deployed_actor(learner)(learner.tasks[:3])
    trial(learner, actor, 2)
    own = {name: value.clone() for name, value in actor.own.items()}
    actor.exchange_beliefs(order)
    assert all(torch.equal(actor.own[name], value[order]) for name, value in own.items())
    # Halfway through exploring, what was seen so far goes along, too.
    straight, crossed = (deployed_actor(learner)(learner.tasks[:3]) for _ in range(2))
    for each, first, second in ((straight, None, order), (crossed, order, None)):
        trial(learner, each, 1)
        if first is not None:
            each.exchange_beliefs(first)
        _episode_of(learner, each, None if first is None else order)
        if second is not None:
            each.exchange_beliefs(second)
    for name, value in straight.own.items():
        torch.testing.assert_close(value, crossed.own[name])


def _episode_of(learner: Any, actor: Any, order: np.ndarray | None) -> None:
    """One more episode of scripted evidence, in the order of the beliefs."""
    rng = np.random.default_rng(0)
    world = POINTS.make_world(3)
    observation = world.reset(learner.tasks[:3], 9)
    actor.begin_episode(np.ones(3, bool))
    arrange = np.arange(3) if order is None else order
    for _ in range(20):
        drawn = actor.act(observation[arrange])
        action = rng.normal(size=(3, 2)).astype(np.float32)
        actor._drawn = drawn._replace(action=action[arrange])
        if actor._adaptation.held_size:
            held = torch.linspace(-1, 1, 6).view(3, 2)[torch.from_numpy(arrange)]
            actor._held[:, 1] = held
        result = world.step(action)
        transition = type(result.transition(observation))(
            *(values[arrange] for values in result.transition(observation))
        )
        actor.observe(transition, result.sparse_reward[arrange], np.ones(3, bool))
        observation = result.observation


def test_without_evidence_nothing_adapts_and_other_tasks_step_is_another() -> None:
    learner = made(Maml)
    actor = deployed_actor(learner)(learner.tasks[:3])
    protocol = TrialProtocol(num_episodes=4, num_trials=1)
    results = meta_test(lambda of: actor, POINTS, learner.tasks[:3], protocol)
    assert not torch.equal(moved(actor), torch.zeros(3))  # the last condition: another's step
    meta_test(
        lambda of: actor, POINTS, learner.tasks[:3], protocol, conditions=[Condition.FROZEN_PRIOR]
    )
    assert torch.equal(moved(actor), torch.zeros(3))
    adapted, wrong = (
        results.last(condition, "return") for condition in (Condition.ADAPTED, Condition.WRONG_TASK)
    )
    assert (adapted != wrong).all()


def test_worlds_whose_episodes_end_at_different_times_adapt_each_at_its_own() -> None:
    family = CountingFamily()
    learner = made(Maml, family)
    actor = deployed_actor(learner)(learner.tasks[:2])  # 4 steps and 3
    together = trial(learner, actor, 3, family=family)
    assert (together.is_valid.sum(0) == torch.tensor([12.0, 9.0])).all()
    explored = together.only_episodes(0, 2).by_episode(2)
    for world in range(2):
        stage = stage_of(
            explored.of(torch.arange(2 * world, 2 * world + 2)),
            torch.zeros(1, 2, 0),
            torch.zeros(1, 2, 0),
            learner.explorer.trial_credit,
            learner.state.statistics,
            num_tasks=1,
        )
        expected = learner.adaptation.adapted(learner.adaptation.start(1), stage)
        for name, value in expected.items():
            torch.testing.assert_close(actor.own[name][world], value[0].detach())
