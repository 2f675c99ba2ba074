"""Defects of learning from pixels and of sequential latent models; see `defects.py`."""

from __future__ import annotations

from tests.mutations.defects import Defect

_MODEL, _OF_MODEL = (
    "training/parts/sequence_latent_model.py",
    "tests/parts/test_sequence_latent_model.py",
)
_SLAC, _OF_SLAC = "training/algorithms/slac.py", "tests/algorithms/test_slac.py"
_SAC, _OF_SAC = "training/algorithms/sac_pixels.py", "tests/algorithms/test_sac_pixels.py"
_MELD, _OF_MELD = "training/algorithms/meld.py", "tests/algorithms/test_meld.py"
_TRIAL_MODEL, _OF_TRIAL_MODEL = (
    "training/parts/trial_latent_model.py",
    "tests/parts/test_trial_latent_model.py",
)
_TRIALS = "training/parts/seen_trials.py"
_EPISODES = "training/parts/seen_episodes.py"
_SEEN, _OF_SEEN = "training/parts/seen_world.py", "tests/parts/test_seen_world.py"
_RL2, _OF_RL2 = "training/algorithms/rl2_pixels.py", "tests/algorithms/test_rl2_pixels.py"

DEFECTS = (
    Defect(
        "L1",
        "the second moment has the prior of the first",
        _MODEL,
        "            if time:\n",
        "            if time > 1:\n",
        (
            f"{_OF_MODEL}::test_l1_the_first_prior_is_fixed_and_later_ones_follow_from_the_moment_before",
        ),
    ),
    Defect(
        "L2",
        "an episode goes on from the one before",
        _MODEL,
        "latent = Latent(*_where(starts, latent, onward[0]))",
        "latent = onward[0]",
        (f"{_OF_MODEL}::test_l2_where_an_episode_begins_nothing_is_carried_over",),
    ),
    Defect(
        "L3",
        "critics teach the model",
        _SLAC,
        "self._critic_step(batch, latent[-2], latent[-1], after)",
        "self._critic_step("
        "batch, self.infer(self.glance(batch)).latent.both[-2], latent[-1], after)",
        (f"{_OF_SLAC}::test_l3_neither_actor_nor_critics_teach_the_model",),
    ),
    Defect(
        "L4",
        "frames are told from the part that carries on alone",
        _MODEL,
        "self.of_frame(latent.both.flatten(0, len(leading) - 1))",
        "self.of_frame((latent.both * 0.0).flatten(0, len(leading) - 1))",
        (f"{_OF_MODEL}::test_l4_a_moving_dot_is_told_again",),
    ),
    Defect(
        "L5",
        "before an episode there is darkness, in acting alone",
        _SLAC,
        "self._seen[:, starts], self._led[:, starts] = seen[starts], 0.0",
        "self._seen[:-1, starts], self._led[:, starts] = 0.0, 0.0",
        (f"{_OF_SLAC}::test_l5_the_policy_acts_on_what_it_learns_on_from_the_first_step",),
    ),
    Defect(
        "L5",
        "actions before an episode are those after its start",
        _EPISODES,
        "is_padding = (moment < num_before - drawn.start).float()",
        "is_padding = (moment < 0).expand(-1, len(drawn.start)).float()",
        (f"{_OF_SLAC}::test_l5_the_policy_acts_on_what_it_learns_on_from_the_first_step",),
    ),
    Defect(
        "L6",
        "what is imagined does not carry on",
        _MODEL,
        "        return self._carried_on(z1, before, action, noise)\n",
        "        return Latent(z1, before.z2)\n",
        (f"{_OF_MODEL}::test_l6_the_posterior_of_the_second_part_is_its_prior",),
    ),
    Defect(
        "L7",
        "priors follow from the latent's other part",
        _MODEL,
        "expected = self.prior(before.z2, done)",
        "expected = self.prior(before.z2.detach() * 0.0, done)",
        (f"{_OF_MODEL}::test_l7_what_is_imagined_moves_on_as_the_dot_does",),
    ),
    Defect(
        "L8",
        "rewards are told from the step before",
        _SLAC,
        "model.told_reward(before, glance.action, after)",
        "model.told_reward(before, glance.action.roll(1, 0), after)",
        (f"{_OF_SLAC}::test_l8_what_is_paid_for_a_step_is_told_from_where_it_was_made",),
    ),
    Defect(
        "L9",
        "the policy teaches the eye",
        _SLAC,
        "self.heads.actor_step(latent[-2], before)",
        "self.heads.actor_step(latent[-2], self.looks_back(self.glance(batch))[0])",
        (f"{_OF_SLAC}::test_l9_neither_actor_nor_critics_teach_the_eye",),
    ),
    Defect(
        "L10",
        "frames are averaged over their pixels",
        _MODEL,
        "error.square().flatten(-3).sum(-1)",
        "error.square().flatten(-3).mean(-1)",
        (f"{_OF_MODEL}::test_l10_a_frame_of_twice_the_side_weighs_four_times_as_much",),
    ),
    Defect(
        "ME1",
        "a trial goes on with what the one before it taught",
        _MELD,
        "self.memory = self._learner.model.begin(self._num_worlds, self._learner.device)",
        "self.memory = self.__dict__.get("
        "'memory', self._learner.model.begin(self._num_worlds, self._learner.device))",
        (f"{_OF_MELD}::test_me1_a_trial_leaves_no_trace_in_the_next_ones_first_belief",),
    ),
    Defect(
        "ME1",
        "a memory begins with something in it",
        _TRIAL_MODEL,
        "return torch.zeros(num_trials, self.memory_size, device=device)",
        "return torch.ones(num_trials, self.memory_size, device=device)",
        (
            f"{_OF_TRIAL_MODEL}::test_me1_a_trial_begins_with_nothing_and_trials_do_not_touch_each_other",
        ),
    ),
    Defect(
        "ME2",
        "what was paid is not felt",
        _TRIALS,
        "self.felt[..., None]",
        "torch.zeros_like(self.felt[..., None])",
        (f"{_OF_MELD}::test_me2_what_is_paid_tells_the_task",),
    ),
    Defect(
        "ME2",
        "what is learnt from is felt, whatever an evaluator pays",
        _TRIALS,
        "uses_sparse_context=self._uses_sparse",
        "uses_sparse_context=False",
        (f"{_OF_MELD}::test_me2_with_zeros_in_place_of_rewards_the_belief_does_not_shrink",),
    ),
    Defect(
        "ME3",
        "the filter of trials draws noise of its own",
        _TRIAL_MODEL,
        "return distribution.mean + distribution.log_std.exp() * noise",
        "return distribution.mean + distribution.log_std.exp() * torch.randn_like(noise)",
        (f"{_OF_TRIAL_MODEL}::test_me3_the_same_trial_gives_the_same_belief_to_the_bit",),
    ),
    Defect(
        "XB2",
        "nobody tells the filter of trials that an episode begins",
        _TRIAL_MODEL,
        "memories.append(torch.cat([z2, before], dim=-1))",
        "memories.append(torch.cat([z2, before[..., :-1], torch.ones_like(before[..., -1:])], -1))",
        (f"{_OF_TRIAL_MODEL}::test_xb2_the_first_moment_of_a_later_episode_is_seen_and_marked",),
    ),
    Defect(
        "XB3",
        "a remembered trial ends where it began",
        _TRIALS,
        "moments[lengths, every] = ends",
        "moments[lengths, every] = moments[0, every]",
        (f"{_OF_MELD}::test_xb3_a_trial_is_remembered_as_its_moments_and_none_joins_two_episodes",),
    ),
    Defect(
        "ME3",
        "the filter draws noise of its own",
        _MODEL,
        "return distribution.mean + distribution.log_std.exp() * noise",
        "return distribution.mean + distribution.log_std.exp() * torch.randn_like(noise)",
        (f"{_OF_MODEL}::test_me3_the_same_noise_gives_the_same_latents_to_the_bit",),
    ),
    Defect(
        "PX1",
        "critics do not teach the eye",
        _SAC,
        "state=torch.cat([measured[0], self.eye(before)], dim=-1)",
        "state=torch.cat([measured[0], self.eye(before)], dim=-1).detach()",
        (f"{_OF_SAC}::test_px1_critics_teach_the_eye_where_things_are",),
    ),
    Defect(
        "PX2",
        "a control shows every world its own frame",
        "training/runs/pixels_probe.py",
        "np.roll(frame, 1, axis=0)",
        "np.roll(frame, 0, axis=0)",
        (f"{_OF_SAC}::test_px2_with_the_frames_of_another_world_a_policy_is_blind",),
    ),
    Defect(
        "PX3",
        "brightness and contrast are left to others than the graph",
        "training/parts/eye.py",
        "return (values - mean) / std.clamp(min=MIN_STD)",
        "return values",
        (
            "tests/parts/test_eye.py::test_px3_what_is_exported_takes_bytes_and_divides_light_out_by_itself",
        ),
    ),
    Defect(
        "PX4",
        "a camera has grain",
        "sim2real/hardware/simulated_camera.py",
        "np.round(255.0 * seen)",
        "np.round(255.0 * seen * np.random.uniform(0.9, 1.0, seen.shape))",
        ("tests/hardware/test_simulated_camera.py::test_px4_equal_states_give_equal_bytes",),
    ),
    Defect(
        "XB1",
        "an episode ends where the next one begins, to an eye",
        _SEEN,
        "final[ended] = self._sight(result.final_observation[ended])",
        "final[ended] = observation[ended]",
        (
            f"{_OF_SEEN}::test_a_step_that_ends_an_episode_shows_its_own_last_frame_and_the_next_ones_first",
        ),
    ),
    Defect(
        "XB1",
        "a belief takes in what was seen before an action as what it led to",
        "training/parts/recurrent_actor.py",
        "next_observation=self._see(transition.next_observation)",
        "next_observation=self._see(transition.observation)",
        ("tests/runtime/test_seeing_parity.py::test_a_robot_believes_what_training_believes",),
    ),
    Defect(
        "PX1",
        "an eye is taught the sine for the cosine",
        _SEEN,
        "torch.stack([angle.cos(), angle.sin()], dim=-1)",
        "torch.stack([angle.sin(), angle.cos()], dim=-1)",
        (f"{_OF_SEEN}::test_the_error_is_that_of_cosine_and_sine",),
    ),
    Defect(
        "PX1",
        "frames are remembered with the angles of another iteration",
        _SEEN,
        "        self._looked = []\n        self._keep(observation)\n",
        "        self._keep(observation)\n",
        (f"{_OF_SEEN}::test_what_was_to_be_seen_is_kept_as_bytes_with_where_it_was",),
    ),
    Defect(
        "PX1",
        "a policy learns before its eye tells anything",
        _RL2,
        "return learnt if is_looking else learnt | self.ppo.improve(trials, progress)",
        "return learnt | self.ppo.improve(trials, progress)",
        (f"{_OF_RL2}::test_first_the_eye_learns_alone_and_then_both",),
    ),
)
