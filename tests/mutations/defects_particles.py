"""Defects of beliefs of particles; see `defects.py`."""

from __future__ import annotations

from tests.mutations.defects import Defect

_FILTER, _OF_FILTER = "training/parts/particles.py", "tests/parts/test_particles.py"
_LEARNER, _OF_LEARNER = "training/algorithms/dvrl.py", "tests/algorithms/test_dvrl.py"

DEFECTS = (
    Defect(
        "PF1",
        "the proposal is not divided out",
        _FILTER,
        "            - density\n",
        "",
        (f"{_OF_FILTER}::test_pf1_linear_gaussian_systems_are_filtered_as_kalman_does",),
    ),
    Defect(
        "PF2",
        "every tooth of the comb is placed by the square of its place",
        _FILTER,
        "teeth = (torch.arange(count, device=ends.device) + uniform) / count",
        "teeth = ((torch.arange(count, device=ends.device) + uniform) / count) ** 2",
        (f"{_OF_FILTER}::test_pf2_a_particle_has_as_many_descendants_as_its_weight_says",),
    ),
    Defect(
        "PF3",
        "weights do not accumulate",
        _FILTER,
        "before = particles.log_weight.log_softmax(-1)",
        "before = torch.zeros_like(particles.log_weight).log_softmax(-1)",
        (f"{_OF_FILTER}::test_pf3_the_likelihood_is_the_same_with_resampling_and_without",),
    ),
    Defect(
        "PF4",
        "weights are those of other particles",
        _FILTER,
        "weighted = particles.weight[..., None] *",
        "weighted = torch.arange(1.0, particles.weight.shape[-1] + 1)[:, None] *",
        (f"{_OF_FILTER}::test_pf4_the_order_of_particles_means_nothing",),
    ),
    Defect(
        "PF5",
        "descendants inherit weights",
        _FILTER,
        "equal = torch.zeros_like(particles.log_weight)",
        "equal = particles.log_weight.gather(-1, ancestors)",
        (f"{_OF_FILTER}::test_pf5_no_gradient_passes_through_ancestors",),
    ),
    Defect(
        "D1",
        "updates see transitions a step early",
        _LEARNER,
        "before = torch.cat([start, filtered.carried[:-1]])",
        "before = filtered.carried",
        (f"{_OF_LEARNER}::test_d1_acting_step_by_step_sees_what_the_update_sees",),
    ),
    Defect(
        "D2",
        "the bound counts padding",
        _LEARNER,
        "bound = ppo.masked_mean(filtered.log_likelihood, is_valid)",
        "bound = filtered.log_likelihood.mean()",
        (f"{_OF_LEARNER}::test_d2_padding_changes_no_update",),
    ),
    Defect(
        "D7",
        "the actor's loss teaches the critics",
        _LEARNER,
        "with without_weight_gradients(self.critic):",
        "if True:",
        (f"{_OF_LEARNER}::test_d7_what_the_actor_learns_reaches_neither_particles_nor_critics",),
    ),
    Defect(
        "D8",
        "trials are sampled from their middle",
        "training/parts/trial_memory.py",
        "self.replay.sample(batch_size, self._state.generator)",
        "self.replay.sample(batch_size, self._state.generator, window=4)",
        (f"{_OF_LEARNER}::test_d8_trials_are_sampled_whole_from_their_first_step",),
    ),
)
