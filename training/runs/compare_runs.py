"""`taskbelief meta-test`: runs side by side on the same held-out tasks, by the one protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch
import tyro
from rich.console import Console

from sim2real.contract.errors import BadInput
from sim2real.contract.output_file import require_writable, write_json
from sim2real.contract.require import require_counts, require_seeds
from sim2real.evaluation.protocol import Condition, TrialProtocol
from training.algorithms.learner import deployed_actor
from training.evaluation.against_exact import against_exact, draw_episodes, exact_table
from training.evaluation.meta_test import (
    CSV_COLUMNS,
    MetaTestResult,
    conditions_with,
    meta_test,
    write_table,
)
from training.evaluation.tables import comparison_table
from training.evaluation.walks import (
    draw_walks,
    walk_of_learner,
    walks_of_references,
    write_walks,
)
from training.exact.levels import KNOWN, exact_returns
from training.families.registry import FAMILIES
from training.families.saved_tasks import saved_tasks
from training.peers.player import Player
from training.peers.registry import is_peer, peer_at
from training.runs.start import family_of, load_learner, read_run
from training.tasks.task import TaskFamily
from training.tasks.task_set import TaskSet


def meta_test_runs(
    runs: Annotated[tuple[Path, ...], tyro.conf.Positional],
    tasks: Path | None = None,
    num_trials: int = 4,
    num_episodes: int | None = None,
    seed: int = 0,
    out: Path | None = None,
    exact: Path | None = None,
    picture: Path | None = None,
    walks: Path | None = None,
) -> None:
    """Meta-test the latest checkpoints of RUNS on the same held-out tasks and show them together.

    Other people's policies may be among them: a folder of the PEARL authors' implementation, or a
    YAML file that says how an ONNX policy is used (docs/peers.md). Nobody knows which tasks they
    have met.

    Where a family has exact references, as `taskbelief exact` works them out, and all trials have
    the same number of episodes, they are shown beside the runs, with the regret of both.

    Args:
        runs: run directories of one family, and other people's policies.
        tasks: a task set as `taskbelief tasks` draws it; its held-out tasks are used. By default
            those that the runs hold out.
        num_trials: trials per task, with starting points and latents of their own.
        num_episodes: episodes of a trial, the last one being the adapted one; by default as many
            as each run's recipe has.
        seed: of starting points and latents.
        out: a CSV file for every single value; none is written by default.
        exact: a JSON file for returns and regret by episode, of runs and exact references.
        picture: a PNG of these.
        walks: a PNG of the first trial on the first held-out goal of the half circle, of every run
            beside an ideal posterior sampler and the best sweep; the positions beside it as CSV.
    """
    require_counts(num_trials=num_trials, num_episodes=num_episodes)
    require_seeds(seed=seed)
    table = None if walks is None else walks.with_suffix(".csv")
    paths = {"--out": out, "--exact": exact, "--picture": picture, "--walks": walks}
    for option, path in [*paths.items(), ("--walks", table)]:
        require_writable(path, option)
    own = tuple(run for run in runs if not is_peer(run))
    task_set = _common_tasks(own, tasks) if own else _tasks_of_peers(runs, tasks)
    family = family_of(read_run(own[0])[0]) if own else FAMILIES[task_set.family]
    torch.set_num_threads(1)  # small batches: more threads cost more than they bring
    peers = {run: peer_at(run, family) for run in runs if run not in own}
    lengths = {
        run: num_episodes or (peers[run].num_episodes if run in peers else _length(run))
        for run in runs
    }
    _require_exact(paths, family, set(lengths.values()))
    protocol = TrialProtocol(num_trials=num_trials, seed=seed)
    protocols = {run: replace(protocol, num_episodes=length) for run, length in lengths.items()}
    results = {
        str(run): _played(peers.get(run) or _own(run), family, task_set, protocols[run])
        for run in runs
    }
    if out is not None:
        lines = ((run, *line) for run, result in results.items() for line in result.lines())
        write_table(out, ("run", *CSV_COLUMNS), lines)
    summaries = {run: result.summary() for run, result in results.items()}
    where = f"{len(task_set.test)} held-out tasks of {family.name}, {num_trials} trials each"
    for metric in ("return", "success"):
        Console().print(comparison_table(f"{metric} on {where}", summaries, metric))
    if len(set(lengths.values())) == 1:
        _beside_exact(results, task_set, f"{where}, beside exact references", exact, picture)
    if walks is not None and table is not None:
        players = {run: peers.get(run) or _own(run) for run in runs}
        _walk(players, protocols, task_set, walks, table)


def _length(run: Path) -> int:
    """Episodes of a trial of a run of ours."""
    return read_run(run)[0].num_trial_episodes


def _own(run: Path) -> Player:
    """A run of ours as it would be deployed."""
    learner = load_learner(run)
    make_actor = deployed_actor(learner)
    return Player(make_actor=make_actor, adapts=learner.adapts, num_episodes=_length(run))


def _require_exact(paths: Mapping[str, Path | None], family: TaskFamily, lengths: set[int]) -> None:
    """Refuse to be asked for what a family has not. Raises `BadInput`."""
    asked = [option for option in ("--exact", "--picture", "--walks") if paths[option] is not None]
    known = ("sparse_point_robot",) if paths["--walks"] is not None else tuple(KNOWN)
    if asked and family.name not in known:
        expected = f"runs on {' or '.join(known)}"
        raise BadInput("command line", asked[-1], found=f"runs on {family.name}", expected=expected)
    if set(asked) - {"--walks"} and len(lengths) > 1:
        found = f"trials of {' and '.join(map(str, sorted(lengths)))} episodes"
        expected = "trials of one length: give --num-episodes"
        raise BadInput("command line", asked[0], found=found, expected=expected)


def _beside_exact(
    results: Mapping[str, MetaTestResult],
    task_set: TaskSet,
    title: str,
    out: Path | None,
    picture: Path | None,
) -> None:
    """Table, JSON and picture of runs and exact references, where the family has some."""
    num_episodes = next(iter(results.values())).num_episodes
    exact = exact_returns(task_set.family, task_set.test, num_episodes)
    if exact is None:
        return
    document = against_exact(results, exact)
    Console().print(exact_table(title, document))
    if out is not None:
        write_json(out, {"schema_version": 1, "family": task_set.family, **document})
    if picture is not None:
        draw_episodes(task_set.family, document, picture)


def _walk(
    players: Mapping[Path, Player],
    protocols: Mapping[Path, TrialProtocol],
    task_set: TaskSet,
    picture: Path,
    table: Path,
) -> None:
    """The first trial of every run, and of the references, on the first held-out goal.

    The references have as many episodes as the shortest trial.
    """
    task = task_set.test[0]
    walked = {
        str(run): walk_of_learner(players[run].make_actor, task, protocol)
        for run, protocol in protocols.items()
    }
    shortest = min(protocols.values(), key=lambda protocol: protocol.num_episodes)
    walked |= walks_of_references(task, shortest)
    write_walks(walked, table)
    draw_walks(walked, task, picture)


def _tasks_of_peers(runs: Sequence[Path], tasks: Path | None) -> TaskSet:
    """Those that were asked for: other people's policies hold out none that we know of."""
    if runs and tasks is None:
        expected = "a run of ours among them, or --tasks"
        raise BadInput("command line", "RUNS", found="only others' policies", expected=expected)
    if tasks is None:
        raise BadInput("command line", "RUNS", found="none", expected="a run directory or more")
    return saved_tasks(tasks)


def _common_tasks(runs: tuple[Path, ...], tasks: Path | None) -> TaskSet:
    """The task set asked for, or the one of all runs; met by none of them in training."""
    own = {run: read_run(run)[3] for run in runs}
    first = own[runs[0]]
    chosen = first if tasks is None else saved_tasks(tasks, family_of(read_run(runs[0])[0]))
    robots = {run: read_run(run)[0].robot for run in runs}
    for run, task_set in own.items():
        if robots[run] != robots[runs[0]]:
            found, expected = robots[run] or "the claw", robots[runs[0]] or "the claw"
            raise BadInput(str(run), "robot", found=found, expected=expected)
        if task_set.family != chosen.family:
            raise BadInput(str(run), "family", found=task_set.family, expected=chosen.family)
        if tasks is None and task_set.test != first.test:
            raise BadInput(
                str(run),
                "held-out tasks",
                found="others",
                expected=f"those of {runs[0]}",
                remedy="name one set for all with --tasks",
            )
        check_held_out(run, task_set, chosen)
    return chosen


def check_held_out(run: Path, trained: TaskSet, chosen: TaskSet) -> None:
    """Raise `BadInput` for a task of training: it says nothing about tasks that were never met."""
    if FAMILIES[chosen.family].num_distinct_tasks is not None:
        return  # the papers that defined such a family test on the tasks of training
    met = [task.parameters for task in trained.train]
    for task in chosen.test:
        if task.parameters in met:
            expected = "no task that the run was trained on"
            raise BadInput(str(run), "tasks", found=task.name, expected=expected)


def _played(
    player: Player, family: TaskFamily, task_set: TaskSet, protocol: TrialProtocol
) -> MetaTestResult:
    conditions = conditions_with(len(task_set.test)) if player.adapts else (Condition.ADAPTED,)
    return meta_test(player.make_actor, family, task_set.test, protocol, conditions=conditions)
