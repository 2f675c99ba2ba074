"""What must hold for every algorithm: they are listed in the registry, and so are tested here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sim2real.contract.context import ContextLayout
from sim2real.contract.transition import Transition
from sim2real.evaluation.protocol import Condition, TrialProtocol
from tests.algorithms.conftest import CountingFamily, CountingWorld, build
from training.algorithms.learner import Learner, deployed_actor
from training.algorithms.registry import ALGORITHMS
from training.evaluation.meta_test import meta_test
from training.parts.checked import Settings
from training.parts.replay import TransitionLayout
from training.parts.trials import collect_trials
from training.runs.checkpoint import CheckpointStore
from training.tasks.task import Task, TaskFamily
from training.worlds.vector_world import StepResult

ADAPTED = [Condition.ADAPTED]

pytestmark = pytest.mark.parametrize("algorithm", ALGORITHMS)


def built(algorithm: str, family: TaskFamily, **options: Any) -> Learner:
    learner: Learner = build(ALGORITHMS[algorithm], family, **options)
    return learner


def numbers(learner: Learner) -> list[Any]:
    """Everything that decides what it does next."""
    snapshot = learner.state.snapshot()
    replays = {
        name: [replay.block(task, index).tobytes()
               for task in range(len(replay.size)) for index in range(replay.num_blocks(task))]
        for name, replay in snapshot.replays.items()
    }  # fmt: skip
    return [*_flat(snapshot.tensors), snapshot.counters, replays]


def _flat(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [number for name in value for number in _flat(value[name])]
    if isinstance(value, list | tuple):
        return [number for each in value for number in _flat(each)]
    return [value.numpy().tobytes() if isinstance(value, torch.Tensor) else value]


def test_two_iterations_give_finite_figures_and_count_what_they_took(
    algorithm: str, point_robot: TaskFamily
) -> None:
    learner, steps = built(algorithm, point_robot), []
    for progress in (0.0, 0.5):
        figures = learner.iterate(progress)
        assert "train_return" in figures
        assert all(np.isfinite(value) for value in figures.values()), figures
        steps.append((learner.state.num_environment_steps, learner.state.num_gradient_steps))

    assert 0 < steps[0][0] < steps[1][0]
    assert 0 <= steps[0][1] <= steps[1][1]  # of the optimiser; some algorithms have none


def test_its_settings_check_themselves(algorithm: str, point_robot: TaskFamily) -> None:
    assert issubclass(ALGORITHMS[algorithm].config_type, Settings)


def test_equal_seeds_are_equal_and_others_are_not(algorithm: str, point_robot: TaskFamily) -> None:
    def after_an_iteration(seed: int) -> list[Any]:
        learner = built(algorithm, point_robot, seed=seed)
        learner.iterate(0.0)
        return numbers(learner)

    assert after_an_iteration(0) == after_an_iteration(0)
    assert after_an_iteration(0) != after_an_iteration(1)


def test_stopped_and_resumed_is_whole(
    algorithm: str, point_robot: TaskFamily, tmp_path: Path
) -> None:
    whole, stopped = built(algorithm, point_robot), built(algorithm, point_robot)
    for progress in (0.0, 0.5):
        whole.iterate(progress)
    stopped.iterate(0.0)
    CheckpointStore(tmp_path).save(stopped, 1)
    resumed = built(algorithm, point_robot)
    assert CheckpointStore(tmp_path).load_latest(resumed) == 1
    resumed.iterate(0.5)

    assert numbers(resumed) == numbers(whole)


class Watched:
    """An actor that notes what it is shown, and starts every trial from one seed."""

    def __init__(self, actor: Any, seed: int = 7) -> None:
        self._actor, self._seed = actor, seed
        self.observations: list[np.ndarray] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._actor, name)

    def begin_trial(self, seed: int) -> None:
        self._actor.begin_trial(self._seed)

    def act(self, observation: np.ndarray) -> Any:
        self.observations.append(observation.copy())
        return self._actor.act(observation)


def test_collecting_and_evaluating_show_the_same_behaviour(
    algorithm: str, point_robot: TaskFamily
) -> None:
    learner = built(algorithm, point_robot)
    learner.iterate(0.0)
    tasks = list(learner.tasks[:3])  # type: ignore[attr-defined]
    protocol = TrialProtocol(num_episodes=1, num_trials=1, seed=3)
    make_actor = deployed_actor(learner)
    evaluated = meta_test(
        lambda of: Watched(make_actor(of)), point_robot, tasks, protocol, conditions=ADAPTED
    )
    seed = int(np.random.SeedSequence(3).generate_state(2)[0])
    collected = collect_trials(
        point_robot.make_world(3),
        tasks,
        Watched(make_actor(tasks)),
        num_episodes=1,
        seed=seed,
        device=torch.device("cpu"),
    )

    np.testing.assert_allclose(
        collected.episode_sums(collected.reward, 1)[:, 0],
        evaluated.episodes[Condition.ADAPTED]["dense_return"][:, 0, 0],
        rtol=1e-5,
    )


def test_two_tasks_in_sequence_do_not_touch_each_other(
    algorithm: str, point_robot: TaskFamily
) -> None:
    learner = built(algorithm, point_robot)
    learner.iterate(0.0)
    first, second = learner.tasks[:2], learner.tasks[2:4]  # type: ignore[attr-defined]
    protocol = TrialProtocol(num_episodes=2, num_trials=1)
    fresh = deployed_actor(learner)(second)
    # Of another task, but an oracle is told which: it gets an actor for the second pair.
    used = deployed_actor(learner)(second if learner.is_told_task else first)
    meta_test(lambda of: used, point_robot, first, protocol, conditions=ADAPTED)
    after = meta_test(lambda of: used, point_robot, second, protocol, conditions=ADAPTED)
    alone = meta_test(lambda of: fresh, point_robot, second, protocol, conditions=ADAPTED)

    np.testing.assert_array_equal(
        after.episodes[Condition.ADAPTED]["return"], alone.episodes[Condition.ADAPTED]["return"]
    )


def test_a_later_episode_begins_with_its_own_first_observation(
    algorithm: str, counting: CountingFamily
) -> None:
    learner = built(algorithm, counting)
    tasks: Sequence[Task] = learner.tasks[:2]  # type: ignore[attr-defined]
    actor = Watched(learner.make_actor(tasks, is_deterministic=False))
    trials = collect_trials(
        CountingWorld(2), tasks, actor, num_episodes=2, seed=0, device=torch.device("cpu")
    )
    shown = np.stack(actor.observations)

    assert (trials.observation[trials.is_first > 0][:, 1] == 0).all()  # no step has been counted
    assert (trials.is_first.sum(0) == 2).all()
    np.testing.assert_array_equal(shown, trials.observation)


def test_no_stored_transition_joins_two_episodes(
    algorithm: str, counting: CountingFamily, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is learnt from, and becomes a row or not, has been one step of one episode."""
    seen: list[Transition] = []
    transition_of = StepResult.transition
    monkeypatch.setattr(
        StepResult,
        "transition",
        lambda self, observation: (seen.append(made := transition_of(self, observation)), made)[1],
    )
    for layout, verb in ((ContextLayout, "row"), (TransitionLayout, "rows")):
        original = getattr(layout, verb)
        monkeypatch.setattr(
            layout, verb, lambda self, step, of=original: (seen.append(step), of(self, step))[1]
        )
    learner = built(algorithm, counting)
    for progress in (0.0, 0.5):
        learner.iterate(progress)

    assert seen
    for transition in seen:
        before, after = transition.observation[..., 1], transition.next_observation[..., 1]
        np.testing.assert_array_equal(after, before + 1)


def test_it_says_what_it_is(algorithm: str, point_robot: TaskFamily) -> None:
    learner = built(algorithm, point_robot)

    assert isinstance(learner.adapts, bool) and isinstance(learner.is_told_task, bool)
    assert isinstance(learner.why_not_deployable, str)
    assert not (learner.is_told_task and not learner.why_not_deployable)
