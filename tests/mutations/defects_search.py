"""Defects of a search among latents; LS1-LS4 of the search, LS5, LS6 of PEARL with it."""

from __future__ import annotations

from tests.mutations.defects import Defect

_HYPOTHESES, _KIND = "tests/contract/test_hypotheses.py", "tests/runtime/test_latent_search.py"
_PEARL = "tests/algorithms/test_pearl_search.py"
_CONTRACT, _RUNTIME = "sim2real/contract/hypotheses.py", "sim2real/runtime/kinds/latent_search.py"
_LEARNER = "training/algorithms/pearl_search.py"

DEFECTS = (
    Defect(
        "LS1",
        "only the latest transition counts",
        _CONTRACT,
        "error=self.error + misfit",
        "error=0.0 * self.error + misfit",
        (f"{_HYPOTHESES}::test_ls1_the_order_of_evidence_does_not_matter_and_all_of_it_counts",),
    ),
    Defect(
        "LS1",
        "without evidence only the first is left",
        _CONTRACT,
        "self.error <= self.error.min(-1, keepdims=True) + max_excess_error",
        "self.error < self.error.min(-1, keepdims=True) + max_excess_error * self.num_transitions",
        (f"{_HYPOTHESES}::test_ls1_without_evidence_nothing_is_refuted",),
    ),
    Defect(
        "LS2",
        "errors are held against zero",
        _CONTRACT,
        "self.error.min(-1, keepdims=True) + max_excess_error",
        "max_excess_error",
        (
            f"{_HYPOTHESES}::test_ls2_a_latent_is_refuted_by_what_it_lacks_against_the_best_alone",
            f"{_HYPOTHESES}::test_ls2_the_best_always_survives",
        ),
    ),
    Defect(
        "LS3",
        "what is refuted may promise most",
        _CONTRACT,
        "np.where(survives, value, -np.inf)",
        "np.where(survives, value, value)",
        (
            f"{_HYPOTHESES}::test_ls3_of_the_survivors_the_one_that_promises_most_is_tested",
            f"{_HYPOTHESES}::test_ls3_of_equals_the_first_is_tested",
        ),
    ),
    Defect(
        "LS4",
        "a latent is held for an episode, as by a sampler",
        _RUNTIME,
        "if tick == 0 or not survives[self._held]:",
        "if tick == 0:",
        (
            f"{_KIND}::"
            "test_ls4_a_latent_is_held_until_it_is_refuted_and_the_nearest_survivor_follows",
        ),
    ),
    Defect(
        "LS4",
        "a latent is chosen at every tick",
        _RUNTIME,
        "if tick == 0 or not survives[self._held]:",
        "if tick >= 0:",
        (f"{_KIND}::test_ls4_critics_are_asked_only_where_a_latent_has_to_be_chosen",),
    ),
    Defect(
        "LS4",
        "an episode goes on with the latent of the one before",
        _RUNTIME,
        "if tick == 0 or not survives[self._held]:",
        "if not survives[self._held] or (tick == 0 and episode == 0):",
        (f"{_KIND}::test_ls4_an_episode_begins_with_a_choice_of_its_own",),
    ),
    Defect(
        "LS5",
        "the decoder draws from the generator of what PEARL draws",
        _LEARNER,
        "rows = context[:, : self.config.decoder_batch_size]",
        "order = torch.randperm(context.shape[1], generator=self.state.generator)\n"
        "        rows = context[:, order[: self.config.decoder_batch_size]]",
        (f"{_PEARL}::test_ls5_what_is_learnt_beside_changes_nothing_of_pearl",),
    ),
    Defect(
        "LS5",
        "the decoder is shown the reward that it predicts",
        "training/parts/decoders.py",
        "[rows[..., :at], rows[..., at + 1 :], latent]",
        "[rows[..., 1 : at + 1], rows[..., at + 1 :], latent]",
        (f"{_PEARL}::test_ls5_a_prediction_does_not_look_at_the_reward_itself",),
    ),
    Defect(
        "LS6",
        "training is told the dense reward, which no robot is paid",
        _LEARNER,
        "reward = sparse_reward if is_sparse else transition.reward",
        "reward = transition.reward",
        (f"{_PEARL}::test_ls6_the_robot_acts_as_training_does",),
    ),
)
