"""Defects of learners that adapt by gradients; see `defects.py`."""

from __future__ import annotations

from tests.mutations.defects import Defect

_MAML, _REINFORCE, _PROMP, _E_MAML, _MAESN = (
    f"tests/algorithms/test_{name}.py" for name in ("maml", "reinforce", "promp", "e_maml", "maesn")
)
_ACTOR = "tests/parts/test_gradient_actor.py"
_ADAPTATION, _LATENTS, _STAGES, _TRIAL, _OUTER = (
    f"training/parts/{name}.py"
    for name in (
        "gradient_adaptation",
        "latent_adaptation",
        "task_stages",
        "gradient_actor",
        "outer_step",
    )
)

DEFECTS = (
    Defect(
        "M1",
        "inner gradients are always constants",
        _ADAPTATION,
        "meta_gradient=self._meta_gradient,",
        "meta_gradient=MetaGradient.FIRST_ORDER,",
        (
            f"{_MAML}::test_m1_meta_gradient_is_that_of_finite_differences_and_not_the_first_order_one",
            f"{_MAML}::test_m11_both_forms_of_the_meta_gradient_are_what_they_say",
        ),
    ),
    Defect(
        "M2",
        "the surrogate forgets what collected",
        _ADAPTATION,
        "likelihood_ratio_loss, density, stage.log_density, worth, stage.is_valid",
        "likelihood_ratio_loss, density, 0.9 * stage.log_density, worth, stage.is_valid",
        (f"{_MAML}::test_m2_without_an_inner_step_it_is_a_trust_region_on_all_tasks",),
    ),
    Defect(
        "M3",
        "later episodes are another task's policy's",
        _STAGES,
        "own = adaptation.adapted(own, stages[-1])",
        "own = {n: v.roll(1, 0) for n, v in adaptation.adapted(own, stages[-1]).items()}",
        (f"{_MAML}::test_m3_each_task_adapts_as_if_it_were_alone_and_explores_with_what_came_out",),
    ),
    Defect(
        "M4",
        "the divergence is of no policy",
        _OUTER,
        "before.kl_from(policies())",
        "0.1 * before.kl_from(policies())",
        (f"{_MAML}::test_m4_adapted_policies_stay_within_the_radius_and_get_better",),
    ),
    Defect(
        "M5",
        "densities are means over an action's elements",
        "training/parts/distributions.py",
        "- 0.5 * math.log(2.0 * math.pi)).sum(-1)",
        "- 0.5 * math.log(2.0 * math.pi)).mean(-1)",
        (f"{_MAML}::test_m5_densities_are_summed_over_the_elements_of_an_action",),
    ),
    Defect(
        "M6",
        "the search is over log-likelihoods",
        "training/parts/inner_loop.py",
        "return -masked_mean(torch.exp(log_density - old_log_density) * advantage, is_valid)",
        "return -masked_mean(log_density * advantage, is_valid)",
        (f"{_MAML}::test_m6_line_search_starts_from_the_surrogate_at_ratio_one",),
    ),
    Defect(
        "M7",
        "the inner step goes uphill",
        "training/parts/inner_loop.py",
        "return -masked_mean(log_density * advantage, is_valid)",
        "return masked_mean(log_density * advantage, is_valid)",
        (f"{_MAML}::test_m7_an_inner_step_makes_the_next_episodes_better",),
    ),
    Defect(
        "M8",
        "the inner loss holds more than advantages",
        _ADAPTATION,
        "return log_likelihood_loss(density, stage.advantage, stage.is_valid)",
        "return log_likelihood_loss(density, stage.advantage + 1e-3, stage.is_valid)",
        (f"{_MAML}::test_m8_without_advantages_nothing_adapts",),
    ),
    Defect(
        "M9",
        "deviations always adapt",
        "training/algorithms/settings.py",
        'frozen=() if self.adapts_log_std else ("log_std",),',
        "frozen=(),",
        (f"{_MAML}::test_m9_deviations_adapt_only_where_they_may",),
    ),
    Defect(
        "M10",
        "the additional term is silently absent",
        "training/algorithms/e_maml.py",
        "super().loss(stages) + self.config.exploration_weight * self.exploration_loss(stages)",
        "super().loss(stages)",
        (f"{_E_MAML}::test_m10_what_is_lowered_holds_both_terms",),
    ),
    Defect(
        "M10",
        "exploring is blamed for what went well",
        "training/algorithms/e_maml.py",
        "worth.expand_as(stage.is_valid)",
        "-worth.expand_as(stage.is_valid)",
        (f"{_E_MAML}::test_m10_the_term_is_there_and_prefers_what_went_before_a_better_outcome",),
    ),
    Defect(
        "M11",
        "any word is a form of the meta-gradient",
        "training/algorithms/settings.py",
        'meta_gradient: Literal["second_order", "first_order"]',
        "meta_gradient: str",
        (f"{_MAML}::test_m11_a_form_that_does_not_exist_is_refused",),
    ),
    Defect(
        "M11",
        "any word is a form of credit",
        "training/algorithms/e_maml.py",
        'CreditForm = Literal["rewards", "advantages"]',
        "CreditForm = str",
        (f"{_E_MAML}::test_m11_a_credit_that_does_not_exist_is_refused",),
    ),
    Defect(
        "E1",
        "credit is not compared with other tasks'",
        "training/algorithms/e_maml.py",
        "worth = standardise(worth, is_valid).unflatten",
        "worth = worth.unflatten",
        (f"{_E_MAML}::test_e1_tasks_that_do_equally_well_give_exploring_no_gradient",),
    ),
    Defect(
        "PM1",
        "ratios are to another policy than collected",
        _STAGES,
        "action, log_density = distribution.draw(self._state.generator)",
        "action, log_density = distribution.draw(self._state.generator)\n"
        "        log_density = log_density + 0.1",
        (f"{_PROMP}::test_pm1_where_nothing_has_moved_ratios_are_one_and_nothing_diverges",),
    ),
    Defect(
        "PM2",
        "its inner loss is the log-likelihood",
        "training/algorithms/promp.py",
        "super().__init__(config, setup, stream=6, uses_ratio=True)",
        "super().__init__(config, setup, stream=6, uses_ratio=False)",
        (f"{_PROMP}::test_pm2_its_derivative_is_another",),
    ),
    Defect(
        "PM2",
        "its inner step is twice MAML's",
        _ADAPTATION,
        "return likelihood_ratio_loss(density, stage.log_density, stage.advantage, stage.is_valid)",
        "return 2 * likelihood_ratio_loss(\n"
        "            density, stage.log_density, stage.advantage, stage.is_valid\n"
        "        )",
        (f"{_PROMP}::test_pm2_its_inner_step_is_mamls",),
    ),
    Defect(
        "PM3",
        "the better of clipped and plain is taken",
        "training/parts/ppo.py",
        "torch.minimum(ratio * advantage, clipped * advantage)",
        "torch.maximum(ratio * advantage, clipped * advantage)",
        (f"{_PROMP}::test_pm3_clipping_stops_what_has_gained_enough",),
    ),
    Defect(
        "PM4",
        "the outer loop does not look through the inner one",
        _ADAPTATION,
        "            own = adaptation.adapted(own, stages[index - 1])",
        "            own = {\n"
        "                name: value.detach() + own[name] - own[name].detach()\n"
        "                for name, value in adaptation.adapted(own, stages[index - 1]).items()\n"
        "            }",
        (f"{_PROMP}::test_pm4_gradient_through_both_loops_is_that_of_finite_differences",),
    ),
    Defect(
        "PM5",
        "the divergence has no weight",
        "training/algorithms/promp.py",
        "(surrogate + self.config.kl_weight * divergence).backward()",
        "surrogate.backward()",
        (f"{_PROMP}::test_pm5_a_large_weight_on_the_divergence_holds_the_policy",),
    ),
    Defect(
        "A1",
        "the latent of every task moves",
        _LATENTS,
        'return {"mean": self.mean[tasks], "log_std": self.log_std[tasks]}',
        'drift = self.mean.mean() * 0.1\n        return {"mean": self.mean[tasks] + drift, '
        '"log_std": self.log_std[tasks]}',
        (f"{_MAESN}::test_a1_an_outer_step_leaves_the_latents_of_other_tasks_to_the_bit",),
    ),
    Defect(
        "A1",
        "deviations do not adapt",
        _LATENTS,
        '"log_std": own["log_std"] + step[1] * slope_log_std,',
        '"log_std": own["log_std"],',
        (f"{_MAESN}::test_a1_an_inner_step_moves_the_latents_of_its_tasks_and_nothing_else",),
    ),
    Defect(
        "A2",
        "a latent is drawn in every step",
        _TRIAL,
        "held = self._held[self._places()][:, None]",
        "held = self._unit_noise(self._adaptation.held_size)[:, None]",
        (f"{_MAESN}::test_a2_a_latent_holds_for_an_episode_and_is_drawn_anew_for_the_next",),
    ),
    Defect(
        "A3",
        "the score is not divided by the variance",
        _LATENTS,
        "slope_mean = (credit[..., None] * distance).mean(1) * precision",
        "slope_mean = (credit[..., None] * distance).mean(1)",
        (
            f"{_MAESN}::test_a3_score_and_reparameterised_gradients_agree_on_a_quadratic",
            f"{_MAESN}::test_a6_the_closed_form_is_what_autograd_finds",
        ),
    ),
    Defect(
        "A4",
        "the divergence is that of adapted latents",
        "training/algorithms/maesn.py",
        "return divergence_from_prior(self.latents.of(collected.tasks)).mean()",
        "own = self.latents.of(collected.tasks)\n"
        "        own = self.adaptation.adapted(own, collected.stages[0])\n"
        "        return divergence_from_prior(own).mean()",
        (f"{_MAESN}::test_a4_divergence_is_that_of_the_latents_before_adapting",),
    ),
    Defect(
        "A5",
        "step sizes are constants",
        _LATENTS,
        "return latent_step(own, stage.latent, credit, self._task_latents.step_sizes())",
        "sizes = self._task_latents.step_sizes().detach()\n"
        "        return latent_step(own, stage.latent, credit, sizes)",
        (f"{_MAESN}::test_a5_step_sizes_get_the_gradient_of_finite_differences",),
    ),
    Defect(
        "A5",
        "latents that were drawn are taken for those that would be drawn now",
        _LATENTS,
        "return latent_step(own, stage.latent, credit, self._task_latents.step_sizes())",
        "latent = self.latents(own, stage.held).detach()\n"
        "        return latent_step(own, latent, credit, self._task_latents.step_sizes())",
        (f"{_MAESN}::test_a5_step_sizes_get_the_gradient_of_finite_differences",),
    ),
    Defect(
        "A5",
        "inner steps learn from the reward of outer ones whatever was chosen",
        _STAGES,
        "self.inner_credit if index < num_steps else self.outer_credit,",
        "self.outer_credit,",
        (
            f"{_MAESN}::test_outer_steps_learn_from_the_training_reward_and_inner_ones_from"
            "_what_was_chosen[adaptation_reward]",
        ),
    ),
    Defect(
        "A6",
        "a spread of one is not subtracted",
        _LATENTS,
        "(credit[..., None] * (square - 1.0)).mean(1)",
        "(credit[..., None] * square).mean(1)",
        (f"{_MAESN}::test_a6_the_closed_form_is_what_autograd_finds",),
    ),
    Defect(
        "A7",
        "tasks are drawn with replacement",
        _STAGES,
        "replace=self.num_tasks > number",
        "replace=True",
        (f"{_MAESN}::test_a7_no_task_is_drawn_twice_while_there_are_others",),
    ),
    Defect(
        "A7",
        "a latent's gradient comes from one place of several",
        _LATENTS,
        'return {"mean": self.mean[tasks], "log_std": self.log_std[tasks]}',
        "last = torch.tensor([t not in tasks[i + 1 :].tolist() for i, t in "
        "enumerate(tasks.tolist())])[:, None]\n"
        "        mean, log_std = self.mean[tasks], self.log_std[tasks]\n"
        '        return {"mean": torch.where(last, mean, mean.detach()), '
        '"log_std": torch.where(last, log_std, log_std.detach())}',
        (f"{_MAESN}::test_a7_a_task_that_is_there_twice_counts_twice",),
    ),
    Defect(
        "A8",
        "step sizes may turn negative",
        _LATENTS,
        "return F.softplus(self.raw_step_size)",
        "return self.raw_step_size",
        (f"{_MAESN}::test_a8_step_sizes_begin_as_told_and_stay_positive",),
    ),
    Defect(
        "A9",
        "episodes are not compared with each other",
        _LATENTS,
        "centred = first_advantage - first_advantage.mean(1, keepdim=True)",
        "centred = first_advantage",
        (
            f"{_MAESN}::test_a9_episodes_are_compared_with_each_other_and_leaving_one_out_is_the_same",
        ),
    ),
    Defect(
        "A9",
        "credit is the mean over an episode",
        _LATENTS,
        "episode_credit(stage.advantage[:, 0])",
        "episode_credit(stage.advantage.square().mean(1))",
        (f"{_MAESN}::test_a9_the_credit_is_the_advantage_at_the_first_step",),
    ),
    Defect(
        "RF1",
        "the policy is taught to avoid what paid",
        "training/parts/inner_loop.py",
        "return -masked_mean(log_density * advantage, is_valid)",
        "return masked_mean(log_density * advantage, is_valid)",
        (f"{_REINFORCE}::test_rf1_loss_points_where_the_reward_rises",),
    ),
    Defect(
        "RF1",
        "the score knows no deviation",
        "training/parts/distributions.py",
        "noise = (action - self.mean) * torch.exp(-self.log_std)\n        return (-0.5",
        "noise = action - self.mean\n        return (-0.5",
        (f"{_REINFORCE}::test_rf1_gradient_of_a_quadratic_bandit_is_the_known_one",),
    ),
    Defect(
        "RF2",
        "every action is credited with the whole return",
        _ADAPTATION,
        "return discounted_returns(",
        "return reward.sum(0, keepdim=True).expand_as(reward) + 0 * discounted_returns(",
        (f"{_REINFORCE}::test_rf2_rewards_to_go_and_whole_returns_have_the_same_expectation",),
    ),
    Defect(
        "RF3",
        "there is no baseline",
        _ADAPTATION,
        "            value,\n            torch.zeros_like(value),",
        "            torch.zeros_like(value),\n            torch.zeros_like(value),",
        (f"{_REINFORCE}::test_rf3_the_learner_subtracts_it",),
    ),
    Defect(
        "RF4",
        "padding is learnt from",
        "training/parts/ppo.py",
        "return torch.where(is_valid > 0, values, 0.0).sum() / is_valid.sum()",
        "return values.sum() / is_valid.sum()",
        (f"{_REINFORCE}::test_rf4_steps_that_did_not_happen_count_for_nothing",),
    ),
    Defect(
        "trial",
        "a trial takes one step, however many it was told",
        _TRIAL,
        "is_due = ended & ((self._episode + 1) % self._per_step == 0)",
        "is_due = ended & (self._episode + 1 == self._per_step)",
        (f"{_ACTOR}::test_it_adapts_after_every_so_many_episodes_and_then_no_more",),
    ),
    Defect(
        "trial",
        "later episodes go on exploring",
        _TRIAL,
        "return self._episode < self._num_exploring",
        "return self._episode >= 0",
        (f"{_ACTOR}::test_noise_explores_and_the_mean_acts_afterwards",),
    ),
    Defect(
        "trial",
        "a new trial begins with the last one's parameters",
        _TRIAL,
        "self.own = {name: value.clone() for name, value in self._start.items()}",
        'self.own = getattr(self, "own", {n: v.clone() for n, v in self._start.items()})',
        (f"{_ACTOR}::test_a_new_trial_forgets",),
    ),
    Defect(
        "trial",
        "the step sees what the world applied, and not what was drawn",
        _TRIAL,
        "                    self._drawn,\n",
        "                    self._drawn._replace(action=transition.action),\n",
        (f"{_ACTOR}::test_its_step_is_that_of_training",),
    ),
    Defect(
        "trial",
        "what was seen stays when beliefs change hands",
        _TRIAL,
        "self._steps = [_exchanged(step, order) for step in self._steps]",
        "pass",
        (f"{_ACTOR}::test_beliefs_change_hands_before_and_after_adapting",),
    ),
)
