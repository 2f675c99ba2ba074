"""Defects of exact references and of tabular exploration; see `defects.py`."""

from __future__ import annotations

from tests.mutations.defects import Defect

_TABULAR, _GRID, _BANDITS, _CIRCLE = (
    f"tests/exact/test_{name}.py" for name in ("tabular", "gridworld", "bandits", "half_circle")
)
_PSRL, _LEARNER = "training/algorithms/psrl.py", "tests/algorithms/test_psrl.py"
_POSTERIOR = "training/exact/posterior.py"

DEFECTS = (
    Defect(
        "B1",
        "counts are kept under the state that followed",
        _POSTERIOR,
        "self.transitions[run, state, action, next_state] += 1.0",
        "self.transitions[run, next_state, action, state] += 1.0",
        (f"{_TABULAR}::test_b1_counts_are_what_happened",),
    ),
    Defect(
        "B2",
        "samples come from a generator of their own",
        _POSTERIOR,
        "weights = rng.standard_gamma(",
        "weights = np.random.default_rng().standard_gamma(",
        (f"{_TABULAR}::test_b2_equal_seeds_choose_equally_and_others_do_not",),
    ),
    Defect(
        "B3",
        "planning with the mean in place of a sample",
        "training/exact/explorers.py",
        "self.prior.sampled_model(counts, rng)",
        "self.prior.mean_model(counts)",
        (f"{_TABULAR}::test_b3_regret_on_river_swim_is_sub_linear_and_below_epsilon_greedy",),
    ),
    Defect(
        "B4",
        "a sample every step",
        "training/exact/exploration.py",
        "if step == 0 or decides_every_step:",
        "if step >= 0:",
        (
            f"{_TABULAR}::test_b4_one_sample_decides_a_whole_episode",
            f"{_TABULAR}::test_b4_a_sample_held_for_an_episode_explores_better_than_one_a_step",
        ),
    ),
    Defect(
        "B4",
        "the learner samples at every step",
        _PSRL,
        "if (is_due := step == 0).any():",
        "if (is_due := step >= 0).any():",
        (f"{_LEARNER}::test_b4_one_sample_is_held_for_an_episode_or_its_steps",),
    ),
    Defect(
        "B1",
        "the learner counts what is no evidence",
        _PSRL,
        "run, reward = np.flatnonzero(is_running),",
        "is_running = np.ones_like(is_running)\n        run, reward = np.flatnonzero(is_running),",
        (f"{_LEARNER}::test_b1_counts_are_what_happened_where_it_counted",),
    ),
    Defect(
        "exact",
        "the learner plans beyond the end of a task",
        _PSRL,
        "following[transition.terminated] = self._table.end",
        "following[transition.terminated] = 0",
        (f"{_LEARNER}::test_nothing_is_expected_behind_the_end_of_a_task",),
    ),
    Defect(
        "exact",
        "transitions of tasks that move otherwise are pooled",
        _PSRL,
        "if self.shares_dynamics:",
        "if True:",
        (f"{_LEARNER}::test_transitions_of_all_tasks_count_only_where_dynamics_do_not_vary",),
    ),
    Defect(
        "exact",
        "what a pull paid is taken from the prior",
        _PSRL,
        "reward_sum=self.counts.reward_sum[worlds]",
        "reward_sum=0.0 * self.counts.reward_sum[worlds]",
        (f"{_LEARNER}::test_on_the_bandit_it_is_thompson_sampling",),
    ),
    Defect(
        "B5",
        "rewards count without their precision",
        _POSTERIOR,
        "return (prior + self.noise_precision * total)",
        "return (prior + total)",
        (f"{_TABULAR}::test_b5_gaussian_posterior_is_the_conjugate_formula",),
    ),
    Defect(
        "B6",
        "samples are drawn from the prior",
        _POSTERIOR,
        "rng.standard_gamma(counts.transitions + self.transition)",
        "rng.standard_gamma(0.0 * counts.transitions + self.transition)",
        (f"{_TABULAR}::test_b6_sampled_transitions_sum_to_one_and_average_to_the_posterior_mean",),
    ),
    Defect(
        "B7",
        "the value of the worst action is passed on",
        "training/exact/tabular.py",
        "following = values[:, step].max(-1)",
        "following = values[:, step].min(-1)",
        (
            f"{_TABULAR}::test_b7_planning_finds_what_a_linear_programme_finds",
            f"{_TABULAR}::test_b7_best_policy_earns_the_planned_value_and_no_other_earns_more",
        ),
    ),
    Defect(
        "B8",
        "planning with optimism writes into the counts",
        "training/exact/explorers.py",
        "reward=counts.reward_sum / visits",
        "reward=np.divide(counts.reward_sum, visits, out=counts.reward_sum)",
        (f"{_TABULAR}::test_b8_deciding_leaves_counts_and_models_as_they_are",),
    ),
    Defect(
        "V8",
        "half of the belief on the goal goes elsewhere",
        "training/worlds/gridworld.py",
        "posterior = np.where(is_here == is_goal[:, None], belief, 0.0)",
        "posterior = np.where(is_here == is_goal[:, None], belief, 0.5 * belief)",
        (f"{_GRID}::test_v8_belief_is_bayes_posterior",),
    ),
    Defect(
        "V9",
        "of walks that met the same, the worst is kept",
        "training/exact/gridworld_value.py",
        "np.lexsort((-worth, ",
        "np.lexsort((worth, ",
        (f"{_GRID}::test_best_walk_is_worth_what_a_recursion_over_beliefs_finds",),
    ),
    Defect(
        "V9",
        "the goal is worth nothing in later episodes",
        "training/exact/gridworld_value.py",
        "later = grid.num_episodes - 1 - step // grid.episode_length",
        "later = 0 * (step // grid.episode_length)",
        (f"{_GRID}::test_worths_are_the_formula_of_the_literature",),
    ),
    Defect(
        "exact",
        "a pull that fails is not discounted",
        "training/exact/bandit_values.py",
        "(1.0 - chance) * bandit.discount * unpaid",
        "(1.0 - chance) * unpaid",
        (f"{_BANDITS}::test_the_largest_index_first_is_bayes_optimal_under_discount",),
    ),
    Defect(
        "exact",
        "quadrature too coarse for the posteriors",
        "training/worlds/bernoulli_bandit.py",
        "leggauss(degree // 2 + 1)",
        "leggauss(degree // 8)",
        (
            f"{_BANDITS}::test_thompson_chances_of_two_arms_are_the_closed_form",
            f"{_BANDITS}::test_thompson_chances_of_three_arms_are_the_shares_of_posterior_samples",
        ),
    ),
    Defect(
        "exact",
        "restarting is not allowed",
        "training/exact/gittins.py",
        "improved = np.maximum(pulled, pulled[0, 0])",
        "improved = pulled",
        (f"{_BANDITS}::test_gittins_indices_of_two_methods_agree",),
    ),
    Defect(
        "exact",
        "mirror images are not told apart, and it is not noticed",
        "training/exact/half_circle_sweep.py",
        "return np.where(is_single, met_at, told_at)",
        "return np.where(is_single, met_at, met_at + num_steps)",
        (f"{_CIRCLE}::test_sweep_played_without_a_shortcut_earns_its_value",),
    ),
    Defect(
        "exact",
        "the sampler forgets what it has ruled out",
        "training/exact/half_circle.py",
        "drawn = _drawn(possible, rng)\n        possible &= returns[drawn] == 0.0",
        "drawn = _drawn(possible, rng)\n        possible = returns[drawn] == 0.0",
        (
            f"{_CIRCLE}::test_ten_episodes_have_the_known_values",
            f"{_CIRCLE}::test_sampler_finds_the_goal_in_as_many_episodes_as_played_draws_do",
        ),
    ),
)
