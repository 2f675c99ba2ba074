"""What is known of the tasks that a graph's hand meets: of an emulated one, and of no other."""

from __future__ import annotations

from pathlib import Path

from sim2real.bringup.graph import Graph
from sim2real.contract.quantity import Parameters
from sim2real.evaluation.plan_file import read_plan


class Truth:
    """The tasks of a plan by name; without one, the dynamics of the emulated hand that serves."""

    def __init__(self, graph: Graph) -> None:
        """Raises `BadInput` for a plan that cannot be read."""
        self.dynamics: Parameters = {}
        """of the emulated hand, as it says itself; the goal of an episode is nothing of it"""
        self._planned: dict[str, Parameters] = {}
        for node in graph.nodes:
            if "plan" in node.parameters and node.parameters["robot"] == "emulated":
                plan = read_plan(Path(str(node.parameters["plan"])))
                self._planned = {task.name: task.parameters for task in plan.tasks}

    def of(self, task: str) -> Parameters:
        """What is known of the task that episodes name so; empty where that is nothing."""
        return self._planned.get(task, self.dynamics)
