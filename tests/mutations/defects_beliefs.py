"""Defects of beliefs learnt in several ways, and of worlds of choices; see `defects.py`."""

from __future__ import annotations

from tests.mutations.defects import Defect

_WORLDS = "tests/worlds/test_worlds_of_choices.py"
_FORMS = "tests/algorithms/test_rl2_forms.py"
_HYPER = "tests/parts/test_hypernetwork.py"
_HALVES, _SPLIT = "tests/parts/test_split_belief.py", "training/parts/split_belief.py"
_VARIBAD, _INFERENCE = (f"tests/algorithms/test_{n}.py" for n in ("varibad", "task_inference"))
_BELIEF_POLICY, _ELBO = "training/algorithms/belief_policy.py", "training/parts/elbo.py"
_LEARNER, _TOLD = (f"training/algorithms/{n}.py" for n in ("varibad", "task_inference"))
_RECURRENT = "tests/algorithms/test_recurrent_sac.py"
_CURRICULUM = "tests/parts/test_curriculum.py"
_OFF_POLICY = "training/algorithms/recurrent_sac.py"
_TRIALS = "training/parts/trial_memory.py"
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
        "torch.where(counts, reward, 0.0)",
        "torch.where(counts, reward, 0.1 * reward)",
        (f"{_FORMS}::test_e1_exploring_is_neutral_where_it_changes_nothing_that_counts",),
    ),
    Defect(
        "E2",
        "free episodes pay in full",
        _PPO,
        "torch.where(counts, reward, 0.0)",
        "reward",
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
    Defect(
        "H3",
        "the last transition counts for all",
        _SPLIT,
        "torch.cat([most[None], self._shown(rows)]).cummax(0).values[1:]",
        "torch.cat([most[None], self._shown(rows)])[1:]",
        (
            f"{_HALVES}::test_h3_row_by_row_is_the_whole_sequence",
            f"{_HALVES}::test_h3_another_order_changes_the_recurrent_half_alone",
        ),
    ),
    Defect(
        "H3",
        "a sequence that goes on forgets its maxima",
        _SPLIT,
        "torch.cat([most[None], self._shown(rows)]).cummax(0).values[1:]",
        "self._shown(rows).cummax(0).values",
        (f"{_HALVES}::test_h3_row_by_row_is_the_whole_sequence",),
    ),
    Defect(
        "H4",
        "maxima begin at zero",
        _SPLIT,
        "return 1.0 + torch.tanh(",
        "return 0.0 + torch.tanh(",
        (f"{_HALVES}::test_h4_a_feature_that_is_always_negative_is_remembered",),
    ),
    Defect(
        "I6",
        "the target learns to be what is believed",
        _TOLD,
        '["truth"][0].detach()',
        '["truth"][0]',
        (f"{_INFERENCE}::test_i6_the_belief_is_drawn_to_the_target_and_the_target_to_nothing",),
    ),
    Defect(
        "D3",
        "updates see nothing of what came before",
        _OFF_POLICY,
        "following = self.cell.sequence(batch.context[:-1], start)",
        "following = 0.0 * self.cell.sequence(batch.context[:-1], start)",
        (
            f"{_RECURRENT}::"
            "test_d3_a_cue_is_acted_on_when_it_is_gone_and_not_where_the_memory_of_it_is",
        ),
    ),
    Defect(
        "V1",
        "a new trial goes on with the belief of the one before",
        "training/parts/recurrent_actor.py",
        "        device = self._evidence.statistics.device\n",
        "        device = self._evidence.statistics.device\n"
        '        if seed == 0 and hasattr(self, "hidden"):\n'
        "            return\n",
        (
            f"{_VARIBAD}::test_v1_the_belief_at_a_trials_start_is_the_learnt_first_one_whatever_"
            "came_before",
        ),
    ),
    Defect(
        "V1",
        "learning sees beliefs a step late",
        _BELIEF_POLICY,
        "self.encoder.beliefs(trials.context[:-1])",
        "self.encoder.beliefs(trials.context)[1:]",
        (f"{_VARIBAD}::test_v1_acting_and_learning_see_the_same_beliefs",),
    ),
    Defect(
        "V2",
        "a belief explains the past alone",
        _LEARNER,
        "        explained = over_beliefs(",
        "        error = error * (decoded.place[None] < moments.place[:, None])\n"
        "        explained = over_beliefs(",
        (f"{_VARIBAD}::test_v2_the_first_belief_has_to_explain_rewards_still_to_come",),
    ),
    Defect(
        "V3",
        "losses are summed over trials",
        _ELBO,
        "(values * beliefs.weight).sum(0).mean()",
        "(values * beliefs.weight).sum(0).sum()",
        (
            "tests/parts/test_elbo.py::test_v3_a_batch_seen_twice_has_the_same_loss",
            f"{_VARIBAD}::test_v3_trials_seen_twice_have_the_same_loss",
        ),
    ),
    Defect(
        "V4",
        "every belief is measured from the standard normal",
        _ELBO,
        "belief.mean[:-1]]),",
        "0.0 * belief.mean[:-1]]),",
        ("tests/parts/test_elbo.py::test_v4_every_belief_is_measured_from_the_one_before_it",),
    ),
    Defect(
        "V4",
        "the first belief is free",
        _ELBO,
        "torch.zeros_like(belief.mean[:1]), ",
        "belief.mean[:1], ",
        (
            "tests/parts/test_elbo.py::test_v4_the_first_belief_is_measured_from_the_standard_normal",
        ),
    ),
    Defect(
        "V5",
        "what the policy learns reaches the belief",
        _BELIEF_POLICY,
        "    @torch.no_grad()\n    def with_beliefs",
        "    def with_beliefs",
        (f"{_VARIBAD}::test_v5_what_the_policy_learns_does_not_reach_the_belief",),
    ),
    Defect(
        "I1",
        "what the policy learns reaches the belief",
        _BELIEF_POLICY,
        "    @torch.no_grad()\n    def with_beliefs",
        "    def with_beliefs",
        (f"{_INFERENCE}::test_i1_what_the_policy_learns_does_not_reach_the_belief",),
    ),
    Defect(
        "V6",
        "whether a step paid does not reach the decoder",
        _ELBO,
        "paid = (steps.reward > 0).float()",
        "paid = (steps.reward > 2).float()",
        (f"{_VARIBAD}::test_v6_what_was_visited_and_did_not_pay_is_decoded_as_unpaid",),
    ),
    Defect(
        "V7",
        "the divergence outweighs what is explained",
        _LEARNER,
        "explained + config.kl_weight * divergence",
        "explained + 100.0 * divergence",
        (f"{_VARIBAD}::test_v7_decoded_posterior_is_close_to_bayes",),
    ),
    Defect(
        "I2",
        "labels are those of another trial",
        _TOLD,
        "np.stack([belief_vector(self.family, task) for task in collected.tasks])",
        "np.stack([belief_vector(self.family, task) for task in collected.tasks[::-1]])",
        (
            f"{_INFERENCE}::test_i2_the_error_of_the_belief_falls_with_evidence",
            f"{_INFERENCE}::test_labels_are_those_of_the_trials_task_and_padding_weighs_nothing",
        ),
    ),
    Defect(
        "I3",
        "what is known without evidence is not judged",
        _TOLD,
        "counts = (moment <= batch.length).float()",
        "counts = ((moment <= batch.length) & (moment > 0)).float()",
        (f"{_INFERENCE}::test_i3_without_evidence_the_belief_is_no_worse_than_the_prior",),
    ),
    Defect(
        "I4",
        "the policy is shown the truth",
        _TOLD,
        "return self.on_belief.make_actor(tasks, is_deterministic=is_deterministic)",
        "actor = self.on_belief.make_actor(tasks, is_deterministic=is_deterministic)\n"
        "        told = np.stack([belief_vector(self.family, task) for task in tasks])\n"
        "        truth = torch.from_numpy(told)\n"
        "        actor._read_out = lambda _: torch.cat([truth, truth], -1)\n"
        "        return actor",
        (f"{_INFERENCE}::test_i4_the_truth_is_in_nothing_that_acts",),
    ),
    Defect(
        "I5",
        "the belief is taught by squared errors alone",
        _TOLD,
        "surprise = -belief.log_density(truth)  # (T + 1, B)",
        "surprise = (belief.mean - truth).square().sum(-1)",
        (f"{_INFERENCE}::test_i5_the_belief_is_as_wide_as_it_is_wrong",),
    ),
    Defect(
        "I7",
        "variances are half of what errors are",
        _TOLD,
        "surprise = -belief.log_density(truth)  # (T + 1, B)",
        "wider = belief._replace(log_std=belief.log_std + 0.35)\n"
        "        surprise = -wider.log_density(truth)",
        (f"{_INFERENCE}::test_i7_a_parameter_that_shows_in_nothing_keeps_the_width_of_the_prior",),
    ),
    Defect(
        "D1",
        "updates see transitions a step early",
        _OFF_POLICY,
        "self.cell.sequence(batch.context[:-1], start)",
        "self.cell.sequence(batch.context[1:], start)",
        (f"{_RECURRENT}::test_d1_acting_step_by_step_sees_what_the_update_sees",),
    ),
    Defect(
        "D2",
        "the actor learns from padding",
        _OFF_POLICY,
        "loss = ppo.masked_mean(temperature.detach() * log_density - value, is_valid)",
        "loss = (temperature.detach() * log_density - value).mean()",
        (f"{_RECURRENT}::test_d2_padding_changes_no_update",),
    ),
    Defect(
        "D4",
        "the critic's cell has seen the action that it judges",
        _OFF_POLICY,
        "torch.cat([start[None], following])], dim=-1)",
        "self.cell.sequence(batch.context, start)], dim=-1)",
        (f"{_RECURRENT}::test_d4_an_action_reaches_its_own_value_beside_the_cell_only",),
    ),
    Defect(
        "D5",
        "one critic counts",
        _OFF_POLICY,
        'both if self.config.form == "soft" else both[:1]',
        "both[:1]",
        (f"{_RECURRENT}::test_d5_trials_of_one_step_are_plain_soft_actor_critic",),
    ),
    Defect(
        "D6",
        "targets come from what is being learnt",
        _OFF_POLICY,
        "self.values(self.target, batch, action)",
        "self.values(self.critic, batch, action)",
        (f"{_RECURRENT}::test_d6_targets_come_from_the_target_critics_own_cell",),
    ),
    Defect(
        "D7",
        "the actor's loss teaches the critic",
        _OFF_POLICY,
        "with without_weight_gradients(self.critic):",
        "if True:",
        (f"{_RECURRENT}::test_d7_actor_and_critic_learn_nothing_through_each_other",),
    ),
    Defect(
        "D8",
        "trials are sampled from their middle",
        _TRIALS,
        "self.replay.sample(batch_size, self._state.generator)",
        "self.replay.sample(batch_size, self._state.generator, window=4)",
        (f"{_RECURRENT}::test_d8_trials_are_sampled_whole_from_their_first_step",),
    ),
    Defect(
        "XB4",
        "value lies beyond the end of a trial",
        _TRIALS,
        "torch.cat([following, torch.zeros_like(value[:1])])",
        "torch.cat([following, value[-1:]])",
        (f"{_RECURRENT}::test_xb4_value_is_cut_where_the_trial_ends_and_nowhere_else",),
    ),
    Defect(
        "CU1",
        "tasks stay as easy as they began",
        "training/parts/curriculum.py",
        "worlds.ease(max(1.0 - progress / self._until, 0.0))",
        "worlds.ease(1.0)",
        (f"{_CURRICULUM}::test_worlds_are_eased_less_and_less_and_are_the_tasks_in_time",),
    ),
    Defect(
        "CU2",
        "a run never makes its worlds harder",
        "training/runs/run.py",
        "state.curriculum.advance(share)",
        "state.curriculum.advance(0.0)",
        (f"{_CURRICULUM}::test_a_run_advances_it_and_resumes_where_it_was",),
    ),
    Defect(
        "CU3",
        "success is eased, too",
        "training/worlds/point_world.py",
        "success=distance <= self._scene.success_radius_m",
        "success=distance <= getattr(self, '_paid_radius_m', 1.0)",
        (f"{_CURRICULUM}::test_what_counts_as_success_is_never_eased",),
    ),
)
