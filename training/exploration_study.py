"""`taskbelief exploration-study`: train and measure all that is said about exploration, anew.

    study.json       what the study is: seeds, scale, learners; it goes on as that or not at all
    runs/            a run directory for each recipe and seed, and beside it what it printed
    *.json, *.png    exact references, regret, pictures, walks, and the desiderata
    *.txt            the tables as they were printed
    clock.jsonl      seconds that each part took, a line whenever one was done or interrupted
    index.md         the page that shows it all

Runs go on from their checkpoints, and a part that is there is not made again: what was stopped, by
whatever means, costs an iteration of a run or one part.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import product
from json import dumps, loads
from pathlib import Path
from typing import Annotated

import tyro

from sim2real.contract.errors import BadInput, WorkFailed
from sim2real.contract.output_file import require_folder, write_file, write_json
from sim2real.contract.registry import one_of
from sim2real.contract.require import (
    WHERE,
    require_counts,
    require_positive,
    require_seeds,
    require_some,
)
from training.engines.drive import drive
from training.engines.local import LocalEngine
from training.engines.training import DONE, Training
from training.exact.command import exact
from training.exact.regret import print_regret
from training.families.outside import is_claw
from training.recipes.registry import with_settings
from training.runs.compare_runs import meta_test_runs
from training.runs.desiderata import desiderata
from training.runs.plot_runs import plot
from training.runs.same import require_same
from training.runs.start import family_of, read_run

LEVEL = "point_robot=-10"
"""the return of an episode that counts as reached: half a metre off, on average over its steps"""
TRIAL = 10
"""episodes on the half circle, as the exact references have them"""


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A recipe of the study, shortened where its own length is for something else."""

    recipe: str
    settings: tuple[str, ...] = ()

    @property
    def learner(self) -> str:
        return with_settings(self.recipe).algorithm

    @property
    def family(self) -> str:
        return with_settings(self.recipe).family


PLAN = (
    Planned(recipe="psrl-bernoulli-bandit"),
    Planned(recipe="psrl-gridworld"),
    *(
        Planned(recipe=f"{name}-shown-goal")
        for name in ("reinforce", "maml", "promp", "maesn", "rl2", "varibad", "pearl")
    ),
    Planned(recipe="reinforce-point-robot"),
    Planned(recipe="maml-point-robot", settings=("num_iterations=100",)),
    Planned(recipe="promp-point-robot"),
    Planned(recipe="maesn-point-robot", settings=("num_iterations=100",)),
    Planned(recipe="rl2-point-robot"),
    Planned(recipe="varibad-point-robot", settings=("num_iterations=150",)),
    Planned(recipe="pearl-point-robot", settings=("num_iterations=40", "evaluation_interval=4")),
    Planned(recipe="maml-sparse-point-robot", settings=("num_iterations=60",)),
    Planned(recipe="maesn-sparse-point-robot", settings=("num_iterations=100",)),
    Planned(recipe="rl2-sparse-point-robot"),
    Planned(recipe="varibad-sparse-point-robot", settings=("num_iterations=150",)),
    Planned(
        recipe="pearl-sparse-point-robot",
        settings=(f"num_trial_episodes={TRIAL}", "num_exploration_episodes=3"),
    ),
    Planned(recipe="pearl-search-sparse-point-robot"),
    Planned(recipe="learned-exploration-two-rewards"),
    Planned(recipe="learned-exploration-walled-point-robot"),
    Planned(recipe="noise-exploration-walled-point-robot"),
    Planned(recipe="learned-exploration-valve-turn-one-way"),
    Planned(recipe="noise-exploration-valve-turn-one-way"),
)
"""shortest first of each family, so that a study that is stopped has something of all"""

_EXPLORED = ("two_rewards", "walled_point_robot", "valve_turn_one_way")
"""families of learned exploration: where teacher and student have been is drawn"""
LEARNERS = tuple(dict.fromkeys(planned.learner for planned in PLAN))
_ON_TRIALS = {"pearl", "pearl_search", "rl2", "varibad"}
"""learners whose trials may have any length, drawn beside the exact references"""


@dataclass(frozen=True, kw_only=True)
class Study:
    """What is trained, and how much is played."""

    seeds: tuple[int, ...]
    scale: float
    learners: tuple[str, ...]

    @property
    def plan(self) -> tuple[Planned, ...]:
        return tuple(planned for planned in PLAN if planned.learner in self.learners)

    def settings(self, planned: Planned) -> tuple[str, ...]:
        """The planned ones, with `scale` times the iterations, at least one."""
        recipe = with_settings(planned.recipe, planned.settings)
        kept = [s for s in planned.settings if not s.startswith(("num_iter", "evaluation_int"))]
        iterations = max(1, math.ceil(self.scale * recipe.num_iterations))
        interval = min(iterations, max(1, math.ceil(self.scale * recipe.evaluation_interval)))
        return (*kept, f"num_iterations={iterations}", f"evaluation_interval={interval}")

    def scaled(self, count: int, least: int = 2) -> int:
        """So many tasks or seeds of an experiment, at full scale `count`."""
        return max(least, min(count, round(self.scale * count)))


def exploration_study(
    out: Annotated[Path, tyro.conf.Positional],
    seeds: tuple[int, ...] = (0, 1),
    processes: int = 2,
    scale: float = 1.0,
    learners: tuple[str, ...] = LEARNERS,
    claw: tuple[Path, ...] = (),
) -> None:
    """Train every learner on small problems, hold them against what is exactly the best, and
    measure what is wanted of them; all of it into the folder OUT, with a page.

    What was stopped goes on with the same command. Where a training fails the others go on, and
    nothing is measured before it has been mended.

    Args:
        out: the folder.
        seeds: of every training.
        processes: trainings at the same time.
        scale: share of the iterations, tasks and seeds of the whole study; below 1 it is a trial.
        learners: algorithms to train.
        claw: run directories on the claw's valve_turn, to be measured beside; none is trained.
    """
    require_some(seeds=seeds, learners=learners)
    for seed in seeds:
        require_seeds(seeds=seed)
    require_counts(processes=processes)
    require_positive(scale=scale)
    if scale > 1.0:
        raise BadInput(WHERE, "--scale", found=scale, expected="at most 1")
    for learner in learners:
        if learner not in LEARNERS:
            raise BadInput(WHERE, "--learners", found=learner, expected=one_of(LEARNERS))
    for directory in claw:
        recipe, *_ = read_run(directory)
        if not is_claw(family_of(recipe)):
            expected = "a run on the claw's valve_turn"
            raise BadInput(WHERE, "--claw", found=str(directory), expected=expected)
    require_folder(out, "OUT")
    study = Study(seeds=seeds, scale=scale, learners=learners)
    require_same(out / "study.json", asdict(study), "a study")
    write_json(out / "study.json", {"schema_version": 1, **asdict(study)})
    clock = Clock(out / "clock.jsonl")
    with clock.of("training"):
        failed = _train(study, out, processes)
    if failed:
        names = ", ".join(map(str, failed))
        raise WorkFailed(f"training failed: {names}; what they printed is in the .log beside each")
    parts = _parts(study, out, claw)
    for name, part in parts.items():
        if not (out / f"{name}.txt").exists():
            with clock.of(name):
                write_file(out / f"{name}.txt", _printed(part))
    write_file(out / "index.md", _page(study, out, list(parts), clock.seconds()))
    print(f"{out / 'index.md'}: {sum(clock.seconds().values()):.0f} s in all")


class Clock:
    """Seconds that parts took, over all the times that the study was begun."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextlib.contextmanager
    def of(self, part: str) -> Iterator[None]:
        """Also of what is interrupted."""
        began = time.perf_counter()
        try:
            yield
        finally:
            line = dumps({"part": part, "seconds": round(time.perf_counter() - began, 3)})
            with self._path.open("a") as file:
                file.write(f"{line}\n")

    def seconds(self) -> dict[str, float]:
        """By part."""
        total: dict[str, float] = {}
        for line in self._path.read_text().splitlines():
            with contextlib.suppress(ValueError):  # half a line, of a power cut
                entry = loads(line)
                total[entry["part"]] = total.get(entry["part"], 0.0) + entry["seconds"]
        return total


# ---- training ------------------------------------------------------------------------------------


def _train(study: Study, out: Path, processes: int) -> list[Path]:
    """All runs, so many at a time; those that failed."""
    trainings = [_training(study, *each, out) for each in product(study.plan, study.seeds)]
    ended = drive(LocalEngine(processes), trainings)
    return [training.directory for training, code in ended.items() if code != DONE]


def _training(study: Study, planned: Planned, seed: int, out: Path) -> Training:
    directory, settings = out / "runs" / planned.recipe / str(seed), study.settings(planned)
    return Training(recipe=planned.recipe, seed=seed, directory=directory, settings=settings)


# ---- measuring -----------------------------------------------------------------------------------


def _parts(study: Study, out: Path, claw: Sequence[Path]) -> Mapping[str, Callable[[], object]]:
    """What is measured, by name, in order; each prints its table and writes its files."""
    parts: dict[str, Callable[[], object]] = {
        "exact": partial(exact, out=out / "exact.json"),
        "exact_regret": partial(
            print_regret,
            processes=() if study.scale == 1.0 else ("river_swim_6",),
            seeds=study.scaled(20),
            out=out / "exact_regret.json",
            picture=out / "exact_regret.png",
        ),
    }
    for family in ("bernoulli_bandit", "gridworld"):
        runs = _runs(study, out, family, LEARNERS)
        if runs:
            parts[family] = partial(meta_test_runs, runs, exact=out / f"{family}.json")
    runs = _runs(study, out, "sparse_point_robot", tuple(_ON_TRIALS))
    if runs:
        parts["half_circle"] = partial(
            meta_test_runs,
            runs,
            num_episodes=TRIAL,
            exact=out / "half_circle.json",
            picture=out / "half_circle.png",
            walks=out / "half_circle_walks.png",
        )
    for family in _EXPLORED:
        runs = _runs(study, out, family, LEARNERS)
        if runs:
            parts[family] = partial(meta_test_runs, runs)
        taught = [run for run in runs if "noise" not in str(run)]
        if taught:
            parts[f"visits_{family}"] = partial(
                plot, tuple(taught), out=out / f"visits_{family}.png", visits=True
            )
    wanted = [
        run
        for family in ("point_robot", "sparse_point_robot", "shown_goal")
        for run in _runs(study, out, family, LEARNERS)
    ]
    if wanted or claw:
        parts["desiderata"] = partial(
            desiderata,
            (*wanted, *claw),
            level=(LEVEL,),
            num_tasks=study.scaled(40),
            out=out / "desiderata.jsonl",
        )
    return parts


def _runs(study: Study, out: Path, family: str, learners: Sequence[str]) -> tuple[Path, ...]:
    """Those of a family that were trained to an end, all seeds of a learner side by side."""
    directories = (
        out / "runs" / planned.recipe / str(seed)
        for planned, seed in product(study.plan, study.seeds)
        if planned.family == family and planned.learner in learners
    )
    return tuple(each for each in directories if (each / "eval.json").exists())


def _printed(part: Callable[[], object]) -> str:
    """What a part prints, on lines as wide as a page. Raises `WorkFailed` where it is refused."""
    text = io.StringIO()
    width = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "160"
    try:
        with contextlib.redirect_stdout(text):
            part()
    except BadInput as error:
        raise WorkFailed(str(error)) from error
    finally:
        os.environ.pop("COLUMNS")
        if width is not None:
            os.environ["COLUMNS"] = width
    return text.getvalue()


def _page(study: Study, out: Path, parts: Sequence[str], seconds: Mapping[str, float]) -> str:
    """Tables as they were printed, pictures, and what it all took."""
    lines = [
        "# Exploration, measured",
        "",
        f"Seeds {', '.join(map(str, study.seeds))}, scale {study.scale:g}. In simulation.",
    ]
    for part in parts:
        printed = (out / f"{part}.txt").read_text().rstrip()
        lines += ["", f"## {part.replace('_', ' ')}", "", "```", printed, "```"]
        pictures = [out / f"{part}{suffix}.png" for suffix in ("", "_walks")]
        lines += [f"\n![{each.stem}]({each.name})" for each in pictures if each.exists()]
    lines += ["", "## Wall clock", "", "| part | seconds |", "|---|--:|"]
    lines += [f"| {part} | {value:.0f} |" for part, value in seconds.items()]
    lines += [f"| all | {sum(seconds.values()):.0f} |", ""]
    return "\n".join(lines)
