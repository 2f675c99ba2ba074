"""Defects of learned exploration, X1 to X7 of its tests; see `defects.py`."""

from __future__ import annotations

from tests.mutations.defects import Defect

_TESTS = "tests/algorithms/test_learned_exploration.py"
_LEARNER = "training/algorithms/learned_exploration.py"

DEFECTS = (
    Defect(
        "X1",
        "before and after are judged on other tasks, from other starts",
        _LEARNER,
        "after = self.judged(self.taught(data.trials), seed)",
        "after = self.judged(self.taught(data.trials), seed + 1)",
        (f"{_TESTS}::test_x1_without_a_student_step_nothing_is_gained_and_the_teacher_stays",),
    ),
    Defect(
        "X1",
        "gains that nothing caused pull the teacher",
        _LEARNER,
        "return -(advantage * self.score(data)).mean()",
        "return -((advantage + 1.0) * self.score(data)).mean()",
        (
            f"{_TESTS}::test_x1_gains_that_d0_does_not_decide_move_the_teacher_nowhere_on_average",
            f"{_TESTS}::test_x4_the_gradient_is_the_mean_of_gains_times_scores",
        ),
    ),
    Defect(
        "X2",
        "the teacher flees from gains",
        _LEARNER,
        "gain - self.baseline)",
        "self.baseline - gain)",
        (f"{_TESTS}::test_x2_the_teacher_comes_to_do_what_the_student_learns_from",),
    ),
    Defect(
        "X3",
        "likelihood is a mean over steps",
        _LEARNER,
        "return self._by_copy(density * data.is_valid).sum(1)",
        "return self._by_copy(density * data.is_valid).mean(1)",
        (f"{_TESTS}::test_x3_likelihood_of_d0_is_a_sum_over_all_of_its_steps",),
    ),
    Defect(
        "X4",
        "every D0 gets the mean of all gains",
        _LEARNER,
        "return -(advantage * self.score(data)).mean()",
        "return -(advantage.mean() * self.score(data)).mean()",
        (f"{_TESTS}::test_x4_the_gradient_is_the_mean_of_gains_times_scores",),
    ),
    Defect(
        "X5",
        "statistics move between acting and the teacher's step",
        _LEARNER,
        "        losses = self.teacher_step(data.trials,",
        "        data.trials.update(self.state.statistics)\n"
        "        losses = self.teacher_step(data.trials,",
        (f"{_TESTS}::test_x5_densities_are_those_of_the_teacher_that_acted",),
    ),
    Defect(
        "X6",
        "the teacher is not paid",
        _LEARNER,
        "gain - self.baseline)",
        "0.0 * gain)",
        (f"{_TESTS}::test_x6_the_far_mode_is_visited_more_and_more",),
    ),
    Defect(
        "X7",
        "copies share the values of what follows",
        "training/parts/ddpg.py",
        "value = self._value(self.target_critic, batch.next_observation, action)",
        "value = self._value(self.target_critic, batch.next_observation, action).mean(0)",
        (f"{_TESTS}::test_x7_what_copies_become_follows_from_d0_alone",),
    ),
)
