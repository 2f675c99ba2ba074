"""The experiments behind the marks, on players of whom the answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sim2real.evaluation.metrics import Interval
from training.evaluation.consistency import SameEnd, Walker, consistency, played_after
from training.evaluation.desiderata import EXPERIMENTS, Desideratum, Mark, marked, row
from training.evaluation.structure import Noise, clipped_std, first_episodes, structure
from training.families.outside import outside_tasks
from training.families.registry import FAMILIES
from training.parts.actor import Drawn, Memoryless
from training.tasks.task_set import draw_task_set

POINTS, CIRCLE = FAMILIES["point_robot"], FAMILIES["sparse_point_robot"]
OUTSIDE = outside_tasks(POINTS, seed=0, num_tasks=12)
GOALS = draw_task_set(CIRCLE, seed=5, num_train=0, num_test=30).test


# ---- consistency ---------------------------------------------------------------------------------


class Slow(Memoryless):
    """Walks at a share of full speed that grows with every episode, by `gain`."""

    def __init__(self, tasks, gain):
        self.walker, self.gain, self.episode = Walker(tasks), gain, 0

    def begin_trial(self, seed):
        self.episode = 0

    def begin_episode(self, starts):
        self.episode += 1

    def act(self, observation):
        speed = min(1.0, 0.2 + self.gain * (self.episode - 1))
        return Drawn(self.walker.act(observation).action * np.float32(speed))


def missing_after(gain, *counts):
    return [
        played_after(lambda tasks: Slow(tasks, gain), POINTS, OUTSIDE, n, num_trials=2, seed=0)
        for n in counts
    ]


def test_whoever_does_not_learn_removes_nothing():
    """To the last bit, for the judged episode is the same however many came before."""
    result = consistency((1, 2, 4), missing_after(0.0, 1, 2, 4))

    assert result.missing[0].mean > 1.0
    assert tuple(result.removed) == (0.0, 0.0, 0.0)
    assert result.missing[0] == result.missing[2]


def test_whoever_gets_to_the_best_removes_all():
    result = consistency((1, 2, 4), missing_after(0.2, 1, 2, 4))

    assert [each.mean for each in result.missing] == sorted(
        (each.mean for each in result.missing), reverse=True
    )
    assert result.removed.mean == pytest.approx(1.0, abs=1e-6)
    assert result.missing[-1].mean == pytest.approx(0.0, abs=1e-6)


def test_whoever_gets_worse_removes_less_than_nothing():
    worse = missing_after(-0.04, 1, 4)
    assert consistency((1, 4), worse).removed.high < 0.0


def test_trials_of_any_length_end_alike():
    short, long = (SameEnd(num_episodes=n, seed=3) for n in (1, 6))

    assert short.episode_seeds()[-1] == long.episode_seeds()[-1]
    assert short.common_latent_seed() == long.common_latent_seed()
    assert len({*long.episode_seeds(), long.common_latent_seed()}) == 7


def test_nobody_beats_the_walker_who_is_told():
    def nudged(tasks):
        class Nudged(Walker):
            rng = np.random.default_rng(0)

            def act(self, observation):
                action = super().act(observation).action
                return Drawn(action + self.rng.normal(0, 0.3, action.shape).astype(np.float32))

        return Nudged(tasks)

    played = played_after(nudged, POINTS, OUTSIDE, 0, num_trials=4, seed=0)
    assert (played > 0.0).all()
    told = played_after(Walker, POINTS, OUTSIDE, 2, num_trials=4, seed=0)
    np.testing.assert_array_equal(told, 0.0)


# ---- structure -----------------------------------------------------------------------------------


class Held(Memoryless):
    """A direction drawn for an episode, at a speed."""

    def __init__(self, num_worlds, speed=1.0):
        self.rng, self.num_worlds, self.speed = np.random.default_rng(1), num_worlds, speed

    def begin_episode(self, starts):
        angle = self.rng.uniform(0, 2 * np.pi, self.num_worlds)
        self.action = self.speed * np.stack([np.cos(angle), np.sin(angle)], 1).astype(np.float32)

    def act(self, observation):
        return Drawn(self.action)


@pytest.mark.parametrize("std", [0.3, 1.0, 4.0])
def test_noise_beside_noise_of_its_energy_is_at_one(std):
    result = structure(
        lambda tasks: Noise(np.array([std, std]), len(tasks), seed=99), CIRCLE, GOALS, seed=0
    )
    assert result.ratio.mean() == pytest.approx(1.0, abs=0.12)


def test_a_direction_that_is_held_sees_more_than_noise_of_its_energy():
    result = structure(lambda tasks: Held(len(tasks)), CIRCLE, GOALS, seed=0)
    assert result.ratio.min() > EXPERIMENTS[Desideratum.STRUCTURED].threshold


@pytest.mark.parametrize("std", [0.1, 0.7, 1.5, 8.0])
def test_energy_is_met_after_clipping(std):
    drawn = np.clip(np.random.default_rng(0).normal(0.0, std, 400_000), -1.0, 1.0)
    assert clipped_std(np.array([np.square(drawn).mean()]))[0] == pytest.approx(std, rel=0.02)


def test_cells_are_counted_once_a_world():
    """There and back again along an axis: 20 steps of 0.1 m see cells of 0.2 m from 0 to 1 m."""

    class Back(Memoryless):
        step = 0

        def act(self, observation):
            self.step += 1
            ahead = 1.0 if self.step % 20 in range(1, 11) else -1.0
            return Drawn(np.tile(np.array([[ahead, 0.0]], np.float32), (len(observation), 1)))

    visited = first_episodes(Back(), CIRCLE, GOALS, seed=0)
    np.testing.assert_array_equal(visited.num_cells, 6.0)
    np.testing.assert_allclose(visited.energy, [1.0, 0.0])


# ---- marks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("interval", "above", "below"),
    [
        ((3.0, 3.0, 3.0), Mark.YES, Mark.YES),
        ((4.0, 3.1, 5.0), Mark.YES, Mark.NO),
        ((2.0, 1.0, 2.9), Mark.NO, Mark.YES),
        ((3.0, 2.0, 4.0), Mark.UNCLEAR, Mark.UNCLEAR),
        ((4.0, 3.1, math.inf), Mark.YES, Mark.NO),
    ],
)
def test_marks_need_the_whole_interval_on_one_side(interval, above, below):
    experiment = EXPERIMENTS[Desideratum.CONSISTENT]._replace(threshold=3.0)
    assert marked(Interval(*interval), experiment) is above
    assert marked(Interval(*interval), experiment._replace(is_better_above=False)) is below


def test_what_was_tried_and_never_reached_is_a_no():
    result = row("maml", "points", Desideratum.EFFICIENT, None, {})
    assert (result.mark, result.value) == (Mark.NO, None)
    assert result.lecture is Mark.NO
    assert row("psrl", "points", Desideratum.EFFICIENT, None, {}).lecture is None
