"""What every registered family must hold: its draws, its ranges, its task sets."""

import json

import numpy as np
import pytest

from sim2real.contract.errors import BadInput
from training.families.registry import FAMILIES
from training.tasks.task import task_vector
from training.tasks.task_set import draw_task_set, load_task_set

pytestmark = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES.keys())


def draw(family, seed=0):
    return draw_task_set(family, seed=seed, num_train=6, num_test=4)


def test_the_registry_knows_it_by_its_own_name(family):
    assert FAMILIES[family.name] is family


def test_draws_have_the_declared_parameters_within_their_ranges(family):
    task_set = draw(family)
    for task in (*task_set.train, *task_set.test):
        assert list(task.parameters) == [p.name for p in family.parameters]
        for parameter in family.parameters:
            value = np.array(task.parameters[parameter.name])
            assert value.shape == (parameter.size,)
            assert (value >= np.array(parameter.low) - 1e-12).all()
            assert (value <= np.array(parameter.high) + 1e-12).all()


def test_draws_span_their_ranges(family):
    """No element is frozen, and none keeps to a corner of its range."""
    num_tasks = family.num_distinct_tasks or 200
    vectors = np.array(
        [
            task_vector(family, task)
            for task in draw_task_set(family, seed=1, num_train=num_tasks, num_test=0).train
        ]
    )
    assert (np.ptp(vectors, axis=0) > 1.5).all()
    assert (np.abs(vectors) <= 1.0 + 1e-6).all()


def test_the_same_seed_draws_the_same_task_set(family):
    assert draw(family).sha256 == draw(family).sha256
    assert draw(family) == draw(family)
    assert draw(family, seed=1).sha256 != draw(family).sha256


def test_train_and_test_tasks_are_disjoint(family):
    task_set = draw(family)
    train = [dict(task.parameters) for task in task_set.train]
    test = [dict(task.parameters) for task in task_set.test]
    if family.num_distinct_tasks is not None:
        assert train == test
        assert len(train) == family.num_distinct_tasks
        return
    assert (len(train), len(test)) == (6, 4)
    assert not any(task in train for task in test)


def test_a_task_set_survives_saving(family, tmp_path):
    task_set = draw(family)
    path = tmp_path / "sets" / "tasks.json"
    task_set.save(path)
    assert load_task_set(path) == task_set
    assert [p.name for p in path.parent.iterdir()] == ["tasks.json"]


def test_an_edited_task_set_is_refused(family, tmp_path):
    path = tmp_path / "tasks.json"
    draw(family).save(path)
    document = json.loads(path.read_text())
    name = family.parameters[0].name
    document["test"][0][name][0] += 0.001
    path.write_text(json.dumps(document))
    with pytest.raises(BadInput, match=r"tasks\.json: sha256: found"):
        load_task_set(path)
