"""What a recipe is: an algorithm, a family, settings, and how many tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What is trained on what, and how."""

    algorithm: str
    """a key of `training.algorithms.registry.ALGORITHMS`"""
    family: str
    """a key of `training.families.registry.FAMILIES`"""
    config: Any
    """the algorithm's config"""
    num_train_tasks: int = 80
    """tasks that are learnt from"""
    num_test_tasks: int = 20
    """held-out tasks that are reported"""
    task_seed: int = 0
    """of the task set; the same for every algorithm and every training seed"""
    num_evaluation_trials: int = 4
    """trials per held-out task in an evaluation"""
