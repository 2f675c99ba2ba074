"""Tasks on a bench are the tasks of training; written to a file they stay what they are."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sim2real.cli import main
from sim2real.contract.errors import BadInput
from sim2real.evaluation.plan_file import make_plan, read_plan, write_plan
from sim2real.evaluation.protocol import TrialProtocol
from training.benches.bench_tasks import bench_task, held_out, one_task
from training.families.registry import FAMILIES, claw_family
from training.tasks.task_set import draw_task_set
from training.worlds.mujoco_world import MujocoWorld

FAMILY_NAMES = ("valve_turn", "valve_turn_dynamics", "valve_screw_full", "pose_dynamics")


@pytest.fixture(params=FAMILY_NAMES)
def family(request):
    return FAMILIES[request.param]


def tasks_of(family, num_test: int = 3):
    return draw_task_set(family, seed=2, num_train=1, num_test=num_test).test


def test_episodes_start_and_ask_as_in_training(family):
    tasks, seed = tasks_of(family), 17
    world = MujocoWorld(family.scene, len(tasks))
    world.reset(tasks, seed)
    moment = world._moment(np.arange(len(tasks)))
    carried, qpos = moment.carried, moment.qpos
    joints = [
        family.scene.mj_model.joint(name).qposadr[0] for name in family.scene.spec.joint_names
    ]
    valve = family.scene.mj_model.joint("valve").qposadr[0]

    for row, task in enumerate(tasks):
        plan = bench_task(family.scene, task, row).plan(seed)
        np.testing.assert_array_equal(plan.joint_rad, qpos[row, joints])
        np.testing.assert_array_equal(plan.joint_rad, carried["target"][row])
        assert plan.valve_rad == qpos[row, valve]
        for elapsed_s in (0.0, 0.7, 2.1):
            asked = family.scene.goal.at(carried, np.full(len(tasks), elapsed_s))[row]
            np.testing.assert_allclose(plan.goal(elapsed_s), asked, rtol=1e-14)


def test_equal_seeds_give_equal_plans_and_others_do_not(family):
    task = bench_task(family.scene, tasks_of(family)[0], row=0)

    first, again, other = task.plan(1), task.plan(1), task.plan(2)

    np.testing.assert_array_equal(first.joint_rad, again.joint_rad)
    assert first.noise.uniform() == again.noise.uniform()
    assert not np.array_equal(first.joint_rad, other.joint_rad)


def test_its_dynamics_are_in_the_model():
    family = FAMILIES["valve_turn"]
    (task, *_) = tasks_of(family)

    model = bench_task(family.scene, task, row=0).make_model()

    assert model.joint("valve").damping[0] == task.parameters["valve_damping"][0]
    assert family.scene.mj_model.joint("valve").damping[0] != model.joint("valve").damping[0]


def test_tasks_are_found_by_place_and_by_set(tmp_path):
    family = FAMILIES["valve_screw"]
    task_set = draw_task_set(family, seed=5, num_train=2, num_test=4)
    path = tmp_path / "tasks.json"
    task_set.save(path)

    tasks, sha256 = held_out(family, path, 3)
    ((alone,), same) = one_task(family, f"{path}:2")

    assert [task.name for task in tasks] == ["test/0", "test/1", "test/2"]
    assert sha256 == same == task_set.sha256
    assert alone.reference == tasks[2].reference == f"{path}:2"
    np.testing.assert_array_equal(alone.plan(3).joint_rad, tasks[2].plan(3).joint_rad)
    for other in (held_out, one_task):
        with pytest.raises(BadInput, match="valve_screw"):
            other(FAMILIES["valve_turn"], path if other is held_out else f"{path}:0")


def test_a_family_that_no_robot_meets_is_refused():
    with pytest.raises(BadInput, match="a family of a hand"):
        claw_family("point_robot", "run")


def test_a_plan_on_disk_is_the_plan(family, tmp_path):
    protocol = TrialProtocol(num_episodes=2, num_trials=2, seed=3)
    tasks = [bench_task(family.scene, task, row) for row, task in enumerate(tasks_of(family))]
    write_plan(tmp_path / "plan.json", make_plan(tasks, protocol, "0" * 64))

    plan = read_plan(tmp_path / "plan.json")

    assert plan.protocol == protocol
    for task, again in zip(tasks, plan.bench_tasks(), strict=True):
        assert (again.name, again.parameters) == (task.name, task.parameters)
        for trial in range(2):
            for seed in protocol.for_trial(trial).episode_seeds():
                wanted, found = task.plan(seed), again.plan(seed)
                np.testing.assert_array_equal(found.joint_rad, wanted.joint_rad)
                np.testing.assert_array_equal(found.goal(1.3), wanted.goal(1.3))
                assert (found.valve_rad, found.seed) == (wanted.valve_rad, seed)


def test_the_verb_writes_a_plan_and_other_files_are_none(exported_bundles, tmp_path, capsys):
    out = tmp_path / "plan.json"

    assert main(["plan", str(exported_bundles()), str(out)]) == 0

    assert "2 tasks of valve_turn" in capsys.readouterr().out
    plan = read_plan(out)
    assert [task.reference.rpartition(":")[2] for task in plan.tasks] == ["0", "1"]
    document = json.loads(out.read_text())
    for damaged in ({**document, "schema_version": 9}, {**document, "more": 1}, []):
        out.write_text(json.dumps(damaged))
        with pytest.raises(BadInput):
            read_plan(out)
    with pytest.raises(BadInput, match="nothing"):
        read_plan(tmp_path / "nowhere.json")
