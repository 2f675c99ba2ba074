"""What a benchmark is, as data: which recipes on which families, under which seeds and budgets.

A file of it is YAML, or JSON where its name ends so; every field has to be there:

    schema_version: 1
    seeds: [0, 1]
    environment_steps: null      # budget of one run, or null
    core_minutes: 30             # likewise
    families:
      - family: gridworld
        settings: [num_test_tasks=20]      # of all its recipes
        recipes:
          - recipe: rl2-gridworld
            settings: [num_iterations=100]  # of this one; before those of the family
            expected_return: [8, 10]        # of the adapted episode, or null
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from json import dumps, loads
from pathlib import Path
from typing import Any

from sim2real.contract import strict
from sim2real.contract.errors import BadInput
from sim2real.contract.registry import one_of
from sim2real.contract.require import MAX_COUNT, MAX_SEED
from sim2real.contract.text_file import read_json, read_yaml
from training.families.registry import FAMILIES
from training.recipes.recipe import Recipe
from training.recipes.registry import RECIPES, with_settings
from training.runs.start import family_of
from training.tasks.task import Task
from training.tasks.task_set import draw_task_set

SCHEMA_VERSION = 1
SUITES: Mapping[str, Path] = {
    path.stem: path for path in sorted((Path(__file__).parent / "suites").glob("*.yaml"))
}
"""those that are shipped, by name"""


@dataclass(frozen=True, kw_only=True)
class RecipeEntry:
    """An algorithm on a family."""

    recipe: str
    """its name"""
    settings: tuple[str, ...]
    """to change in it, each as `field=value`"""
    expected_return: tuple[float, ...] | None
    """from and to: the mean return of the adapted episode, over seeds and held-out tasks"""


@dataclass(frozen=True, kw_only=True)
class FamilyEntry:
    """Algorithms that are compared on the same held-out tasks."""

    family: str
    """its name"""
    settings: tuple[str, ...]
    """to change in all its recipes, where they do not say otherwise themselves"""
    recipes: tuple[RecipeEntry, ...]
    """one or more"""


@dataclass(frozen=True, kw_only=True)
class Suite:
    """A benchmark."""

    schema_version: int
    """of this format"""
    seeds: tuple[int, ...]
    """of the training; each recipe runs under all of them"""
    environment_steps: int | None
    """after which a run ends, however many iterations its recipe has"""
    core_minutes: float | None
    """after which a run is stopped, with its numbers left out: they would depend on the machine"""
    families: tuple[FamilyEntry, ...]
    """one or more"""

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """Every run, in the order of the suite."""
        return tuple(
            Cell(
                entry=entry,
                seed=seed,
                settings=(*_merged(family.settings, entry.settings), *self._budget),
            )
            for family in self.families
            for entry in family.recipes
            for seed in self.seeds
        )

    @property
    def _budget(self) -> tuple[str, ...]:
        steps = self.environment_steps
        return () if steps is None else (f"max_environment_steps={steps}",)

    def document(self) -> dict[str, Any]:
        """As it would stand in a file."""
        document: dict[str, Any] = loads(dumps(asdict(self)))
        return document


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One run of a suite."""

    entry: RecipeEntry
    seed: int
    settings: tuple[str, ...]
    """all of them"""

    @cached_property
    def recipe(self) -> Recipe:
        return with_settings(self.entry.recipe, self.settings)

    @property
    def place(self) -> Path:
        """Of its run directory, within the benchmark's folder."""
        return Path("runs") / self.entry.recipe / str(self.seed)


def suite_of(name: str) -> Suite:
    """A shipped suite by its name, or that of a file. Raises `BadInput` for what makes none."""
    path = SUITES.get(name, Path(name))
    if name not in SUITES and not path.exists():
        expected = f"a file, or {one_of(SUITES)}"
        raise BadInput("command line", "SUITE", found=name, expected=expected)
    read = read_json if path.suffix == ".json" else read_yaml
    suite = strict.build(Suite, read(path, "a suite"), str(path))
    _check(suite, str(path))
    return suite


def _merged(common: tuple[str, ...], own: tuple[str, ...]) -> tuple[str, ...]:
    """The family's settings without those that a recipe has of its own, and these."""
    fields = {setting.partition("=")[0] for setting in own}
    return (*(one for one in common if one.partition("=")[0] not in fields), *own)


# ---- checks --------------------------------------------------------------------------------------


def _check(suite: Suite, where: str) -> None:
    """Raise `BadInput` unless every cell can be run, and families can be compared within."""
    version = suite.schema_version
    _require(version == SCHEMA_VERSION, where, "schema_version", version, str(SCHEMA_VERSION))
    _require_once(suite.seeds, where, "seeds")
    for number, seed in enumerate(suite.seeds):
        _require(0 <= seed <= MAX_SEED, where, f"seeds[{number}]", seed, f"0 to {MAX_SEED}")
    steps, minutes = suite.environment_steps, suite.core_minutes
    is_count = steps is None or 1 <= steps <= MAX_COUNT
    _require(is_count, where, "environment_steps", steps, f"null, or 1 to {MAX_COUNT}")
    _require(minutes is None or minutes > 0, where, "core_minutes", minutes, "null, or above 0")
    _require_once([family.family for family in suite.families], where, "families")
    for number, family in enumerate(suite.families):
        _check_family(suite, family, where, f"families[{number}]")
    names = [entry.recipe for family in suite.families for entry in family.recipes]
    _require_once(names, where, "recipes")


def _check_family(suite: Suite, family: FamilyEntry, where: str, at: str) -> None:
    known = family.family in FAMILIES
    _require(known, where, f"{at}.family", family.family, one_of(FAMILIES))
    _require(bool(family.recipes), where, f"{at}.recipes", "none", "one or more")
    first: tuple[Task, ...] | None = None
    for number, entry in enumerate(family.recipes):
        place = f"{at}.recipes[{number}]"
        recipe = _recipe(suite, family, entry, where, place)
        bounds = entry.expected_return
        is_range = bounds is None or (len(bounds) == 2 and bounds[0] <= bounds[1])
        _require(is_range, where, f"{place}.expected_return", bounds, "null, or [from, to]")
        tasks = held_out(recipe, where, f"{place}.settings")
        first = tasks if first is None else first
        if tasks != first:
            raise BadInput(
                where,
                f"{place}.settings",
                found=f"other held-out tasks than those of {family.recipes[0].recipe}",
                expected="the same, or nothing can be compared",
                remedy="set num_train_tasks, num_test_tasks and task_seed for the family",
            )


def _recipe(suite: Suite, family: FamilyEntry, entry: RecipeEntry, where: str, at: str) -> Recipe:
    """With all its settings. Raises `BadInput` for one of another family too."""
    field = f"{at}.recipe"
    _require(entry.recipe in RECIPES, where, field, entry.recipe, one_of(RECIPES))
    right = with_settings(entry.recipe).family == family.family
    _require(right, where, field, entry.recipe, f"a recipe on {family.family}")
    cell = next(cell for cell in suite.cells if cell.entry is entry)
    try:
        return cell.recipe
    except BadInput as error:  # it names the command line, where settings mostly are
        field = f"{at}.settings ({error.field})"
        raise BadInput(where, field, found=error.found, expected=error.expected) from None


def held_out(recipe: Recipe, where: str = "suite", field: str = "tasks") -> tuple[Task, ...]:
    """The tasks that a recipe is evaluated on. Raises `BadInput` where they cannot be drawn."""
    try:
        drawn = draw_task_set(
            family_of(recipe),
            seed=recipe.task_seed,
            num_train=recipe.num_train_tasks,
            num_test=recipe.num_test_tasks,
        )
    except ValueError as error:
        expected = "tasks that can be drawn"
        raise BadInput(where, field, found=str(error), expected=expected) from None
    return drawn.test


def _require(holds: bool, where: str, field: str, found: object, expected: str) -> None:
    if not holds:
        raise BadInput(where, field, found=found, expected=expected)


def _require_once(values: Sequence[Any], where: str, field: str) -> None:
    """One or more, and none of them twice."""
    _require(len(values) > 0, where, field, "none", "one or more")
    twice = sorted({value for value in values if list(values).count(value) > 1})
    _require(not twice, where, field, f"{twice} more than once", "each once")
