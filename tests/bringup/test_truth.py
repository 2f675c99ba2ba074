"""What is known of the tasks that a graph meets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sim2real.bringup.graph import Graph, NodeSpec
from sim2real.bringup.truth import Truth
from sim2real.contract.errors import BadInput
from sim2real.evaluation.plan_file import make_plan, write_plan
from sim2real.evaluation.protocol import TrialProtocol
from sim2real.evaluation.session import BenchTask, EpisodePlan
from sim2real.skills.goal import GoalSignal

PARAMETERS = {"valve_damping": (0.29,)}


def task(name: str) -> BenchTask:
    def plan(seed: int) -> EpisodePlan:
        return EpisodePlan(
            seed=seed,
            goal=GoalSignal.fixed([0.5]),
            joint_rad=np.zeros(9),
            valve_rad=0.0,
            noise=np.random.default_rng(seed),
        )

    return BenchTask(name=name, parameters=PARAMETERS, plan=plan)


def evaluated(robot: str, plan: Path) -> Graph:
    evaluator = NodeSpec(
        package="taskbelief_evaluation",
        executable="evaluate_node",
        name="evaluator",
        namespace="",
        parameters={"robot": robot, "plan": str(plan)},
        is_managed=False,
        is_main=True,
    )
    return Graph(nodes=(evaluator,), transitions=())


def test_an_emulated_hand_has_the_tasks_of_its_plan_and_a_real_one_has_its_own(tmp_path):
    write_plan(tmp_path / "plan.json", make_plan([task("test/3")], TrialProtocol(), "0" * 64))

    assert Truth(evaluated("emulated", tmp_path / "plan.json")).of("test/3") == PARAMETERS
    assert Truth(evaluated("emulated", tmp_path / "plan.json")).of("test/4") == {}
    assert Truth(evaluated("serial", tmp_path / "plan.json")).of("test/3") == {}
    with pytest.raises(BadInput, match=r"gone\.json"):
        Truth(evaluated("emulated", tmp_path / "gone.json"))


def test_without_a_plan_the_dynamics_that_serve_are_true_whatever_the_task_is_called():
    truth = Truth(Graph(nodes=(), transitions=()))
    assert truth.of("mine") == {}

    truth.dynamics = PARAMETERS

    assert truth.of("mine") == PARAMETERS
