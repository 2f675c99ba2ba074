"""The gridworld's rules, its belief, and the best walk against recursions over beliefs."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from training.exact import gridworld_value
from training.exact.gridworld_value import bayes_optimal_walk, discovery_worths
from training.rules.gridworld import (
    MOVES,
    Gridworld,
    distance,
    first_belief,
    moved,
    reward,
    updated_belief,
)

SMALL = Gridworld(size=3, episode_length=4, num_episodes=2)


def test_goals_lie_anywhere_but_in_the_square_at_the_start():
    goals = Gridworld().goals
    assert len(goals) == 21
    assert not set(goals) & {0, 1, 5, 6}


def test_walls_hold_and_every_move_has_its_opposite():
    grid = Gridworld()
    cells = np.arange(25)
    for action in range(len(MOVES)):
        after = moved(grid, cells, np.full(25, action))
        assert ((after >= 0) & (after < 25)).all()
        assert (distance(grid, cells, after) == (after != cells)).all()
    corner = moved(grid, np.zeros(5, int), np.arange(5))
    assert corner.tolist() == [0, 5, 1, 0, 0]


def test_v8_belief_is_bayes_posterior():
    grid = Gridworld()
    rng = np.random.default_rng(0)
    goal = rng.choice(grid.goals, 200)
    cell, belief = np.zeros(200, int), first_belief(grid, 200)
    seen = [set() for _ in goal]
    for _ in range(40):
        cell = moved(grid, cell, rng.integers(len(MOVES), size=200))
        belief = updated_belief(grid, belief, cell, cell == goal)
        for world, own in enumerate(seen):
            own.add(int(cell[world]))
            # By counting: goals that would have shown exactly what was seen.
            left = [g for g in grid.goals if (g in own) == (goal[world] in own) and g not in own]
            left = [goal[world]] if goal[world] in own else left
            expected = np.isin(grid.goals, left) / len(left)
            assert belief[world] == pytest.approx(expected)


def test_what_cannot_be_seen_is_refused():
    certain = updated_belief(SMALL, first_belief(SMALL, 1), np.array([8]), np.array([True]))
    with pytest.raises(ValueError, match="no probability"):
        updated_belief(SMALL, certain, np.array([8]), np.array([False]))


def _belief_value(grid: Gridworld) -> float:
    """Bayes-optimal value by recursion over every belief and action, with no thought of walks."""

    @cache
    def value(cell: int, possible: frozenset[int], step: int) -> float:
        if step == grid.episode_length * grid.num_episodes:
            return 0.0
        best = -np.inf
        start = 0 if step % grid.episode_length == 0 else cell
        for action in range(len(MOVES)):
            after = int(moved(grid, np.array([start]), np.array([action]))[0])
            total = 0.0
            hit = {after} & possible
            for outcome in (frozenset(hit), possible - hit):
                if outcome:
                    paid = float(reward(grid, np.array(after), np.array(next(iter(outcome)))))
                    share = len(outcome) / len(possible)
                    total += share * (paid + value(after, outcome, step + 1))
            best = max(best, total)
        return best

    return value(0, frozenset(grid.goals.tolist()), 0)


@pytest.mark.parametrize(
    "grid",
    [
        SMALL,
        Gridworld(size=3, episode_length=3, num_episodes=3),
        Gridworld(size=3, start_size=1, episode_length=5, num_episodes=2),
        Gridworld(size=3, episode_length=5, num_episodes=2, goal_reward=2.0, step_reward=0.3),
        Gridworld(size=4, start_size=3, episode_length=7, num_episodes=2),
    ],
)
def test_best_walk_is_worth_what_a_recursion_over_beliefs_finds(grid):
    assert bayes_optimal_walk(grid).value == pytest.approx(_belief_value(grid), abs=1e-9)


def test_no_walk_is_dropped_that_could_have_won():
    grid = Gridworld(size=4, episode_length=7, num_episodes=2)
    worths = discovery_worths(grid)
    every = gridworld_value._walk_layers(grid, worths, width=None, at_least=-np.inf)
    best = every[-1].worth.max() / len(grid.goals)
    assert bayes_optimal_walk(grid).value == pytest.approx(best, abs=1e-9)


def test_played_by_the_rules_the_walk_earns_its_value():
    """On every goal: along the walk until the goal is met, then the shortest way, every episode."""
    grid = Gridworld()
    plan = bayes_optimal_walk(grid)
    goal = grid.goals
    cell, total = np.zeros(len(goal), int), np.zeros(len(goal))
    belief = first_belief(grid, len(goal))
    for step, planned in enumerate(plan.walk):
        if step % grid.episode_length == 0:
            cell = np.zeros(len(goal), int)
        is_known = belief.max(1) == 1.0
        options = np.stack([moved(grid, cell, np.full(len(goal), a)) for a in range(len(MOVES))], 1)
        aim = np.where(is_known, grid.goals[belief.argmax(1)], planned)
        away = distance(grid, options, aim[:, None])
        assert is_known.all() or (away.min(1)[~is_known] == 0).all()
        cell = options[np.arange(len(goal)), away.argmin(1)]
        total += reward(grid, cell, goal)
        belief = updated_belief(grid, belief, cell, cell == goal)
    assert total.mean() == pytest.approx(plan.value, abs=1e-9)
    assert plan.value == pytest.approx(37.2143, abs=1e-4)


def test_worths_are_the_formula_of_the_literature():
    """-.1 (15e + s - 1) + 1 + (15 - s) + (3 - e)(16 - d - .1 (d - 1)); e from 0, s from 1."""
    grid = Gridworld()
    worths = discovery_worths(grid)
    away = grid.goals % 5 + grid.goals // 5
    for episode in range(4):
        for step in range(1, 16):
            later = (3 - episode) * (16 - away - 0.1 * (away - 1))
            expected = -0.1 * (15 * episode + step - 1) + 1 + (15 - step) + later
            assert worths[15 * episode + step - 1] == pytest.approx(expected)
    assert worths[-1] == pytest.approx(np.full(21, -6.0))
