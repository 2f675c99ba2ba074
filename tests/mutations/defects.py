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
    """P1–P15 of PEARL, R1–R5 of RL², S1–S5 of soft actor-critic, N1–N7 of what is compared: the
    numerics of a task on every robot, conditions and intervals"""
    what: str
    """the defect, in the words that a test's name can hold"""
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    """`file::function`; every one of them must fail"""


_PEARL, _RL2 = "training/algorithms/pearl.py", "training/algorithms/rl2.py"
_ENCODERS, _REPLAY = "training/parts/encoders.py", "training/parts/replay.py"

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
        "of_task = task_of_world[step.worlds]",
        "of_task = np.roll(task_of_world, 1)[step.worlds]",
        (f"{PEARL}::test_p7_buffers_of_a_task_hold_that_task_only",),
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
        "            if is_context:\n",
        "            if True:\n",
        (
            f"{PEARL}::test_p7_extra_steps_are_no_context",
            f"{PEARL}::test_p7_context_is_the_latest_collection_and_rl_batches_are_everything",
        ),
    ),
    Defect(
        "P8",
        "last transition of an episode is dropped",
        "training/parts/rollout.py",
        "store(_step_of(active, observation, result))",
        "store(_step_of(active & ~(result.terminated | result.truncated), observation, result))",
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
        "transition = transition._replace(reward=step.sparse_reward)",
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
        "        self.belief = GaussianBelief.prior(latent_size, (self._num_worlds,))\n"
        "        self._prior = self.belief\n",
        "        self._prior = GaussianBelief.prior(latent_size, (self._num_worlds,))\n"
        "        self.belief = getattr(self, 'belief', self._prior)\n",
        (f"{PEARL}::test_p11_trials_start_from_the_prior_and_do_not_influence_each_other",),
    ),
    Defect(
        "P11",
        "evaluation samples its actions",
        _PEARL,
        "learner.policy.mode(state.to(learner.device)).cpu()",
        "learner.policy(state.to(learner.device)).sample(learner.generator)[0].cpu()",
        (f"{PEARL}::test_p11_evaluation_acts_by_the_mean_on_the_latent_it_holds",),
    ),
    Defect(
        "P11",
        "exploration acts on the posterior",
        _PEARL,
        "explores = self._episode < self._learner.config.num_exploration_episodes",
        "explores = False",
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
        "return torch.randn(shape, generator=learner.generator, device=learner.device)",
        "return torch.randn(shape, device=learner.device)",
        (f"{PEARL}::test_p13_equal_seeds_repeat_bit_for_bit_and_others_do_not",),
    ),
    Defect(
        "P14",
        "the random generator is not restored",
        _PEARL,
        'self.generator.set_state(tensors["generator"])',
        "pass",
        ("tests/runs/test_resume.py::test_p14_stopped_and_resumed_equals_uninterrupted[pearl]",),
    ),
    Defect(
        "P14",
        "an optimiser is not restored",
        _PEARL,
        'self.actor_optimizer.load_state_dict(tensors["actor_optimizer"])',
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
        _RL2,
        "        row = learner.context_layout.row(transition)\n",
        "        ended = transition.terminated | transition.truncated\n"
        "        reward = np.where(ended, np.float32(0.0), transition.reward)\n"
        "        row = learner.context_layout.row(transition._replace(reward=reward))\n",
        (
            f"{RL2}::test_r1_last_reward_of_the_first_episode_decides_the_second",
            f"{RL2}::test_last_reward_and_episode_end_reach_the_belief",
        ),
    ),
    Defect(
        "R2",
        "credit ends with the step",
        "training/parts/advantage.py",
        "(error + discount * gae_lambda * following)",
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
        "following = is_valid[step] * (error",
        "following = (error",
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
        "N1",
        "encoder noise is Gaussian",
        "sim2real/hardware/task_numerics.py",
        "rng.uniform(-1.0, 1.0, size)",
        "rng.standard_normal(size)",
        (f"{NUMERICS}::test_noise_is_uniform_with_the_half_width_that_the_task_states",),
    ),
    Defect(
        "N1",
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
        "N2",
        "a goal arrives a step late in simulation",
        "sim2real/hardware/simulated.py",
        "self._step + self._numerics.delay_steps",
        "self._step + 1 + self._numerics.delay_steps",
        (f"{NUMERICS}::test_a_goal_arrives_after_as_many_steps_as_the_task_states",),
    ),
    Defect(
        "N3",
        "encoders of the bus round down",
        "sim2real/emulator/motion.py",
        "np.rint(self._direction * raw_ticks + noise_ticks)",
        "np.floor(self._direction * raw_ticks + noise_ticks)",
        (f"{NUMERICS}::test_encoders_report_the_nearest_step",),
    ),
    Defect(
        "N4",
        "a variation does nothing",
        "training/worlds/dynamics.py",
        "model.joint(VALVE).damping[0] = value[0]",
        "model.joint(VALVE).damping[0] += 0.0 * value[0]",
        ("tests/families/test_effects.py::test_every_variation_of_the_claw_changes_a_rollout",),
    ),
    Defect(
        "N5",
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
        "N6",
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
        "N7",
        "trials on one task count as independent",
        "sim2real/evaluation/metrics.py",
        "else known * binomial / of_mean",
        "else most",
        (f"{METRICS}::test_success_keeps_its_coverage",),
    ),
)
