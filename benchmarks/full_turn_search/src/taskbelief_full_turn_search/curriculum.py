"""RL² that begins with the nearest targets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from training.algorithms.learner import TrainingSetup
from training.algorithms.rl2 import Rl2, Rl2Config
from training.parts.checked import Share
from training.tasks.task import Task


@dataclass(frozen=True, kw_only=True)
class CurriculumConfig(Rl2Config):
    """Settings of RL² with a curriculum."""

    first_share: Share = 0.25
    """of the training tasks, by distance of the target: what it begins with"""
    until: Share = 0.5
    """share of the run after which all are drawn; they are added evenly until then"""


class Rl2Curriculum(Rl2):
    """RL² on tasks whose targets are far only later."""

    config_type = CurriculumConfig
    config: CurriculumConfig

    def __init__(self, config: CurriculumConfig, setup: TrainingSetup) -> None:
        super().__init__(config, setup)
        self._by_distance = sorted(self.tasks, key=_distance)

    def iterate(self, progress: float) -> Mapping[str, float]:
        """As RL², on the nearest of the tasks; says how many of them those are."""
        config = self.config
        grown = min(progress / config.until, 1.0)
        share = config.first_share + (1.0 - config.first_share) * grown
        tasks = self._by_distance[: max(round(share * len(self._by_distance)), 1)]
        self.collector = replace(self.collector, tasks=tasks)
        return {**super().iterate(progress), "curriculum_tasks": float(len(tasks))}


def _distance(task: Task) -> float:
    return abs(task.parameters["target_angle"][0])
