"""Every algorithm by name: its settings and its training loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from training.algorithms import pearl, rl2, sac


@dataclass(frozen=True, kw_only=True)
class Algorithm:
    """How an algorithm is configured, built and trained."""

    config_type: type
    """its settings"""
    learner_type: Callable[..., Any]
    """`(config, family, task_set, *, seed, device)` to a `Learner`"""
    train: Callable[..., Any]
    """`(config, family, task_set, run, *, device)`: the training loop"""


ALGORITHMS: dict[str, Algorithm] = {
    "pearl": Algorithm(config_type=pearl.PearlConfig, learner_type=pearl.Pearl, train=pearl.train),
    "rl2": Algorithm(config_type=rl2.Rl2Config, learner_type=rl2.Rl2, train=rl2.train),
    "sac": Algorithm(config_type=sac.SacConfig, learner_type=sac.Sac, train=sac.train),
}
