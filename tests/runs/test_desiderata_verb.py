"""`taskbelief desiderata`: rows of runs, what is refused, what a gradient step cannot see."""

from __future__ import annotations

import dataclasses
import json

import pytest

from sim2real.contract.errors import BadInput
from tests.runs.conftest import recipe_of
from training.algorithms.learner import deployed_actor
from training.evaluation.desiderata import Mark
from training.families.outside import outside_tasks
from training.families.registry import FAMILIES
from training.families.shown_goal import most_by_returns
from training.recipes.registry import with_settings
from training.runs.desiderata import (
    Size,
    Trained,
    _expressiveness,
    _ratio_interval,
    adapting_on,
    desiderata,
)
from training.runs.efficiency import Efficiency
from training.runs.start import load_learner, start_run

FAMILIES_OF = {
    "pearl": ("point_robot", "sparse_point_robot", "shown_goal"),
    "maml": ("point_robot", "shown_goal"),
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Runs of a few seconds, by algorithm and family."""
    folder = tmp_path_factory.mktemp("desiderata")
    found = {}
    for algorithm, families in FAMILIES_OF.items():
        for family in families:
            recipe = dataclasses.replace(recipe_of(algorithm, num_iterations=1), family=family)
            directory = folder / family / algorithm
            start_run(recipe, name=algorithm, seed=0, directory=directory, is_quiet=True)
            found[algorithm, family] = directory
    return found


def rows_of(runs, tmp_path, **options):
    desiderata(tuple(runs), num_tasks=4, num_trials=1, out=tmp_path / "rows.jsonl", **options)
    lines = (tmp_path / "rows.jsonl").read_text().splitlines()
    return {(each["learner"], each["desideratum"]): each for each in map(json.loads, lines)}


def test_every_learner_has_a_row_for_everything(trained, tmp_path, capsys):
    rows = rows_of(trained.values(), tmp_path)

    assert len(rows) == 8
    measured = {key for key, each in rows.items() if each["mark"] != Mark.NOT_MEASURED}
    assert measured == rows.keys() - {("maml", "structured")}
    assert rows["maml", "structured"]["detail"] == {"why": "no run on sparse_point_robot"}
    for key in measured - {("pearl", "efficient"), ("maml", "efficient")}:
        assert rows[key]["low"] <= rows[key]["value"] <= rows[key]["high"], key
    shown = capsys.readouterr().out
    assert "desiderata on points" in shown
    assert "not measured" in shown


def test_lines_are_the_same_wherever_they_go(trained, tmp_path, capsys):
    runs = [trained["pearl", "sparse_point_robot"]]
    rows_of(runs, tmp_path, json=True)

    assert capsys.readouterr().out == (tmp_path / "rows.jsonl").read_text()


def test_more_data_is_more_inner_steps_where_there_are_any(trained):
    run = trained["maml", "point_robot"]
    own, more = load_learner(run), load_learner(run, change=adapting_on(4))

    tasks = outside_tasks(FAMILIES["point_robot"], seed=0, num_tasks=2)
    assert own.config.num_inner_steps == 1
    assert more.config.num_inner_steps == 4  # of one episode each
    actor = deployed_actor(more)(tasks)
    assert actor._num_exploring == 4
    for name, value in own.policy.state_dict().items():
        assert value.equal(more.policy.state_dict()[name])
    pearl = load_learner(trained["pearl", "point_robot"], change=adapting_on(16))
    assert pearl.config == load_learner(trained["pearl", "point_robot"]).config


def test_a_gradient_step_on_what_is_shown_stays_below_what_returns_tell(tmp_path):
    """Trained as its recipe says, but shorter: it learns to guess, and cannot learn to see."""
    recipe = with_settings("promp-shown-goal", ("num_iterations=5", "evaluation_interval=5"))
    start_run(recipe, name="promp", seed=0, directory=tmp_path / "promp", is_quiet=True)
    trained = Trained(name="promp", recipe=recipe, runs=(tmp_path / "promp",))
    met, detail = _expressiveness(trained, Size(num_tasks=100, num_trials=1, seed=0))

    assert detail["most_by_returns_alone"] == pytest.approx(most_by_returns(20))
    assert met.mean <= most_by_returns(20)


def test_a_recurrent_learner_reads_it(tmp_path):
    recipe = with_settings("rl2-shown-goal", ("num_iterations=60", "evaluation_interval=60"))
    start_run(recipe, name="rl2", seed=0, directory=tmp_path / "rl2", is_quiet=True)
    trained = Trained(name="rl2", recipe=recipe, runs=(tmp_path / "rl2",))
    met, _ = _expressiveness(trained, Size(num_tasks=100, num_trials=1, seed=0))

    assert met.low > most_by_returns(2)


@pytest.mark.parametrize(
    "level", ["", "point_robot", "point_robot=", "point_robot=nan", "no_family=1", "valve_turn=x"]
)
def test_levels_that_say_nothing_are_refused(level, trained):
    with pytest.raises(BadInput, match="--level"):
        desiderata((trained["pearl", "point_robot"],), level=(level,))


def test_two_recipes_of_one_learner_are_refused(trained, tmp_path):
    run = trained["pearl", "point_robot"]
    other = tmp_path / "other"
    start_run(
        recipe_of("pearl", num_iterations=1), name="other", seed=0, directory=other, is_quiet=True
    )
    with pytest.raises(BadInput, match="one recipe of an algorithm on a family"):
        desiderata((run, other))


def test_what_does_not_adapt_is_refused(tmp_path):
    start_run(
        recipe_of("sac", num_iterations=1),
        name="sac",
        seed=0,
        directory=tmp_path / "sac",
        is_quiet=True,
    )
    with pytest.raises(BadInput, match="a learner that adapts"):
        desiderata((tmp_path / "sac",))


def test_steps_to_a_level_are_a_range_over_seeds():
    found = Efficiency(
        recipe="a",
        num_runs=3,
        num_reached=2,
        steps=300.0,
        fewest=200,
        most=300,
        resolution=100,
        budget=900,
        final=0.0,
        trial_episodes=3,
        ratio=3.0,
    )
    assert tuple(_ratio_interval(found)) == (3.0, 2.0, 9.0)  # the third took more than its budget
    assert tuple(_ratio_interval(dataclasses.replace(found, num_reached=3))) == (3.0, 2.0, 3.0)
    assert _ratio_interval(dataclasses.replace(found, steps=None, ratio=None)) is None
