"""The algorithm that CONTRIBUTING.md adds by way of example is one: it passes what all pass."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.algorithms import test_every_algorithm
from tests.algorithms.conftest import CountingFamily
from training.algorithms.registry import ALGORITHMS
from training.tasks.task import TaskFamily

PAGE = Path(__file__).parents[2] / "CONTRIBUTING.md"
IMPORTS = """
from __future__ import annotations
from collections.abc import Sequence
from dataclasses import dataclass
import torch
from sim2real.runtime.kinds.none import NoAdaptationSettings
from training.algorithms.learner import Deployed, TrainingSetup
from training.algorithms.settings import ObservationSettings
from training.parts.actor import Actor
from training.parts.checked import Count, Positive, Sizes
from training.parts.networks import frozen_copy
from training.parts.policies import PolicyActor, TanhGaussianPolicy
from training.parts.trials import collect_trials
from training.tasks.task import Task
"""
CONFORMANCE = [
    test
    for name, test in vars(test_every_algorithm).items()
    if name.startswith("test_") and inspect.isfunction(test)
]


def example(monkeypatch: pytest.MonkeyPatch) -> type[Any]:
    """The page's class, in a module of its own: types of settings are looked up there."""
    [code] = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    module = ModuleType("training.algorithms.hill_climbing")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(IMPORTS + code, str(PAGE), "exec"), vars(module))
    learner_type: type[Any] = module.HillClimbing
    return learner_type


@pytest.mark.parametrize("test", CONFORMANCE, ids=lambda test: test.__name__)
def test_another_algorithm_needs_one_file_and_one_line(
    test: Any,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    counting: CountingFamily,
    point_robot: TaskFamily,
) -> None:
    monkeypatch.setitem(ALGORITHMS, "hill_climbing", example(monkeypatch))
    wanted = [name for name in inspect.signature(test).parameters if name != "algorithm"]
    test(algorithm="hill_climbing", **{name: request.getfixturevalue(name) for name in wanted})
