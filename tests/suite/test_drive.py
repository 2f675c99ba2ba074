"""How trainings are driven to their ends, and a training on its clock."""

from __future__ import annotations

import io
import json
import subprocess
from pathlib import Path

import pytest
from rich.console import Console

from training.engines.drive import NUM_LOSSES, Standing, drive
from training.engines.engine import LOST
from training.engines.training import (
    BAD_INPUT,
    DONE,
    FAILED,
    SPENT,
    Session,
    Training,
    beside,
    sessions,
)
from training.suite.screen import Remaining, Screen
from training.suite.suite import suite_of


class Pretended:
    """An engine whose jobs end at once, with the codes that are told for a seed."""

    def __init__(self, codes, width=2):
        self.codes, self.width = codes, width
        self.running, self.most, self.is_closed, self.interrupted = 0, 0, False, []

    def submit(self, training):
        self.running += 1
        self.most = max(self.most, self.running)
        return PretendedJob(self, training.seed)

    def close(self):
        self.is_closed = True


class PretendedJob:
    def __init__(self, engine, seed):
        self.engine, self.seed = engine, seed

    def ended(self):
        if self.seed in self.engine.interrupted:
            return 130
        code = self.engine.codes[self.seed]
        code = code.pop(0) if isinstance(code, list) else code
        self.engine.running -= code is not None
        return code

    def interrupt(self):
        self.engine.interrupted.append(self.seed)


def trainings(folder, *seeds):
    return [
        Training(recipe="rl2-gridworld", seed=seed, directory=folder / str(seed)) for seed in seeds
    ]


def test_all_are_driven_to_their_ends_and_no_more_at_a_time_than_there_is_room(tmp_path):
    engine = Pretended({0: DONE, 1: BAD_INPUT, 2: DONE, 3: SPENT})
    ended = drive(engine, trainings(tmp_path, 0, 1, 2, 3))

    assert {each.seed: code for each, code in ended.items()} == engine.codes
    assert (engine.most, engine.is_closed) == (2, True)


def test_what_is_lost_is_handed_over_again_but_not_for_ever(tmp_path):
    engine = Pretended({0: [LOST, LOST, DONE], 1: [LOST] * NUM_LOSSES})
    ended = drive(engine, trainings(tmp_path, 0, 1))

    assert [ended[each] for each in trainings(tmp_path, 0, 1)] == [DONE, FAILED]


def test_whoever_interrupts_stops_all_that_run(tmp_path):
    engine = Pretended({0: None, 1: None, 2: None})

    def interrupt(standing):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        drive(engine, trainings(tmp_path, 0, 1, 2), interrupt)
    assert (engine.interrupted, engine.is_closed) == ([0, 1], True)


# ---- the clock -----------------------------------------------------------------------------------


def train(training):
    return subprocess.run(training.command(), capture_output=True, check=False).returncode


@pytest.mark.slow
def test_a_training_out_of_core_minutes_saves_and_goes_on_when_it_has_more(tmp_path):
    run = tmp_path / "run"
    settings = ("num_train_tasks=20", "num_test_tasks=2", "num_iterations=100000")
    plan = {"recipe": "reinforce-point-robot", "seed": 0, "directory": run, "settings": settings}

    assert train(Training(**plan, core_minutes=0.08)) == SPENT
    (first,) = sessions(run)
    assert first.exit_code == SPENT
    assert 4.8 <= first.core_seconds < 12.0
    assert list((run / "checkpoints").iterdir())
    assert train(Training(**plan, core_minutes=0.08)) == SPENT
    assert sessions(run) == [first], "it was not begun again"


def test_half_a_line_of_the_clock_is_left_out(tmp_path):
    run = tmp_path / "run"
    whole = json.dumps(Session(2.0, 1.0, DONE)._asdict())
    beside(run, ".clock.jsonl").write_text(f'{whole}\n{{"seconds": 3')

    assert sessions(run) == [Session(2.0, 1.0, DONE)]


# ---- the screen ----------------------------------------------------------------------------------


def test_what_is_left_is_estimated_from_what_others_took(tmp_path):
    first, second, third = trainings(tmp_path, 0, 1, 2)
    remaining = Remaining(1)

    assert (
        remaining.seconds(Standing(waiting=[second, third], running={first: None}), {first: 0.0}, 0)
        is None
    )
    ended = Standing(waiting=[third], running={second: None}, ended={first: DONE})
    assert remaining.seconds(ended, {second: 0.5}, 10.0) == pytest.approx(10.0 * 1.5)
    assert Remaining(2).seconds(ended, {second: 0.0}, 0.0) is None


def test_a_pipe_gets_a_line_for_each_that_ended(tmp_path):
    out = io.StringIO()
    (cell, *_) = suite_of("smoke").cells
    training = Training(recipe=cell.entry.recipe, seed=0, directory=Path("nowhere"))
    failing = Training(recipe=cell.entry.recipe, seed=1, directory=Path("nowhere"))
    cells = {training: cell, failing: cell}

    with Screen(Console(file=out, width=80), cells, width=2, num_before=3) as screen:
        screen.watch(Standing(waiting=[], ended={training: DONE}))
        screen.watch(Standing(waiting=[], ended={training: DONE, failing: FAILED}))

    lines = out.getvalue().splitlines()
    assert lines == [
        "4 of 5  psrl-gridworld 0: done",
        "5 of 5  psrl-gridworld 1: failed: nowhere.log",
    ]


def test_a_terminal_shows_all_runs_on_one_screen(tmp_path):
    out = io.StringIO()
    suite = suite_of("smoke")
    cells = {
        Training(recipe=cell.entry.recipe, seed=cell.seed, directory=tmp_path / str(n)): cell
        for n, cell in enumerate(suite.cells)
    }
    console = Console(file=out, force_terminal=True, width=100, height=8, color_system=None)

    with Screen(console, cells, width=2, num_before=0) as screen:
        screen.watch(Standing(waiting=[], running=dict.fromkeys(cells)))

    shown = out.getvalue()
    assert "0 done, 10 running, 0 waiting" in shown
    assert "psrl-gridworld 0" in shown and "oracle-point-robot 1" not in shown, "as many as fit"
