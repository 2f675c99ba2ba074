"""Planning, conjugate beliefs and exploration of tabular processes: properties B1 to B8."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from scipy.optimize import linprog

from training.exact.exploration import explore
from training.exact.explorers import EpsilonGreedy, Optimism, PosteriorSampling
from training.exact.posterior import BetaReward, Counts, GaussianReward, Prior, no_counts
from training.exact.regret import bandit_check, growth_exponent
from training.exact.tabular import (
    Model,
    bandits,
    chain,
    drawn,
    plan,
    policy_return,
    river_swim,
    step_process,
)
from training.worlds.ties import among_best


def counts_of(rng, num_runs=2, num_states=3, num_actions=2, steps=200):
    counts = no_counts(num_runs, num_states, num_actions)
    for _ in range(steps):
        counts.add(
            rng.integers(num_states, size=num_runs),
            rng.integers(num_actions, size=num_runs),
            rng.integers(2, size=num_runs).astype(float),
            rng.integers(num_states, size=num_runs),
        )
    return counts


def test_b1_counts_are_what_happened():
    counts = no_counts(2, 3, 2)
    for reward in (1.0, 0.5):
        counts.add(np.array([0, 2]), np.array([1, 0]), np.full(2, reward), np.array([1, 2]))
    assert counts.transitions.sum() == 4.0
    assert counts.transitions[0, 0, 1].tolist() == [0.0, 2.0, 0.0]
    assert counts.reward_sum[1, 2, 0] == 1.5
    assert counts.visits[0, 0, 1] == 2.0
    mean = Prior(transition=1.0).mean_model(counts)
    assert mean.transition[0, 0, 1] == pytest.approx([1 / 5, 3 / 5, 1 / 5])


def test_b2_equal_seeds_choose_equally_and_others_do_not():
    def regret(seed):
        rng = np.random.default_rng(seed)
        return explore(river_swim(), PosteriorSampling(), rng, num_runs=3, num_episodes=20).regret

    assert np.array_equal(regret(0), regret(0))
    assert not np.array_equal(regret(0), regret(1))


@pytest.mark.slow
def test_b3_regret_on_river_swim_is_sub_linear_and_below_epsilon_greedy():
    regret = {
        explorer.name: explore(
            river_swim(), explorer, np.random.default_rng(0), num_runs=20, num_episodes=1000
        ).regret.cumsum(0)
        for explorer in (PosteriorSampling(), EpsilonGreedy(), Optimism(scale=0.1))
    }
    rng = np.random.default_rng(1)
    assert regret["psrl"][-1].max() < regret["epsilon_greedy"][-1].min()
    for sub_linear in ("psrl", "ucbvi"):
        assert growth_exponent(regret[sub_linear], rng)[2] < 0.5
    assert growth_exponent(regret["epsilon_greedy"], rng)[1] > 0.9


@pytest.mark.slow
def test_b3_regret_on_a_chain_of_twenty_states_falls_below_epsilon_greedy():
    prior = Prior(transition=1 / 20)
    psrl, dithering = (
        explore(chain(20), explorer, np.random.default_rng(0), num_runs=20, num_episodes=1500)
        for explorer in (PosteriorSampling(prior=prior), EpsilonGreedy(prior=prior))
    )
    assert psrl.regret[-300:].mean() < 0.75 * dithering.regret[-300:].mean()


@dataclass(kw_only=True)
class Asked:
    """Posterior sampling that remembers in which episodes it was asked."""

    name: str = "asked"
    episodes: list[int] = field(default_factory=list)

    def policy(self, counts, horizon, episode, rng):
        self.episodes.append(episode)
        return PosteriorSampling().policy(counts, horizon, episode, rng)


def test_b4_one_sample_decides_a_whole_episode():
    for decides_every_step, times in ((False, 1), (True, 20)):
        asked = Asked()
        explore(
            river_swim(),
            asked,
            np.random.default_rng(0),
            num_runs=2,
            num_episodes=3,
            decides_every_step=decides_every_step,
        )
        assert asked.episodes == [episode for episode in range(3) for _ in range(times)]


def test_b4_a_sample_held_for_an_episode_explores_better_than_one_a_step():
    regret = [
        explore(
            river_swim(),
            PosteriorSampling(),
            np.random.default_rng(0),
            num_runs=20,
            num_episodes=150,
            decides_every_step=every_step,
        ).regret.sum(0)
        for every_step in (False, True)
    ]
    error = np.sqrt(sum(each.var(ddof=1) / len(each) for each in regret))
    assert regret[1].mean() - regret[0].mean() > 3.0 * error


def test_b5_gaussian_posterior_is_the_conjugate_formula():
    total, count = np.full((1, 1, 1), 3.0), np.full((1, 1, 1), 4.0)
    reward = GaussianReward(prior_precision=2.0, noise_precision=0.5)
    assert reward.mean(total, count) == pytest.approx(3.0 * 0.5 / (2.0 + 4.0 * 0.5))
    samples = reward.sample(*(np.broadcast_to(x, (1, 1, 100_000)) for x in (total, count)), _rng())
    assert samples.mean() == pytest.approx(0.375, abs=0.01)
    assert samples.var() == pytest.approx(1 / 4.0, rel=0.03)


def test_b5_beta_posterior_is_the_conjugate_formula():
    total, count = np.full((1, 1, 100_000), 3.0), np.full((1, 1, 100_000), 4.0)
    samples = BetaReward(alpha=2.0, beta=1.0).sample(total, count, _rng())
    assert BetaReward(alpha=2.0, beta=1.0).mean(total, count)[0, 0, 0] == pytest.approx(5 / 7)
    assert samples.mean() == pytest.approx(5 / 7, abs=0.01)
    assert samples.var() == pytest.approx(5 * 2 / (49 * 8), rel=0.03)


def test_b6_sampled_transitions_sum_to_one_and_average_to_the_posterior_mean():
    counts, rng = counts_of(_rng()), _rng()
    prior = Prior(transition=0.5)
    samples = np.stack([prior.sampled_model(counts, rng).transition for _ in range(4000)])
    assert samples.sum(-1) == pytest.approx(np.ones(samples.shape[:-1]))
    assert samples.mean(0) == pytest.approx(prior.mean_model(counts).transition, abs=0.01)


def test_b6_parameters_too_small_for_floats_choose_one_state_by_their_weight():
    counts = no_counts(20_000, 1, 1)
    sampled = Prior(transition=np.array([1e-5, 3e-5])).sampled_model(
        Counts(transitions=np.zeros((20_000, 1, 1, 2)), reward_sum=counts.reward_sum), _rng()
    )
    assert sampled.transition.sum(-1) == pytest.approx(1.0)
    assert sampled.transition[:, 0, 0, 1].mean() == pytest.approx(0.75, abs=0.02)


def test_b7_planning_finds_what_a_linear_programme_finds():
    process = river_swim()
    transition, reward = process.model.transition[0], process.model.reward[0]
    horizon, (num_states, num_actions) = 8, reward.shape
    # Least V with V_h(s) >= r(s, a) + Σ P(s' | s, a) V_{h+1}(s') for all h, s, a.
    rows, bounds = [], []
    for step in range(horizon):
        for state in range(num_states):
            for action in range(num_actions):
                row = np.zeros((horizon + 1, num_states))
                row[step, state] -= 1.0
                row[step + 1] += transition[state, action]
                rows.append(row.ravel())
                bounds.append(-reward[state, action])
    fixed = [(0.0, 0.0) if step == horizon else (None, None) for step in range(horizon + 1)]
    solved = linprog(
        np.ones((horizon + 1) * num_states),
        A_ub=np.array(rows),
        b_ub=bounds,
        bounds=[bound for bound in fixed for _ in range(num_states)],
    )
    value = solved.x.reshape(horizon + 1, num_states)[:horizon]
    assert plan(process.model, horizon)[0].max(-1) == pytest.approx(value, abs=1e-7)


def test_b7_best_policy_earns_the_planned_value_and_no_other_earns_more():
    process = river_swim()
    values = plan(process.model, process.horizon)
    best = policy_return(process, among_best(values))
    assert best == pytest.approx(values[:, 0, process.start].max(-1))
    other = _rng().dirichlet(np.ones(2), (200, process.horizon, 6))
    assert (policy_return(process, other) < best).all()


def test_b8_deciding_leaves_counts_and_models_as_they_are():
    counts = counts_of(_rng())
    model = Prior().mean_model(counts)
    arrays = (counts.transitions, counts.reward_sum, model.transition, model.reward)
    before = [array.copy() for array in arrays]
    plan(model, 5)
    for explorer in (PosteriorSampling(), EpsilonGreedy(), Optimism()):
        policy = explorer.policy(counts, 5, 0, _rng())
        assert policy.sum(-1) == pytest.approx(np.ones(policy.shape[:-1]))
    assert all(np.array_equal(array, old) for array, old in zip(arrays, before, strict=True))


def test_regret_is_what_the_policy_falls_short_of_the_optimum():
    process, explorer = river_swim(), EpsilonGreedy(epsilon=1.0)
    explored = explore(process, explorer, _rng(), num_runs=4000, num_episodes=1)
    uniform = np.full((1, process.horizon, 6, 2), 0.5)
    optimum = plan(process.model, process.horizon)[0, 0, process.start].max()
    short = float(optimum - policy_return(process, uniform)[0])
    error = explored.regret.std() / np.sqrt(explored.regret.size)
    assert abs(explored.regret.mean() - short) < 4.0 * error


def test_optimism_is_not_below_the_truth():
    """With the bonus of the theory, the hoped-for value is an upper bound."""
    process, rng = chain(5), _rng()
    counts = no_counts(50, 5, 2)
    state = np.zeros(50, int)
    for _ in range(400):
        action = rng.integers(2, size=50)
        after, reward = step_process(process, state, action, rng)
        counts.add(state, action, reward, after)
        state = after
    hoped = Optimism(scale=7.0).hoped_values(counts, process.horizon, 400)
    assert (hoped >= plan(process.model, process.horizon) - 1e-9).all()
    assert (hoped <= process.horizon).all()


def test_epsilon_falls_as_it_should():
    counts = no_counts(1, 2, 4)
    greedy = EpsilonGreedy(epsilon=0.8, decay=0.5)
    counts.add(np.array([0]), np.array([1]), np.array([1.0]), np.array([0]))
    counts.add(np.array([1]), np.array([1]), np.array([1.0]), np.array([1]))
    for episode, epsilon in ((0, 0.8), (3, 0.4)):
        policy = greedy.policy(counts, 3, episode, _rng())
        assert policy[0, 0, 0] == pytest.approx(
            [epsilon / 4, 1 - epsilon * 3 / 4, epsilon / 4, epsilon / 4]
        )


def test_processes_are_processes_and_their_steps_follow_them():
    for process in (river_swim(), river_swim(20), chain(20), bandits(np.array([[0.2, 0.7]]))):
        assert process.model.transition.sum(-1) == pytest.approx(1.0)
        assert (process.model.transition >= 0.0).all()
    process = river_swim()
    state, action = np.full(50_000, 2), np.ones(50_000, int)
    after, reward = step_process(process, state, action, _rng())
    assert np.bincount(after, minlength=6) / 50_000 == pytest.approx(
        [0, 0.05, 0.6, 0.35, 0, 0], abs=0.01
    )
    assert (reward == 0.0).all()


def test_every_run_has_the_process_of_its_own():
    arms = np.array([[0.0, 1.0], [1.0, 0.0]])
    _, reward = step_process(bandits(arms), np.zeros(2, int), np.array([1, 1]), _rng())
    assert reward.tolist() == [1.0, 0.0]


def test_choices_are_drawn_with_their_probabilities():
    chances = np.tile([0.2, 0.0, 0.8], (50_000, 1))
    shares = np.bincount(drawn(chances, _rng()), minlength=3) / 50_000
    assert shares == pytest.approx([0.2, 0.0, 0.8], abs=0.01)
    assert shares[1] == 0.0


def test_planning_ahead_of_one_step_is_the_reward():
    model = Model(
        transition=np.full((1, 2, 2, 2), 0.5), reward=np.array([[[1.0, 2.0], [0.0, 3.0]]])
    )
    assert plan(model, 1)[0, 0] == pytest.approx(model.reward[0])


def test_posterior_sampling_on_bandits_earns_thompsons_exact_value():
    check = bandit_check(seed=0, num_bandits=20_000)
    assert check["thompson_exact"] == pytest.approx(11.932, abs=1e-3)
    assert check["value"] == pytest.approx(check["thompson_exact"], rel=0.01)


def test_exponent_of_a_power_is_found():
    episode = np.arange(1, 1001.0)[:, None]
    scale = np.array([1.0, 2.0, 3.0])
    mean, low, high = growth_exponent(scale * episode**0.7, _rng())
    assert (mean, low, high) == pytest.approx((0.7, 0.7, 0.7))


def _rng():
    return np.random.default_rng(0)
