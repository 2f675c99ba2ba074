"""`taskbelief desiderata`: the lecture's table, measured on trained runs."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from json import dumps
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import tyro
from rich.console import Console
from rich.table import Column, Table

from sim2real.contract.errors import BadInput
from sim2real.contract.output_file import require_writable, write_file
from sim2real.contract.require import WHERE, require_counts, require_seeds, require_some
from sim2real.evaluation.metrics import Interval, interval_of
from sim2real.evaluation.protocol import Condition, TrialProtocol
from training.algorithms.learner import deployed_actor
from training.algorithms.settings import ExplorationSettings, SoftActorCriticSettings
from training.evaluation.consistency import consistency, played_after
from training.evaluation.desiderata import (
    EXPERIMENTS,
    Desideratum,
    Mark,
    Row,
    not_measured,
    row,
)
from training.evaluation.meta_test import meta_test
from training.evaluation.structure import NUM_FIRST, structure
from training.families.outside import is_claw, outside_tasks
from training.families.shown_goal import most_by_returns
from training.recipes.recipe import Recipe
from training.runs.efficiency import Efficiency, common_level, compared, evaluations, summary
from training.runs.start import family_of, load_learner, read_run
from training.tasks.task import Task, TaskFamily
from training.tasks.task_set import draw_task_set

MULTIPLES = (1, 2, 4, 8)
"""of the episodes that a recipe adapts on"""
CLAW_SHARE = 4
"""as many tasks are played on the claw as elsewhere, divided by this: physics takes its time"""
_FRESH_SEED = 20_000
"""of tasks that no recipe's own seed draws"""
_SIGNS = {Mark.YES: "✓", Mark.NO: "✗", Mark.UNCLEAR: "~", Mark.NOT_MEASURED: "not measured"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trained:
    """The runs of one learner on one family, which differ in their seeds."""

    name: str
    """of their recipe"""
    recipe: Recipe
    runs: tuple[Path, ...]

    @property
    def family(self) -> TaskFamily:
        return family_of(self.recipe)

    @property
    def is_off_policy(self) -> bool:
        """Whether its policy learns from a replay."""
        return isinstance(self.recipe.config, SoftActorCriticSettings)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Size:
    """How much is played."""

    num_tasks: int
    num_trials: int
    seed: int

    def tasks_on(self, family: TaskFamily) -> int:
        return max(2, self.num_tasks // CLAW_SHARE) if is_claw(family) else self.num_tasks


Groups = Mapping[tuple[str, str], Trained]
"""by algorithm and family"""
Measurement = tuple[Interval | None, Mapping[str, Any]]


def desiderata(
    runs: Annotated[tuple[Path, ...], tyro.conf.Positional],
    level: tuple[str, ...] = (),
    num_tasks: int = 40,
    num_trials: int = 2,
    seed: int = 0,
    json: bool = False,
    out: Path | None = None,
) -> None:
    """Measure how consistent, expressive, exploring and efficient the learners of RUNS are.

    Each is one experiment: on point_robot (consistent, efficient), shown_goal (expressive) and
    sparse_point_robot (structured exploration), and on the claw's valve_turn, all but expressive.
    What no run says is not measured.

    Args:
        runs: run directories, of as many algorithms as you like, under some seeds each.
        level: the return that counts as reached, as in `point_robot=-10`; by default the highest
            that all runs of the family reached.
        num_tasks: tasks of each experiment, and a quarter as many on the claw.
        num_trials: trials on each of them.
        seed: of tasks, starting points and latents.
        json: one object a line in place of a table.
        out: a file for these lines.
    """
    require_some(runs=runs)
    require_counts(num_tasks=num_tasks, num_trials=num_trials)
    require_seeds(seed=seed)
    require_writable(out, "--out")
    levels = _levels(level)
    groups = by_learner(runs)
    torch.set_num_threads(1)  # small batches: more threads cost more than they bring
    size = Size(num_tasks=num_tasks, num_trials=num_trials, seed=seed)
    lines, rows = [], []
    for each in measured(groups, levels, size):
        rows.append(each)
        lines.append(dumps(dataclasses.asdict(each), allow_nan=False))
        if json:
            print(lines[-1], flush=True)
    if out is not None:
        write_file(out, "".join(f"{line}\n" for line in lines))
    if not json:
        for place in dict.fromkeys(each.place for each in rows):
            Console().print(desiderata_table(place, [each for each in rows if each.place == place]))


def by_learner(runs: Sequence[Path]) -> Groups:
    """Raises `BadInput` for a learner that does not adapt, and for two recipes of one learner."""
    groups: dict[tuple[str, str], Trained] = {}
    for run in runs:
        recipe, name, _, _ = read_run(run)
        key = (recipe.algorithm, recipe.family)
        begun = groups.setdefault(key, Trained(name=name, recipe=recipe, runs=()))
        if begun.name != name:
            expected = f"{begun.name}, as {begun.runs[0]}: one recipe of an algorithm on a family"
            raise BadInput(str(run), "recipe", found=name, expected=expected)
        if not load_learner(run).adapts:
            raise BadInput(str(run), "algorithm", found=name, expected="a learner that adapts")
        groups[key] = dataclasses.replace(begun, runs=(*begun.runs, run))
    return groups


def measured(groups: Groups, levels: Mapping[str, float], size: Size) -> Iterator[Row]:
    """A row for every learner and desideratum, wherever there are runs of the learner."""
    efficient = {place: _efficiencies(groups, place, levels) for place in ("points", "claw")}
    for place in ("points", "claw"):
        learners = dict.fromkeys(
            algorithm
            for (algorithm, _), trained in groups.items()
            if is_claw(trained.family) == (place == "claw")
        )
        for learner in learners:
            for desideratum, experiment in EXPERIMENTS.items():
                families = _families(experiment.families, place)
                found = [groups[learner, name] for name in families if (learner, name) in groups]
                if not found:
                    why = f"no run on {families[0]}" if families else "only on points"
                    yield not_measured(learner, place, desideratum, why)
                elif desideratum is Desideratum.EFFICIENT:
                    yield _efficiency_row(found[0], place, efficient[place])
                else:
                    interval, detail = _MEASURE[desideratum](found[0], size)
                    yield row(learner, place, desideratum, interval, detail)


def _families(families: Sequence[str], place: str) -> list[str]:
    return [name for name in families if (name == "valve_turn") == (place == "claw")]


# ---- the experiments -----------------------------------------------------------------------------


def _consistency(trained: Trained, size: Size) -> Measurement:
    family, base = trained.family, _episodes_before(trained.recipe)
    tasks = outside_tasks(family, seed=size.seed, num_tasks=size.tasks_on(family))
    num_before = [base * multiple for multiple in MULTIPLES]
    play = partial(
        played_after, family=family, tasks=tasks, num_trials=size.num_trials, seed=size.seed
    )
    missing = [
        np.concatenate(
            [
                play(deployed_actor(load_learner(run, change=adapting_on(count))), num_before=count)
                for run in trained.runs
            ],
            axis=1,
        )
        for count in num_before
    ]
    result = consistency(num_before, missing)
    curve = [
        {"episodes": count, "missing": each._asdict()}
        for count, each in zip(num_before, result.missing, strict=True)
    ]
    return result.removed, {"tasks": len(tasks), "runs": len(trained.runs), "curve": curve}


def _episodes_before(recipe: Recipe) -> int:
    """How many episodes a trial of the recipe adapts on before its last."""
    config = recipe.config
    if isinstance(config, ExplorationSettings):
        return config.num_exploration_episodes * config.num_inner_steps
    return max(1, recipe.num_trial_episodes - 1)


def adapting_on(num_episodes: int) -> Callable[[Recipe], Recipe]:
    """Trials that adapt on so many episodes: as many inner steps as that takes where there are any.

    Whatever keeps a belief just goes on.
    """

    def changed(recipe: Recipe) -> Recipe:
        config = recipe.config
        if not isinstance(config, ExplorationSettings):
            return recipe
        steps = num_episodes // config.num_exploration_episodes
        config = dataclasses.replace(config, num_inner_steps=steps)
        return dataclasses.replace(recipe, config=config, num_trial_episodes=num_episodes + 1)

    return changed


def _expressiveness(trained: Trained, size: Size) -> Measurement:
    num_before = _episodes_before(trained.recipe)
    protocol = TrialProtocol(
        num_episodes=num_before + 1, num_trials=size.num_trials, seed=size.seed
    )
    tasks = _fresh_tasks(trained.family, size)
    success = np.concatenate(
        [
            meta_test(
                deployed_actor(load_learner(run)),
                trained.family,
                tasks,
                protocol,
                conditions=(Condition.ADAPTED,),
            ).episodes[Condition.ADAPTED]["success"][:, :, -1]
            for run in trained.runs
        ],
        axis=1,
    )
    detail = {"tasks": len(tasks), "runs": len(trained.runs), "episodes": num_before}
    bound = most_by_returns(num_before)
    return interval_of("success", success), {**detail, "most_by_returns_alone": bound}


def _structure(trained: Trained, size: Size) -> Measurement:
    tasks = _fresh_tasks(trained.family, size)
    results = [
        structure(deployed_actor(load_learner(run)), trained.family, tasks, seed=size.seed)
        for run in trained.runs
    ]
    detail = {
        "tasks": len(tasks),
        "runs": len(trained.runs),
        "episodes": NUM_FIRST,
        "cells": float(np.mean([each.num_cells for each in results])),
        "energy": float(np.mean([each.energy.mean() for each in results])),
    }
    return interval_of("ratio", np.stack([each.ratio for each in results], axis=1)), detail


def _fresh_tasks(family: TaskFamily, size: Size) -> tuple[Task, ...]:
    """Tasks of the family that no run was trained on, but by chance of the same place."""
    count, seed = size.tasks_on(family), _FRESH_SEED + size.seed
    return draw_task_set(family, seed=seed, num_train=0, num_test=count).test


_MEASURE: Mapping[Desideratum, Callable[[Trained, Size], Measurement]] = {
    Desideratum.CONSISTENT: _consistency,
    Desideratum.EXPRESSIVE: _expressiveness,
    Desideratum.STRUCTURED: _structure,
}


def _efficiencies(
    groups: Groups, place: str, levels: Mapping[str, float]
) -> tuple[float, dict[str, Efficiency]]:
    """The level, and every recipe's steps to it; nothing to compare with where there is one."""
    [family] = _families(EXPERIMENTS[Desideratum.EFFICIENT].families, place)
    all_trained = [trained for (_, name), trained in groups.items() if name == family]
    series = {each.name: [evaluations(run, "return") for run in each.runs] for each in all_trained}
    if len(series) < 2:
        return math.nan, {}
    level = levels.get(family, common_level(series))
    rows = compared(
        [
            summary(each.name, series[each.name], level, each.recipe.num_trial_episodes)
            for each in all_trained
        ]
    )
    return level, {each.recipe: each for each in rows}


def _efficiency_row(
    trained: Trained, place: str, efficiencies: tuple[float, Mapping[str, Efficiency]]
) -> Row:
    learner, (level, found) = trained.recipe.algorithm, efficiencies
    if not found:
        return not_measured(learner, place, Desideratum.EFFICIENT, "no other learner to compare")
    of = found[trained.name]
    detail = {"level": level, "off_policy": trained.is_off_policy, **dataclasses.asdict(of)}
    result = row(learner, place, Desideratum.EFFICIENT, _ratio_interval(of), detail)
    if result.mark is Mark.YES and not trained.is_off_policy:
        return dataclasses.replace(result, mark=Mark.NO)
    return result


def _ratio_interval(of: Efficiency) -> Interval | None:
    """The ratio, and that of the fewest and the most steps of a seed; None: never got there.

    Where a seed never did, the most is what the longest run had, and it took more than that.
    """
    if of.steps is None or of.ratio is None or of.fewest is None or of.most is None:
        return None
    least = of.steps / of.ratio
    most = of.most if of.num_reached == of.num_runs else max(of.most, of.budget)
    return Interval(of.ratio, of.fewest / least, most / least)


def _levels(given: Sequence[str]) -> dict[str, float]:
    """Raises `BadInput` for what is no `family=number`."""
    known = EXPERIMENTS[Desideratum.EFFICIENT].families
    levels = {}
    for each in given:
        family, _, text = each.partition("=")
        try:
            levels[family] = float(text)
        except ValueError:
            levels[family] = math.nan
        if family not in known or not math.isfinite(levels[family]):
            expected = f"{' or '.join(known)}=NUMBER"
            raise BadInput(WHERE, "--level", found=each, expected=expected)
    return levels


# ---- shown ---------------------------------------------------------------------------------------


def desiderata_table(place: str, rows: Sequence[Row]) -> Table:
    """A learner a row: our mark with its number, and the lecture's behind it."""
    columns = (Column(name, overflow="fold") for name in ("learner", *Desideratum))
    table = Table(*columns, title=f"desiderata on {place}", title_justify="left")
    for learner in dict.fromkeys(each.learner for each in rows):
        own = {each.desideratum: each for each in rows if each.learner == learner}
        table.add_row(learner, *(_shown(own[desideratum]) for desideratum in Desideratum))
    experiments = (f"{name}: {experiment.measures}" for name, experiment in EXPERIMENTS.items())
    table.caption = "\n".join(experiments)
    table.caption_justify = "left"
    return table


def _shown(each: Row) -> str:
    number = ""
    if each.value is not None:
        number = rf" {each.value:.2f} \[{each.low:.2f}, {each.high:.2f}]"
    lecture = "" if each.lecture is None else f" (lecture {_SIGNS[each.lecture]})"
    return f"{_SIGNS[each.mark]}{number}{lecture}"
