"""Defects that meta-RL code has had, each as an edit of ours, and the tests that must fail for it.

Data only: `test_properties_can_fail.py` applies the edits one by one.
"""

from __future__ import annotations

from dataclasses import dataclass

PEARL, RL2, SAC = (f"tests/algorithms/test_{name}.py" for name in ("pearl", "rl2", "sac"))
PARTS = "tests/parts"
NUMERICS = "tests/hardware/test_task_numerics.py"
METRICS = "tests/evaluation/test_bundle_metrics.py"
META_TEST = "tests/evaluation/test_meta_test.py"


@dataclass(frozen=True)
class Defect:
    """One edit: `old`, which stands exactly once in `file`, becomes `new`."""

    property: str
    """P1–P15 of PEARL, R1–R5 of RL², S1–S5 of soft actor-critic.

    Of the parts that algorithms share: XB1–XB3 of the boundary between episodes, Q1–Q5 of sequence
    replays, G1–G4 of advantages and baselines, N1–N3 of distributions, T1, T2 of the trust region.
    Of learners that adapt by gradients: M1–M11 of MAML and its parts, PM1–PM5 of ProMP, E1 of
    E-MAML, A1–A9 of MAESN, RF1–RF4 of REINFORCE; of their steps on a
    robot DS1–DS5 (written out), IS1–IS5 (as in training), GK1–GK8 (guards), AB1–AB3 (kept).
    L1–L10 of SLAC and its model, ME1–ME3 of MELD's, PX1–PX4 of what is learnt from pixels.
    FR1–FR10 of the frames of a camera that a policy acts on.
    C1–C7 of what is compared: the numerics of a task on every robot, conditions and intervals.
    """
    what: str
    """the defect, in the words that a test's name can hold"""
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    """`file::function`; every one of them must fail"""


_PEARL, _RL2 = "training/algorithms/pearl.py", "training/algorithms/rl2.py"
_STATE = "training/parts/learner_state.py"
_ENCODERS, _REPLAY = "training/parts/encoders.py", "training/parts/replay.py"
_TRIALS, _ADVANTAGE = "training/parts/trials.py", "training/parts/advantage.py"
_SEQUENCES, _DISTRIBUTIONS = (
    f"training/parts/{name}.py" for name in ("sequence_replay", "distributions")
)
_INNER, _TRUST = "training/parts/inner_loop.py", "training/parts/trust_region.py"

DEFECTS = (
    Defect(
        "P1",
        "rows know their position",
        _ENCODERS,
        "product_of_gaussians(self(context))",
        "product_of_gaussians(self(context.cumsum(-2)))",
        (f"{PARTS}/test_encoders.py::test_p1_order_of_context_does_not_matter",),
    ),
    Defect(
        "P2",
        "factors are averaged",
        _ENCODERS,
        "variance = precision.sum(-2).reciprocal()",
        "variance = precision.mean(-2).reciprocal()",
        (
            f"{PARTS}/test_encoders.py::test_p2_product_of_two_factors_is_the_closed_form",
            f"{PARTS}/test_encoders.py::test_p2_posterior_is_surer_than_its_surest_factor",
            f"{PARTS}/test_encoders.py::test_p2_context_seen_twice_halves_the_variance",
        ),
    ),
    Defect(
        "P2",
        "variances are not clamped",
        _ENCODERS,
        "factors.variance.clamp(min=MIN_VARIANCE)",
        "factors.variance",
        (f"{PARTS}/test_encoders.py::test_p2_variance_is_clamped_before_its_reciprocal",),
    ),
    Defect(
        "P3",
        "posterior of no context",
        _PEARL,
        "has_context = self._learner.encoder_buffer.size[self._tasks] > 0",
        "has_context = np.ones_like(starts)",
        (f"{PEARL}::test_p3_posterior_phase_without_context_draws_from_the_prior",),
    ),
    Defect(
        "P3",
        "empty belief has no unit variance",
        "sim2real/contract/belief.py",
        "return np.ones_like(self.precision)",
        "return np.full_like(self.precision, 1.0 + 1e-3)",
        (f"{PEARL}::test_p3_belief_without_context_is_exactly_the_prior",),
    ),
    Defect(
        "P4",
        "actor loss reaches the encoder",
        _PEARL,
        "torch.cat([batch.observation, latent.detach()], dim=-1)",
        "torch.cat([batch.observation, latent], dim=-1)",
        (f"{PEARL}::test_p4_a_gradient_step_hands_the_actor_no_path_to_the_encoder",),
    ),
    Defect(
        "P4",
        "Bellman error does not reach the encoder",
        _PEARL,
        "self.critic(torch.cat([batch.observation, batch.action, latent], dim=-1))",
        "self.critic(torch.cat([batch.observation, batch.action, latent.detach()], dim=-1))",
        (
            f"{PEARL}::test_p4_encoder_gets_gradients_from_critic_and_kl_only",
            f"{PEARL}::test_p15_posterior_mean_explains_what_distinguishes_the_tasks",
        ),
    ),
    Defect(
        "P5",
        "KL is averaged over tasks",
        _PEARL,
        "kl = posterior.kl_from_prior().sum()",
        "kl = posterior.kl_from_prior().mean()",
        (f"{PEARL}::test_p5_kl_is_summed_over_tasks_and_dimensions",),
    ),
    Defect(
        "P5",
        "KL is averaged over dimensions",
        _ENCODERS,
        "return 0.5 * terms.sum(-1)",
        "return 0.5 * terms.mean(-1)",
        (
            f"{PARTS}/test_encoders.py::test_p5_divergence_equals_the_hand_value",
            f"{PARTS}/test_encoders.py::test_p5_divergence_agrees_with_torch",
        ),
    ),
    Defect(
        "P6",
        "second critic is a copy of the first",
        "training/parts/networks.py",
        '        """(..., I) to (2, ...): one value per critic and row."""\n'
        "        return torch.stack([self.first(rows), self.second(rows)])",
        "        if not hasattr(self, 'tied'):\n"
        "            self.tied = True\n"
        "            self.second.load_state_dict(self.first.state_dict())\n"
        "        return torch.stack([self.first(rows), self.second(rows)])",
        (
            f"{PEARL}::test_p6_twin_critics_stay_different",
            f"{PARTS}/test_networks.py::test_p6_twin_critics_start_different",
        ),
    ),
    Defect(
        "P7",
        "transitions go to another task's buffer",
        _PEARL,
        "tasks = self._task_of_world[steps.worlds]",
        "tasks = np.roll(self._task_of_world, 1)[steps.worlds]",
        (f"{PEARL}::test_p7_buffers_of_a_task_hold_that_task_only",),
    ),
    Defect(
        "P8",
        "what was kept back until an episode ended stays behind",
        _PEARL,
        "if ended.any() or len(self._steps) == MAX_PENDING_STEPS:",
        "if len(self._steps) == MAX_PENDING_STEPS:",
        (f"{PEARL}::test_p8_every_step_is_stored_and_each_trajectory_whole",),
    ),
    Defect(
        "P7",
        "batches mix tasks",
        _REPLAY,
        "self.rows[torch.from_numpy(tasks).to(device)[:, None], slots]",
        "self.rows[torch.from_numpy(tasks).roll(1).to(device)[:, None], slots]",
        (f"{PARTS}/test_replay.py::test_p7_samples_of_a_task_are_its_own",),
    ),
    Defect(
        "P7",
        "old context stays",
        _PEARL,
        "self.encoder_buffer.clear(tasks)",
        "pass",
        (f"{PEARL}::test_p7_context_is_the_latest_collection_and_rl_batches_are_everything",),
    ),
    Defect(
        "P7",
        "extra steps are context",
        _PEARL,
        "        if not is_context:\n",
        "        if False:\n",
        (
            f"{PEARL}::test_p7_extra_steps_are_no_context",
            f"{PEARL}::test_p7_context_is_the_latest_collection_and_rl_batches_are_everything",
        ),
    ),
    Defect(
        "P8",
        "last transition of an episode is dropped",
        "training/parts/rollout.py",
        "store(_step_of(active, transition, result.sparse_reward))",
        "going_on = active & ~(result.terminated | result.truncated)\n"
        "        store(_step_of(going_on, transition, result.sparse_reward))",
        (f"{PEARL}::test_p8_every_step_is_stored_and_each_trajectory_whole",),
    ),
    Defect(
        "P9",
        "a time limit counts as termination",
        _REPLAY,
        "transition.terminated[:, None])",
        "(transition.terminated | transition.truncated)[:, None])",
        (
            f"{PEARL}::test_p9_only_true_terminations_are_marked",
            f"{SAC}::test_s4_value_beyond_a_time_limit_counts",
        ),
    ),
    Defect(
        "P10",
        "context has the dense reward",
        _PEARL,
        "transition = transition._replace(reward=steps.sparse_reward)",
        "pass",
        (f"{PEARL}::test_p10_sparse_reward_is_context_and_dense_reward_is_learnt_from",),
    ),
    Defect(
        "P10",
        "evaluation infers from the dense reward",
        _PEARL,
        "reward=sparse_reward if is_sparse else transition.reward",
        "reward=transition.reward",
        (f"{PEARL}::test_p10_sparse_reward_is_context_and_dense_reward_is_learnt_from",),
    ),
    Defect(
        "P11",
        "belief outlives its trial",
        _PEARL,
        "self.belief = GaussianBelief.prior(latent_size, (self._num_worlds,))",
        "prior = GaussianBelief.prior(latent_size, (self._num_worlds,))\n"
        "        self.belief = getattr(self, 'belief', prior)",
        (f"{PEARL}::test_p11_trials_start_from_the_prior_and_do_not_influence_each_other",),
    ),
    Defect(
        "P11",
        "evaluation samples its actions",
        _PEARL,
        "choose(learner.policy, state.to(learner.device), self._generator)",
        "choose(learner.policy, state.to(learner.device), learner.state.generator)",
        (f"{PEARL}::test_p11_evaluation_acts_by_the_mean_on_the_latent_it_holds",),
    ),
    Defect(
        "P11",
        "exploration acts on the posterior",
        _PEARL,
        "explores = (self._episodes < self._learner.config.num_exploration_episodes)[:, None]",
        "explores = np.zeros((self._num_worlds, 1), bool)",
        (f"{PEARL}::test_p11_exploration_is_from_the_prior_and_later_episodes_from_the_posterior",),
    ),
    Defect(
        "P12",
        "one task's context changes another's belief",
        _ENCODERS,
        "product_of_gaussians(self(context))",
        "product_of_gaussians(self(context - context.mean(0)))",
        (
            f"{PARTS}/test_encoders.py::test_p12_tasks_in_one_batch_equal_tasks_one_by_one",
            f"{PEARL}::test_p12_tasks_in_one_batch_equal_tasks_one_by_one",
        ),
    ),
    Defect(
        "P15",
        "latents are laid out batch by task",
        _PEARL,
        "latent = latent[:, None].expand(-1, batch.observation.shape[1], -1)",
        "latent = latent.repeat(batch.observation.shape[1], 1).reshape("
        "*batch.observation.shape[:2], -1)",
        (f"{PEARL}::test_p15_posterior_mean_explains_what_distinguishes_the_tasks",),
    ),
    Defect(
        "P13",
        "latents come from the global generator",
        _PEARL,
        "return torch.randn(shape, generator=learner.state.generator, device=learner.device)",
        "return torch.randn(shape, device=learner.device)",
        (f"{PEARL}::test_p13_equal_seeds_repeat_bit_for_bit_and_others_do_not",),
    ),
    Defect(
        "P14",
        "the random generator is not restored",
        _STATE,
        'self.generator.set_state(tensors["generator"])',
        "pass",
        ("tests/runs/test_resume.py::test_p14_stopped_and_resumed_equals_uninterrupted[pearl]",),
    ),
    Defect(
        "P14",
        "optimisers are not restored",
        _STATE,
        "optimizer.load_state_dict(tensors[name])",
        "pass",
        ("tests/runs/test_resume.py::test_p14_stopped_and_resumed_equals_uninterrupted[pearl]",),
    ),
    Defect(
        "P14",
        "buffers start empty",
        _REPLAY,
        "            self.rows[task, start : start + len(rows)] = ",
        "            self.rows[task, start : start + len(rows)] = 0.0 * ",
        ("tests/runs/test_resume.py::test_p14_stopped_and_resumed_equals_uninterrupted[pearl]",),
    ),
    Defect(
        "R1",
        "the reward that ends an episode is lost",
        _TRIALS,
        "    shape = transition.reward.shape\n",
        "    shape = transition.reward.shape\n"
        "    ended = transition.terminated | transition.truncated\n"
        "    evidence = evidence._replace(reward=np.where(ended, 0.0, evidence.reward))\n",
        (
            f"{RL2}::test_r1_last_reward_of_the_first_episode_decides_the_second",
            f"{RL2}::test_last_reward_and_episode_end_reach_the_belief",
        ),
    ),
    Defect(
        "R2",
        "credit ends with the step",
        "training/parts/advantage.py",
        "error + discount * gae_lambda * credit",
        "error",
        (
            f"{PARTS}/test_advantage.py::test_r2_reward_of_the_second_episode_credits_actions_of_the_first",
            f"{RL2}::test_r2_reward_in_the_second_episode_only_credits_the_first",
        ),
    ),
    Defect(
        "R3",
        "a step forgets the hidden state",
        _ENCODERS,
        "return self.sequence(row[None], hidden)[0]",
        "return self.sequence(row[None], torch.zeros_like(hidden))[0]",
        (
            f"{PARTS}/test_encoders.py::test_r3_steps_one_by_one_equal_the_sequence",
            f"{RL2}::test_r3_beliefs_while_collecting_equal_those_of_the_update",
        ),
    ),
    Defect(
        "R4",
        "the belief is reset where an episode ends",
        _RL2,
        "        following = self.cell.sequence(trials.context[:-1], start)\n",
        "        length = self.worlds.episode_length\n"
        "        parts = trials.context[:-1].split(length)\n"
        "        following = torch.cat([self.cell.sequence(part, start) for part in parts])\n"
        "        following[length - 1 :: length] = 0.0\n",
        (
            f"{RL2}::test_r4_belief_is_zero_at_a_trials_start_and_survives_the_end_of_an_episode",
            f"{RL2}::test_r3_beliefs_while_collecting_equal_those_of_the_update",
        ),
    ),
    Defect(
        "R5",
        "padding is part of a mean",
        "training/parts/ppo.py",
        "return torch.where(is_valid > 0, values, 0.0).sum() / is_valid.sum()",
        "return values.mean()",
        (
            f"{PARTS}/test_ppo.py::test_r5_padded_steps_contribute_nothing_to_any_loss",
            f"{RL2}::test_r5_steps_behind_a_trials_end_change_no_update",
        ),
    ),
    Defect(
        "R5",
        "advantages run through padding",
        "training/parts/advantage.py",
        "following = torch.where(is_valid[step] > 0, following, 0.0)",
        "pass",
        (f"{PARTS}/test_advantage.py::test_r5_padding_changes_no_advantage",),
    ),
    Defect(
        "S1",
        "density lacks its normalisation",
        "training/parts/policies.py",
        "gaussian = -0.5 * noise.square() - self.log_std - 0.5 * math.log(2.0 * math.pi)",
        "gaussian = -0.5 * noise.square() - self.log_std",
        (f"{PARTS}/test_policies.py::test_s1_density_of_the_tanh_gaussian_integrates_to_one",),
    ),
    Defect(
        "S2",
        "the tanh's derivative is lost",
        "training/parts/policies.py",
        "return 2.0 * (math.log(2.0) - pre_tanh - F.softplus(-2.0 * pre_tanh))",
        "return 0.0 * pre_tanh",
        (
            f"{PARTS}/test_policies.py::test_s2_log_det_equals_autodiff",
            f"{PARTS}/test_policies.py::test_s1_density_of_the_tanh_gaussian_integrates_to_one",
        ),
    ),
    Defect(
        "S2",
        "the tanh's derivative underflows",
        "training/parts/policies.py",
        "return 2.0 * (math.log(2.0) - pre_tanh - F.softplus(-2.0 * pre_tanh))",
        "return torch.log(1.0 - torch.tanh(pre_tanh).square())",
        (f"{PARTS}/test_policies.py::test_s2_log_det_stays_finite_where_tanh_saturates",),
    ),
    Defect(
        "S3",
        "the temperature runs the wrong way",
        "training/parts/sac.py",
        "return -(log_temperature.exp()",
        "return (log_temperature.exp()",
        (f"{PARTS}/test_sac.py::test_s3_temperature_rises_exactly_while_entropy_is_below_target",),
    ),
    Defect(
        "S4",
        "values count beyond a termination",
        "training/parts/sac.py",
        "reward + (1.0 - terminated) * discount * next_value",
        "reward + discount * next_value",
        (
            f"{PARTS}/test_sac.py::test_s4_targets_look_beyond_time_limits_and_not_beyond_terminations",
            f"{SAC}::test_s4_value_beyond_a_time_limit_counts",
        ),
    ),
    Defect(
        "S5",
        "targets take the complement of their rate",
        "training/parts/sac.py",
        "list(source.parameters()), rate)",
        "list(source.parameters()), 1.0 - rate)",
        (f"{PARTS}/test_sac.py::test_s5_targets_move_by_exactly_their_rate",),
    ),
    Defect(
        "XB1",
        "a later episode starts on the last one's end",
        _TRIALS,
        "observation = result.observation\n",
        "observation = result.final_observation\n",
        (
            f"{PARTS}/test_trials.py::test_xb1_first_action_of_a_later_episode_is_chosen_on_its_own_first_observation",
        ),
    ),
    Defect(
        "XB2",
        "only a trial's first step is marked",
        _TRIALS,
        "starts = ended & (episode < num_episodes)",
        "starts = ended & False",
        (f"{PARTS}/test_trials.py::test_xb2_first_and_last_steps_are_marked_and_only_they",),
    ),
    Defect(
        "XB2",
        "time limits count as terminations",
        _TRIALS,
        "terminated=column(running & transition.terminated)",
        "terminated=column(running & (transition.terminated | transition.truncated))",
        (f"{PARTS}/test_trials.py::test_xb2_first_and_last_steps_are_marked_and_only_they",),
    ),
    Defect(
        "XB3",
        "a step ends where the next episode starts",
        "training/worlds/vector_world.py",
        "next_observation=self.final_observation",
        "next_observation=self.observation",
        (f"{PARTS}/test_trials.py::test_xb3_no_transition_joins_two_episodes",),
    ),
    Defect(
        "M5",
        "the clipped action is recorded",
        _TRIALS,
        "np.stack([step.drawn.action for step in steps])",
        "transition.action",
        (
            f"{PARTS}/test_trials.py::test_m5_actions_and_densities_are_those_drawn_and_context_holds_what_was_applied",
        ),
    ),
    Defect(
        "M5",
        "densities are averaged over elements",
        _DISTRIBUTIONS,
        "0.5 * math.log(2.0 * math.pi)).sum(-1)",
        "0.5 * math.log(2.0 * math.pi)).mean(-1)",
        (
            f"{PARTS}/test_distributions.py::test_m5_density_of_an_action_is_the_product_over_its_elements",
        ),
    ),
    Defect(
        "G1",
        "credit crosses the ends of episodes",
        _ADVANTAGE,
        "1.0 - is_last",
        "torch.ones_like(is_last)",
        (
            f"{PARTS}/test_advantage.py::test_g1_credit_within_episodes_stops_at_their_ends_and_looks_beyond_time_limits_only",
        ),
    ),
    Defect(
        "G1",
        "time limits end all value",
        _ADVANTAGE,
        "torch.where(terminated > 0, 0.0, final_value)",
        "torch.zeros_like(final_value)",
        (
            f"{PARTS}/test_advantage.py::test_g1_credit_within_episodes_stops_at_their_ends_and_looks_beyond_time_limits_only",
        ),
    ),
    Defect(
        "G2",
        "returns never end",
        _ADVANTAGE,
        "torch.where(continues[step] > 0, following, 0.0)",
        "following",
        (f"{PARTS}/test_advantage.py::test_g2_returns_by_hand_over_trials_and_within_episodes",),
    ),
    Defect(
        "G3",
        "padding counts in a task's mean",
        _ADVANTAGE,
        "centred = grouped - torch.where(mask, grouped, 0.0)",
        "centred = grouped - grouped",
        (
            f"{PARTS}/test_advantage.py::test_g3_each_tasks_advantages_are_standardised_by_themselves_and_without_padding",
        ),
    ),
    Defect(
        "G3",
        "all tasks share one scale",
        _ADVANTAGE,
        "(variance.sqrt() + 1e-8)",
        "(variance.mean().sqrt() + 1e-8)",
        (
            f"{PARTS}/test_advantage.py::test_g3_each_tasks_advantages_are_standardised_by_themselves_and_without_padding",
        ),
    ),
    Defect(
        "G4",
        "padding counts in the baseline",
        _ADVANTAGE,
        "mask = is_valid[:, columns] > 0",
        "mask = is_valid[:, columns] > -1",
        (
            f"{PARTS}/test_advantage.py::test_g4_baseline_of_a_task_is_fitted_on_its_own_valid_steps",
        ),
    ),
    Defect(
        "G4",
        "the ridge is forgotten",
        "sim2real/runtime/linear_baseline.py",
        "gram + ridge * np.eye(len(gram))",
        "gram",
        ("tests/runtime/test_linear_baseline.py::test_g4_fit_solves_the_ridge_regression",),
    ),
    Defect(
        "N1",
        "the divergence is turned around",
        _DISTRIBUTIONS,
        "variance_ratio = torch.exp(2.0 * (self.log_std - other.log_std))",
        "variance_ratio = torch.exp(2.0 * (other.log_std - self.log_std))",
        (f"{PARTS}/test_distributions.py::test_n1_divergence_of_gaussians_is_the_closed_form",),
    ),
    Defect(
        "N2",
        "the other one's chances weigh",
        _DISTRIBUTIONS,
        "(log_chances.exp() * (log_chances - other",
        "(other._log_chances().exp() * (log_chances - other",
        (f"{PARTS}/test_distributions.py::test_n2_categorical_agrees_with_torch",),
    ),
    Defect(
        "N2",
        "draws come from the global generator",
        _DISTRIBUTIONS,
        "torch.multinomial(rows, 1, generator=generator)",
        "torch.multinomial(rows, 1)",
        (
            f"{PARTS}/test_distributions.py::test_n2_categorical_draws_with_its_chances_from_the_given_generator",
        ),
    ),
    Defect(
        "N3",
        "the floor of the deviation is a ceiling",
        "training/parts/policies.py",
        "log_std.clamp(min=self.min_log_std)",
        "log_std.clamp(max=self.min_log_std)",
        (f"{PARTS}/test_distributions.py::test_n3_deviation_stops_at_its_floor",),
    ),
    Defect(
        "Q1",
        "windows run over a sequence's end",
        _SEQUENCES,
        "(self.length[of_task, slots] - window + 1)",
        "self.length[of_task, slots]",
        (f"{PARTS}/test_sequence_replay.py::test_every_window_is_as_likely_as_another",),
    ),
    Defect(
        "Q1",
        "padding counts as steps",
        _SEQUENCES,
        "is_valid = offset < left",
        "is_valid = (offset < left) | True",
        (
            f"{PARTS}/test_sequence_replay.py::test_q1_no_sampled_sequence_joins_two",
            f"{PARTS}/test_sequence_replay.py::test_q1_whole_sequences_end_at_their_own_end",
        ),
    ),
    Defect(
        "Q1",
        "whole sequences are cut to the shortest",
        _SEQUENCES,
        "num_steps = int(left.max())",
        "num_steps = int(left.min())",
        (f"{PARTS}/test_sequence_replay.py::test_q1_whole_sequences_end_at_their_own_end",),
    ),
    Defect(
        "Q2",
        "a full ring stops taking",
        _SEQUENCES,
        'self.cursor, self.capacity, "sequences"\n        )\n',
        'self.cursor, self.capacity, "sequences"\n        )\n'
        "        slots = np.minimum(self.size[of_task], self.capacity - 1)\n",
        (f"{PARTS}/test_sequence_replay.py::test_q2_a_full_ring_forgets_its_oldest_sequences",),
    ),
    Defect(
        "Q3",
        "lengths are not restored",
        _SEQUENCES,
        "self.length[task, place] = torch.from_numpy(records[LENGTH].copy()).to(device)",
        "self.length[task, place] = self.max_length",
        (
            f"{PARTS}/test_sequence_replay.py::test_q3_restored_replay_equals_the_saved_one_bit_for_bit",
        ),
    ),
    Defect(
        "Q4",
        "only a first block is marked",
        _SEQUENCES,
        "(of_task, slots // self.block_size)",
        "(of_task, 0)",
        (f"{PARTS}/test_sequence_replay.py::test_q4_revision_marks_exactly_the_changed_blocks",),
    ),
    Defect(
        "Q5",
        "bytes become floats",
        _SEQUENCES,
        "columns[name] = torch.where(mask, taken, torch.zeros_like(taken))",
        "columns[name] = torch.where(mask, taken.float(), 0.0)",
        (f"{PARTS}/test_sequence_replay.py::test_q5_bytes_stay_bytes",),
    ),
    Defect(
        "M1",
        "inner gradients are always constants",
        _INNER,
        "if meta_gradient is MetaGradient.FIRST_ORDER:",
        "if meta_gradient:",
        (
            f"{PARTS}/test_inner_loop.py::test_m1_meta_gradient_equals_finite_differences_and_not_the_first_order_one",
        ),
    ),
    Defect(
        "M1",
        "first order is second order",
        _INNER,
        "gradient.detach() for name",
        "gradient for name",
        (
            f"{PARTS}/test_inner_loop.py::test_m1_meta_gradient_equals_finite_differences_and_not_the_first_order_one",
            f"{PARTS}/test_inner_loop.py::test_m1_first_order_gradient_is_that_at_the_adapted_parameters",
        ),
    ),
    Defect(
        "M1",
        "the fast layer's weights are constants of its gradient",
        "training/parts/fused_linear.py",
        "return left @ right",
        "return left @ right.detach()",
        (
            f"{PARTS}/test_fused_linear.py::test_m1_second_derivatives_equal_those_of_the_ordinary_layer",
            f"{PARTS}/test_inner_loop.py::test_m1_second_order_is_right_over_the_fused_layer",
        ),
    ),
    Defect(
        "M3",
        "tasks share one gradient",
        _INNER,
        "value - sizes[name] * gradients[name]",
        "value - sizes[name] * gradients[name].mean(0)",
        (f"{PARTS}/test_inner_loop.py::test_m3_tasks_side_by_side_equal_one_after_the_other",),
    ),
    Defect(
        "M3",
        "a second step starts over",
        _INNER,
        "loss, adapted, batch, step_size,",
        "loss, for_each_task(parameters, num_tasks), batch, step_size,",
        (f"{PARTS}/test_inner_loop.py::test_m3_tasks_side_by_side_equal_one_after_the_other",),
    ),
    Defect(
        "M4",
        "the radius is not looked at",
        _TRUST,
        "loss_after < loss_before and divergence <= max_kl",
        "loss_after < loss_before",
        (f"{PARTS}/test_trust_region.py::test_m4_a_refused_step_leaves_every_bit",),
    ),
    Defect(
        "M4",
        "a worse loss is taken",
        _TRUST,
        "loss_after < loss_before and divergence <= max_kl",
        "divergence <= max_kl",
        (
            f"{PARTS}/test_trust_region.py::test_m4_a_refused_step_leaves_every_bit",
            f"{PARTS}/test_trust_region.py::test_m4_the_step_is_shortened_until_it_is_acceptable",
        ),
    ),
    Defect(
        "M4",
        "a refused step stays",
        _TRUST,
        "_assign(parameters, before, torch.zeros_like(step))",
        "pass",
        (f"{PARTS}/test_trust_region.py::test_m4_a_refused_step_leaves_every_bit",),
    ),
    Defect(
        "M6",
        "the search starts beside the surrogate",
        _TRUST,
        "loss_before = float(loss.detach())",
        "loss_before = float(loss.detach()) + 1.0",
        (
            f"{PARTS}/test_trust_region.py::test_m6_line_search_starts_from_the_surrogate_at_ratio_one",
        ),
    ),
    Defect(
        "M8",
        "a step decays the parameters",
        _INNER,
        "else value - sizes[name]",
        "else 0.999 * value - sizes[name]",
        (f"{PARTS}/test_inner_loop.py::test_m8_advantages_of_zero_leave_every_bit",),
    ),
    Defect(
        "M9",
        "frozen parameters move",
        _INNER,
        "value if name in kept else value - sizes[name] * gradients[name]",
        "value - (0.1 if name in kept else sizes[name] * gradients[name])",
        (
            f"{PARTS}/test_inner_loop.py::test_m9_frozen_parameters_stay_and_the_others_move_as_before",
        ),
    ),
    Defect(
        "PM2",
        "the ratio is a log-ratio's inverse",
        _INNER,
        "torch.exp(log_density - old_log_density)",
        "torch.exp(old_log_density - log_density)",
        (
            f"{PARTS}/test_inner_loop.py::test_pm2_ratio_loss_has_the_plain_gradient_where_the_policy_is_the_old_one",
        ),
    ),
    Defect(
        "T1",
        "directions are not conjugate",
        _TRUST,
        "direction = residual + following / squared * direction",
        "direction = residual",
        (
            f"{PARTS}/test_trust_region.py::test_t1_conjugate_gradient_solves_in_as_many_steps_as_there_are_unknowns",
        ),
    ),
    Defect(
        "T2",
        "the step lies at half the radius",
        _TRUST,
        "math.sqrt(2.0 * max_kl / curvature)",
        "math.sqrt(max_kl / curvature)",
        (
            f"{PARTS}/test_trust_region.py::test_t2_step_on_a_quadratic_is_the_natural_gradient_at_the_radius",
        ),
    ),
    Defect(
        "T2",
        "damping is lost",
        _TRUST,
        "_flat(image) + damping * vector",
        "_flat(image)",
        (
            f"{PARTS}/test_trust_region.py::test_t2_products_are_those_of_the_damped_hessian_over_several_parameters",
        ),
    ),
    Defect(
        "M2",
        "a step size of zero still moves",
        _INNER,
        "value - sizes[name] * gradients[name]",
        "value - (sizes[name] + 1e-3) * gradients[name]",
        (
            f"{PARTS}/test_inner_loop.py::test_m2_step_size_of_zero_changes_nothing_and_leaves_the_plain_gradient",
        ),
    ),
    Defect(
        "C1",
        "encoder noise is Gaussian",
        "sim2real/hardware/task_numerics.py",
        "rng.uniform(-1.0, 1.0, size)",
        "rng.standard_normal(size)",
        (f"{NUMERICS}::test_noise_is_uniform_with_the_half_width_that_the_task_states",),
    ),
    Defect(
        "C1",
        "the bus has a noise of its own",
        "sim2real/emulator/line.py",
        "noise_rad / TICK_RAD)",
        "np.sqrt(3.0) * noise_rad / TICK_RAD)",
        (
            f"{NUMERICS}::test_noise_is_uniform_with_the_half_width_that_the_task_states",
            f"{NUMERICS}::test_noise_is_distributed_alike_on_every_robot",
        ),
    ),
    Defect(
        "C2",
        "a goal arrives a step late in simulation",
        "sim2real/hardware/simulated.py",
        "self._step + self._numerics.delay_steps",
        "self._step + 1 + self._numerics.delay_steps",
        (f"{NUMERICS}::test_a_goal_arrives_after_as_many_steps_as_the_task_states",),
    ),
    Defect(
        "C3",
        "encoders of the bus round down",
        "sim2real/emulator/motion.py",
        "np.rint(self._direction * raw_ticks + noise_ticks)",
        "np.floor(self._direction * raw_ticks + noise_ticks)",
        (f"{NUMERICS}::test_encoders_report_the_nearest_step",),
    ),
    Defect(
        "C4",
        "a variation does nothing",
        "training/worlds/dynamics.py",
        "model.joint(HandInModel.of(model).object).damping[0] = value[0]",
        "model.joint(HandInModel.of(model).object).damping[0] += 0.0 * value[0]",
        ("tests/families/test_effects.py::test_every_variation_of_the_claw_changes_a_rollout",),
    ),
    Defect(
        "C5",
        "a wrong belief is mended within its episode",
        "training/evaluation/meta_test.py",
        "is_frozen = condition in FROZEN and",
        "is_frozen = condition == Condition.FROZEN_PRIOR and",
        (
            f"{META_TEST}::"
            "test_a_wrong_belief_stays_wrong_also_where_beliefs_move_within_an_episode",
        ),
    ),
    Defect(
        "C6",
        "success is bootstrapped",
        "sim2real/evaluation/metrics.py",
        "return wilson_interval(values.mean(axis=1), num_trials=values.shape[1])",
        "return bootstrap_interval(values.mean(axis=1))",
        (
            f"{METRICS}::test_nothing_that_never_failed_is_certain",
            f"{META_TEST}::test_success_that_never_fails_is_no_certainty",
        ),
    ),
    Defect(
        "C7",
        "trials on one task count as independent",
        "sim2real/evaluation/metrics.py",
        "else known * binomial / of_mean",
        "else most",
        (f"{METRICS}::test_success_keeps_its_coverage",),
    ),
)
