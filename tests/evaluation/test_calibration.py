"""Calibration of beliefs that are exact by construction, too sure, or about nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from tests.algorithms.conftest import NoisyLevelFamily, NoisyLevelWorld
from training.algorithms.task_inference import units_of
from training.evaluation.calibration import (
    Beliefs,
    Calibration,
    beliefs_after,
    calibration_table,
    calibrations,
    distance_from_uniform,
    draw_calibration,
)
from training.parts.actor import Drawn, Memoryless
from training.tasks.task import Parameter, Task
from training.tasks.task_set import draw_task_set

NOISE_SD = 0.3
"""of a `NoisyLevelWorld`'s reward"""
LEVEL_SD, UNSEEN_SD = 0.5, 5.0


class World(NoisyLevelWorld):
    """The reward is the level plus noise; nothing shows what else there is. None falls."""

    def reset(self, tasks: Sequence[Task], seed: int) -> np.ndarray:
        levels = [{"level": task.parameters["level"], "falls": (0.0,)} for task in tasks]
        return super().reset([Task(family="", name="", parameters=one) for one in levels], seed)


class Family(NoisyLevelFamily):
    """Normal parameters, so that a Gaussian belief can be exact."""

    name = "normal_level"
    parameters = (
        Parameter(name="level", unit="N", low=(-1.0,), high=(1.0,), changes_dynamics=False),
        Parameter(name="unseen", unit="kg", low=(10.0,), high=(30.0,), changes_dynamics=False),
    )

    def sample(self, rng: np.random.Generator, num_tasks: int) -> list[dict[str, Any]]:
        drawn = rng.normal([0.0, 20.0], [LEVEL_SD, UNSEEN_SD], (num_tasks, 2))
        return [{"level": (float(x),), "unseen": (float(y),)} for x, y in drawn]

    def make_world(self, num_worlds: int, *, num_threads: int = 1) -> World:
        return World(num_worlds)


class ExactBeliever(Memoryless):
    """Bayes' rule for a level that is normal and seen under normal noise; `shrink` of its spread
    makes it too sure."""

    def __init__(self, tasks: Sequence[Task], shrink: float = 1.0) -> None:
        self._num_worlds, self._shrink = len(tasks), shrink

    def begin_trial(self, seed: int) -> None:
        self._precision = np.full(self._num_worlds, LEVEL_SD**-2)
        self._weighted = np.zeros(self._num_worlds)
        self.num_begun = np.zeros(self._num_worlds)

    def begin_episode(self, starts: np.ndarray) -> None:
        self.num_begun += starts

    def act(self, observation: np.ndarray) -> Drawn:
        return Drawn(np.zeros((self._num_worlds, 1), np.float32))

    def observe(self, transition: Any, sparse_reward: Any, is_running: np.ndarray) -> None:
        self._precision += is_running * NOISE_SD**-2
        self._weighted += is_running * transition.reward * NOISE_SD**-2

    def believed(self) -> tuple[np.ndarray, np.ndarray]:
        nothing = np.zeros(self._num_worlds)
        mean = np.stack([self._weighted / self._precision, nothing], -1)
        sd = np.stack([self._precision**-0.5, nothing + UNSEEN_SD / 10.0], -1)
        return mean, self._shrink * sd


def rows_of(shrink: float = 1.0, *, after: int = 6, num_tasks: int = 400) -> list[Calibration]:
    family = Family()
    tasks = draw_task_set(family, seed=0, num_train=0, num_test=num_tasks).test
    beliefs = beliefs_after(
        lambda tasks: ExactBeliever(tasks, shrink), family, tasks, num_ticks=after, seed=1
    )
    units = units_of(family)
    return calibrations(beliefs, units.quantities, units.half_range.double().numpy(), after=after)


def test_a_belief_that_is_exact_is_found_calibrated_at_every_time() -> None:
    for after in (0, 1, 6):  # 6: in the trial's second episode
        for row in rows_of(after=after):
            assert row.distance < 0.07 and row.is_calibrated
            assert row.after == after and row.num_tasks == len(row.quantiles) == 400


def test_ticks_go_on_from_one_episode_of_a_trial_to_the_next() -> None:
    made: list[ExactBeliever] = []

    def make(tasks: Sequence[Task]) -> ExactBeliever:
        made.append(ExactBeliever(tasks))
        return made[-1]

    tasks = draw_task_set(Family(), seed=0, num_train=0, num_test=3).test
    for num_ticks, num_episodes in ((4, 1), (5, 2), (9, 3)):  # of 4 ticks each
        beliefs_after(make, Family(), tasks, num_ticks=num_ticks, seed=0)
        assert made[-1].num_begun.tolist() == [num_episodes] * 3


@pytest.mark.parametrize("shrink", [0.5, 2.0])
def test_a_belief_that_is_too_sure_or_not_sure_enough_is_found(shrink: float) -> None:
    for row in rows_of(shrink):
        assert row.distance > 0.1 and not row.is_calibrated
        outer = np.mean([quantile < 0.1 or quantile > 0.9 for quantile in row.quantiles])
        assert (outer > 0.3) == (shrink < 1.0)


def test_what_shows_in_nothing_keeps_the_width_of_the_prior_and_what_shows_does_not() -> None:
    level, unseen = rows_of()

    assert (unseen.quantity, unseen.unit, unseen.width) == ("unseen", "kg", 1.0)
    assert unseen.prior_sd == unseen.sd == pytest.approx(UNSEEN_SD)
    assert level.prior_sd == pytest.approx(LEVEL_SD)
    assert level.sd == pytest.approx((LEVEL_SD**-2 + 6 * NOISE_SD**-2) ** -0.5)
    assert level.width == pytest.approx(level.sd / level.prior_sd)


def test_the_critical_distance_is_exceeded_by_chance_in_a_twentieth_of_all_cases() -> None:
    rng = np.random.default_rng(0)
    nothing, ones = np.zeros((30, 400)), np.ones((30, 400))
    units = [units_of(Family()).quantities[0]] * 400
    beliefs = Beliefs(ones, nothing, ones, rng.normal(size=(30, 400)))
    found = calibrations(beliefs, units, np.ones(400), after=1)

    share = np.mean([not row.is_calibrated for row in found])
    assert 0.02 < share < 0.08
    assert found[0].critical == pytest.approx(0.2417, abs=1e-4)  # Smirnov's table, n = 30


def test_distance_from_uniform_is_the_largest_gap_of_the_distributions() -> None:
    assert distance_from_uniform(np.array([0.25, 0.75])) == pytest.approx(0.25)
    assert distance_from_uniform(np.array([0.1, 0.2, 0.3])) == pytest.approx(0.7)
    assert distance_from_uniform(np.linspace(0.0005, 0.9995, 1000)) == pytest.approx(0.0005)


def test_the_table_says_what_was_found_and_the_picture_is_one(tmp_path, capsys) -> None:
    from rich.console import Console

    rows = rows_of(0.5)
    Console(width=120).print(calibration_table("title", rows))
    draw_calibration("title", rows, tmp_path / "picture.png")

    shown = capsys.readouterr().out
    for word in ("level", "unseen", "kg", "no", f"{rows[0].distance:.3f}", "400 tasks", "1.00"):
        assert word in shown
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
