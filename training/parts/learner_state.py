"""What every learner keeps between two iterations, saved and restored in one place."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from training.parts.curriculum import Curriculum
from training.parts.loss_log import LossLog
from training.parts.replay import Replay
from training.parts.running_stats import RunningStats
from training.parts.schedule import set_learning_rate

_NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A learner between two iterations: all that decides what it does next."""

    tensors: dict[str, Any]
    """weights, optimisers and random generators: nested dictionaries of tensors and numbers"""
    counters: dict[str, Any]
    """plain JSON: counts, statistics, the state of numpy's generator"""
    replays: Mapping[str, Replay] = field(default_factory=dict)
    """saved block by block; blocks that did not change are not written again"""


class LearnerState:
    """Networks, optimisers, random numbers, statistics, replays and counts of a learner.

    A learner hands over what it builds (`keep`) and works on the same objects. What is not in here
    is lost when a run stops.
    """

    def __init__(
        self,
        *,
        seed: Sequence[int],
        device: torch.device,
        statistics: RunningStats,
        curriculum: Curriculum,
    ):
        """`seed` starts every random number of the learner; give each algorithm its own."""
        self.rng = np.random.default_rng(seed)
        """for tasks, worlds and orders"""
        self.generator = torch.Generator(device).manual_seed(int(self.rng.integers(2**62)))
        """for actions, latents and minibatches"""
        self.initial = torch.Generator().manual_seed(int(self.rng.integers(2**62)))
        """for the weights that learning begins with; on the host, and not used afterwards"""
        self.device, self.statistics = device, statistics
        self.curriculum = curriculum
        """how easy its worlds are; not saved, for the run says how far it is"""
        self.modules: dict[str, nn.Module] = {}
        self.numbers: dict[str, Tensor] = {}
        """learnt numbers that are no part of a module"""
        self.optimizers: dict[str, torch.optim.Optimizer] = {}
        self.replays: dict[str, Replay] = {}
        self.num_environment_steps = 0
        """control steps of all worlds so far, an initial pool included"""
        self.num_gradient_steps = 0
        """optimiser steps so far"""

    def keep(
        self,
        *,
        modules: Mapping[str, nn.Module] = _NOTHING,
        numbers: Mapping[str, Tensor] = _NOTHING,
        optimizers: Mapping[str, torch.optim.Optimizer] = _NOTHING,
        replays: Mapping[str, Replay] = _NOTHING,
    ) -> None:
        """Save and restore these too, under their names."""
        self.modules |= modules
        self.numbers |= numbers
        self.optimizers |= optimizers
        self.replays |= replays

    def set_learning_rates(self, first: float, last: float | None, progress: float) -> None:
        """Of all optimisers: on the line from `first` to `last`; none: they stay at `first`."""
        for optimizer in self.optimizers.values():
            set_learning_rate(optimizer, first, last, progress)

    def counted(
        self,
        losses: Iterable[Mapping[str, Tensor]],
        *,
        num_steps: int,
        max_critic_value: float = math.inf,
    ) -> dict[str, float]:
        """Run `num_steps` gradient steps, each an element of `losses`; the means of their losses.

        Raises `TrainingFailed`, naming step and loss, where one is not finite or critics diverge.
        """
        log = LossLog(num_steps, self.device, max_critic_value=max_critic_value)
        for each in losses:
            log.record(each)
        first_step = self.num_gradient_steps
        self.num_gradient_steps += num_steps
        return log.means(first_step)

    def snapshot(self) -> Snapshot:
        """Everything needed to go on bit for bit."""
        return Snapshot(
            tensors={
                **{name: module.state_dict() for name, module in self.modules.items()},
                **{name: number.detach() for name, number in self.numbers.items()},
                **{name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
                "generator": self.generator.get_state(),
            },
            counters={
                "num_environment_steps": self.num_environment_steps,
                "num_gradient_steps": self.num_gradient_steps,
                "statistics": self.statistics.snapshot(),
                "rng": self.rng.bit_generator.state,
            },
            replays=self.replays,
        )

    def restore(self, tensors: Mapping[str, Any], counters: Mapping[str, Any]) -> None:
        """Take over a snapshot; its replays have been filled already."""
        for name, module in self.modules.items():
            module.load_state_dict(tensors[name])
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(tensors[name])
        with torch.no_grad():
            for name, number in self.numbers.items():
                number.copy_(tensors[name])
        self.generator.set_state(tensors["generator"])
        self.num_environment_steps = counters["num_environment_steps"]
        self.num_gradient_steps = counters["num_gradient_steps"]
        self.statistics.restore(counters["statistics"])
        self.rng.bit_generator.state = counters["rng"]
