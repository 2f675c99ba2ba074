"""What every algorithm hands to the run, to the evaluation and to the exporter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from torch import nn

from sim2real.contract.context import ContextLayout
from sim2real.contract.normalizer import FrozenNormalizer
from training.evaluation.adapter import Adapter
from training.parts.replay import TaskReplay
from training.tasks.task import Task


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A learner between two iterations: all that decides what it does next."""

    tensors: dict[str, Any]
    """weights, optimisers and random generators: nested dictionaries of tensors and numbers"""
    counters: dict[str, Any]
    """plain JSON: counts, statistics, the state of numpy's generator"""
    replays: dict[str, TaskReplay] = field(default_factory=dict)
    """saved block by block; blocks that did not change are not written again"""


@dataclass(frozen=True, kw_only=True)
class ExportParts:
    """The networks of a learner and the sizes that an exporter needs to trace them."""

    adaptation: Literal["none", "gaussian_belief", "recurrent_belief"]
    modules: Mapping[str, nn.Module]
    """`policy`, and `encoder` or `recurrent` by kind of adaptation: see `training.parts.deployed`.
    They take observations and context rows as measured, with the normaliser inside; they lie on
    the host, and later training does not change them"""
    normalizer: FrozenNormalizer
    """the statistics inside the modules"""
    observation_size: int
    action_size: int
    context_layout: ContextLayout | None = None
    latent_size: int = 0
    hidden_size: int = 0
    task_vector_size: int = 0
    """elements of the true task that the oracle's policy gets as its second input"""
    num_exploration_episodes: int = 0
    """episodes of a trial that act on a draw from the prior"""


class Learner(Protocol):
    """An algorithm's state: it can stop, go on, be evaluated and be exported."""

    num_environment_steps: int
    """control steps of all worlds so far, the initial pool included"""
    num_gradient_steps: int
    """optimiser steps so far"""

    def snapshot(self) -> Snapshot:
        """Everything needed to go on bit for bit."""

    def restore(self, tensors: Mapping[str, Any], counters: Mapping[str, Any]) -> None:
        """Take over a snapshot; its replays have been filled already."""

    def make_adapter(self, tasks: Sequence[Task]) -> Adapter:
        """Its deterministic, adapting behaviour in one world per task."""

    def export_parts(self) -> ExportParts:
        """What a bundle is made of."""
