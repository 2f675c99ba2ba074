"""What every algorithm is to the run, to the evaluation and to the exporter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, Protocol

import torch
from torch import nn

from sim2real.contract.context import ContextLayout
from sim2real.contract.normalizer import FrozenNormalizer
from sim2real.runtime.kinds.kind import Settings
from training.parts.actor import Actor
from training.parts.curriculum import Curriculum
from training.parts.deployed import on_robot
from training.parts.learner_state import LearnerState
from training.parts.running_stats import RunningStats
from training.tasks.task import Task, TaskFamily
from training.tasks.task_set import TaskSet
from training.worlds.vector_world import VectorWorld


@dataclass(frozen=True, kw_only=True)
class Deployed:
    """What of a learner acts on a robot: the networks, and how they work together there."""

    settings: Settings
    """how behaviour changes with context; their type says which kind of adaptation it is"""
    modules: Mapping[str, nn.Module]
    """by role, those that the kind's signatures name: see `training.parts.deployed`. They take
    observations and context rows as measured, with the normaliser inside; they lie on the host, and
    later training does not change them"""
    normalizer: FrozenNormalizer
    """the statistics inside the modules"""
    observation_size: int
    action_size: int
    context_layout: ContextLayout | None = None
    """None where nothing adapts"""
    taught: str = ""
    """what some of it was taught that simulation knows and a robot does not: a sentence; empty:
    nothing"""

    @classmethod
    def of(
        cls,
        settings: Settings,
        statistics: RunningStats,
        worlds: VectorWorld,
        context_layout: ContextLayout | None = None,
        **networks: nn.Module,
    ) -> Deployed:
        """As copies of networks by role, each with the statistics as they are now inside it."""
        normalizer = statistics.frozen()
        return cls(
            settings=settings,
            modules={
                role: on_robot(role, normalizer, context_layout, network)
                for role, network in networks.items()
            },
            normalizer=normalizer,
            observation_size=worlds.observation_size,
            action_size=worlds.action_size,
            context_layout=context_layout,
        )


@dataclass(frozen=True, kw_only=True)
class TrainingSetup:
    """What a learner is given beside its own settings: on what, from which seed, and where."""

    family: TaskFamily
    task_set: TaskSet
    seed: int
    device: torch.device
    num_trial_episodes: int = 3
    """episodes of a trial, in the evaluation and wherever a learner collects whole trials"""
    num_world_threads: int = 1
    """threads that step the worlds; results do not depend on it"""
    curriculum: Curriculum = field(default_factory=Curriculum)
    """how easy the worlds are that it learns in; the run moves it on"""

    @property
    def tasks(self) -> tuple[Task, ...]:
        """Those that are learnt from."""
        return self.task_set.train

    def learner_state(self, statistics: RunningStats, *, stream: int) -> LearnerState:
        """What a learner begins with; `stream` keeps the algorithms' random numbers apart."""
        return LearnerState(
            seed=[self.seed, stream],
            device=self.device,
            statistics=statistics,
            curriculum=self.curriculum,
        )

    def make_worlds(self, num_worlds: int, *, sees_frames: bool = False) -> VectorWorld:
        """Worlds to learn in.

        Raises `ValueError` for worlds with a camera where the learner has no eye: a frame is no row
        of measurements.
        """
        worlds: VectorWorld = self.family.make_world(num_worlds, num_threads=self.num_world_threads)
        if worlds.frame_shape is not None and not sees_frames:
            worlds.close()
            raise ValueError(f"{self.family.name}: it has to be seen, and this learner has no eye")
        self.curriculum.take(worlds, self.family.name)
        return worlds


class Learner(Protocol):
    """An algorithm at work: it iterates, and makes what acts and what is deployed.

    Built as `learner_type(config, setup)`. It knows nothing of runs and their files: what it keeps
    between two iterations is in `state`, which a run saves and restores.
    """

    config_type: ClassVar[type[Any]]
    """its settings"""
    adapts: ClassVar[bool]
    """whether evidence about a task changes its behaviour"""

    @property
    def state(self) -> LearnerState:
        """All that decides what the next iteration does."""

    @property
    def is_told_task(self) -> bool:
        """Whether its policy is shown the true task (an oracle)."""

    @property
    def why_not_deployable(self) -> str:
        """What keeps it from a robot; empty where nothing does."""

    def iterate(self, progress: float) -> Mapping[str, float]:
        """Collect and improve once; `progress` in [0, 1) is the share of the run that is done.

        Returns what a curve shows. Raises `TrainingFailed` where the numbers go wrong.
        """

    def make_actor(self, tasks: Sequence[Task], *, is_deterministic: bool) -> Actor:
        """Its adapting behaviour in one world per task.

        Deterministic as a meta-test and a robot run it; otherwise as it explores.
        """

    def deployed(self) -> Deployed:
        """What a bundle is made of. Only where nothing keeps it from a robot."""


def deployed_actor(learner: Learner) -> Callable[[Sequence[Task]], Actor]:
    """Makes what a meta-test runs: the learner's behaviour as it would be deployed."""
    return partial(learner.make_actor, is_deterministic=True)
