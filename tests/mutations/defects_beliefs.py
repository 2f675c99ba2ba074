"""Defects of beliefs learnt in several ways, and of worlds of choices; see `defects.py`."""

from __future__ import annotations

from tests.mutations.defects import Defect

_WORLDS = "tests/worlds/test_worlds_of_choices.py"

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
)
