"""What a meta-test needs to know of a policy, whoever trained it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from training.parts.actor import Actor
from training.tasks.task import Task


@dataclass(frozen=True, kw_only=True)
class Player:
    """A policy that can be played."""

    make_actor: Callable[[Sequence[Task]], Actor]
    """its behaviour in one world per task, with deterministic actions"""
    adapts: bool
    """whether evidence about a task changes its behaviour"""
    num_episodes: int
    """of a trial, unless somebody asks for others"""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Of the worlds in which a policy is played."""

    observation: int
    action: int
