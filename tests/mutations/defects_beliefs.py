"""Defects of beliefs learnt in several ways, and of worlds of choices; see `defects.py`."""

from __future__ import annotations

from tests.mutations.defects import Defect

_WORLDS = "tests/worlds/test_worlds_of_choices.py"
_FORMS = "tests/algorithms/test_rl2_forms.py"
_HYPER = "tests/parts/test_hypernetwork.py"
_PPO, _HYPERNETWORK = "training/parts/trial_ppo.py", "training/parts/hypernetwork.py"

DEFECTS = (
    Defect(
        "V8",
        "the goal pays where a step began",
        "training/worlds/grid_world.py",
        "        self._cell = moved(self._grid, self._cell, choice)\n"
        "        self._step += 1\n"
        "        paid = reward(self._grid, self._cell, self._goal).astype(np.float32)\n",
        "        paid = reward(self._grid, self._cell, self._goal).astype(np.float32)\n"
        "        self._cell = moved(self._grid, self._cell, choice)\n"
        "        self._step += 1\n",
        (f"{_WORLDS}::test_v8_walks_leave_no_belief_on_cells_that_did_not_pay",),
    ),
    Defect(
        "choices",
        "the smallest element is the choice",
        "training/worlds/vector_world.py",
        "clip_action(action, shape).argmax(-1)",
        "clip_action(action, shape).argmin(-1)",
        (
            f"{_WORLDS}::test_largest_element_is_the_choice_and_is_what_was_applied",
            f"{_WORLDS}::test_always_the_best_arm_earns_what_it_pays",
        ),
    ),
    Defect(
        "choices",
        "an arm pays what the other would",
        "training/worlds/bandit_world.py",
        "pull(self._arms, choice, rng)",
        "pull(self._arms, 1 - choice, rng)",
        (f"{_WORLDS}::test_always_the_best_arm_earns_what_it_pays",),
    ),
    Defect(
        "choices",
        "luck is the same at every pull",
        "training/worlds/bandit_world.py",
        "np.random.default_rng([self._seed, self._pulls])",
        "np.random.default_rng([self._seed, 0])",
        (f"{_WORLDS}::test_bayes_rule_on_the_worlds_rows_plays_as_well_as_its_exact_value",),
    ),
    Defect(
        "E1",
        "free episodes pay a little",
        _PPO,
        "torch.where(counts, trials.reward, 0.0)",
        "torch.where(counts, trials.reward, 0.1 * trials.reward)",
        (f"{_FORMS}::test_e1_exploring_is_neutral_where_it_changes_nothing_that_counts",),
    ),
    Defect(
        "E2",
        "free episodes pay in full",
        _PPO,
        "torch.where(counts, trials.reward, 0.0)",
        "trials.reward",
        (f"{_FORMS}::test_e2_rewards_of_free_episodes_are_seen_and_not_learnt_from",),
    ),
    Defect(
        "E2",
        "rewards of free episodes are hidden from the cell too",
        "training/parts/trial_collector.py",
        "        trials = measured.normalized(evidence.statistics, evidence.layout)\n",
        "        trials = measured.normalized(evidence.statistics, evidence.layout)\n"
        "        shown = (measured.episode > 0)[..., None]\n"
        "        trials = trials._replace(context=trials.context * shown)\n",
        (f"{_FORMS}::test_e2_rewards_of_free_episodes_are_seen_and_not_learnt_from",),
    ),
    Defect(
        "E3",
        "no episode is free",
        _PPO,
        "trials.episode >= self.num_free_episodes",
        "trials.episode >= 0",
        (f"{_FORMS}::test_e3_where_looking_costs_more_than_it_pays_only_free_episodes_look",),
    ),
    Defect(
        "H1",
        "heads begin with random weights",
        _HYPERNETWORK,
        "head.weight.zero_()",
        "head.weight.mul_(0.01)",
        (
            f"{_HYPER}::"
            "test_h1_at_first_the_condition_changes_nothing_and_the_network_is_an_ordinary_one",
        ),
    ),
    Defect(
        "H2",
        "what is generated learns nothing about the condition",
        _HYPERNETWORK,
        "generated = head(latent)",
        "generated = head(latent.detach() * 0.0)",
        (
            f"{_HYPER}::"
            "test_h2_the_condition_can_be_learnt_from_at_once_though_its_weights_are_zero",
        ),
    ),
)
