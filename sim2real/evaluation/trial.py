"""Trials of a controller on robots: episodes on one task without forgetting in between."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol

import numpy as np

from sim2real.hardware.robot import Robot
from sim2real.runtime.adaptation import Memory
from sim2real.runtime.controller import Controller, Goal, Joints, Tick
from sim2real.runtime.trace import Trace, TraceRing


class EpisodeStart(NamedTuple):
    """What a controller has to know when an episode begins."""

    goal: Goal
    target_rad: Joints
    """(J,) the targets that the servos hold"""


class Arena(Protocol):
    """One task, on a robot that is connected and active."""

    @property
    def name(self) -> str:
        """Of the task."""

    @property
    def robot(self) -> Robot: ...

    def begin_episode(self, seed: int) -> EpisodeStart:
        """Put hand and object where an episode starts; equal seeds, equal starts."""


class EpisodeResult(NamedTuple):
    """One episode of one trial."""

    total_reward: float
    """the sum over its steps"""
    is_success: bool
    """whether the skill's condition held at the end"""
    success_fraction: float
    """at which share of the steps it held"""


@dataclass(frozen=True, kw_only=True)
class TrialProtocol:
    """What an evaluation consists of."""

    num_episodes: int = 3
    """episodes of a trial; the last one is the adapted one"""
    num_trials: int = 1
    """trials per task, which differ in starting points and latents"""
    seed: int = 0
    """of starting points and latents, the same for all conditions"""

    def __post_init__(self) -> None:
        if self.num_episodes < 1 or self.num_trials < 1:
            raise ValueError("a protocol needs an episode and a trial")

    def episode_seeds(self) -> list[int]:
        """One seed per episode, and last that of the latents."""
        seeds = np.random.SeedSequence(self.seed).generate_state(self.num_episodes + 1)
        return [int(seed) for seed in seeds]

    def for_trial(self, trial: int) -> TrialProtocol:
        """The protocol of one of the trials on a task."""
        mixed = np.random.SeedSequence([self.seed, trial]).generate_state(1)
        return self if trial == 0 else replace(self, seed=int(mixed[0]))


@dataclass(kw_only=True)
class Ledger:
    """What happened beside the results, summed up over an evaluation."""

    latencies_s: list[float] = field(default_factory=list)
    """of every tick: reading in, command out"""
    evidence: Counter[str] = field(default_factory=Counter)
    """transitions accepted, and readings rejected by cause"""

    def note_evidence(self, controller: Controller) -> None:
        """Add what the gate of a trial counted."""
        self.evidence["accepted"] += controller.num_accepted
        for cause, count in controller.rejections.items():
            self.evidence[cause] += count


def run_episode(
    controller: Controller,
    arena: Arena,
    seed: int,
    ledger: Ledger,
    ring: TraceRing | None = None,
) -> EpisodeResult:
    """One episode of the length that the policy was trained for; its ticks go into the ring."""
    start = arena.begin_episode(seed)
    controller.begin_episode(goal=start.goal, target_rad=start.target_rad)
    outcomes: dict[int, Tick] = {}
    for _ in range(controller.bundle.manifest.episode_length):
        reading = arena.robot.read()
        began_ns = time.perf_counter_ns()
        command = controller.step(reading)
        ended_ns = time.perf_counter_ns()
        ledger.latencies_s.append((ended_ns - began_ns) * 1e-9)
        tick = controller.latest
        _note(outcomes, tick)
        if ring is not None and tick is not None:
            ring.append(tick, controller.belief, started_ns=began_ns, finished_ns=ended_ns)
        arena.robot.write(command)
    last = controller.end_episode(arena.robot.read())
    _note(outcomes, last)
    if ring is not None and last is not None:
        ring.append(last, controller.belief)
    rewards = [tick.reward for tick in outcomes.values()]
    successes = [tick.is_success for tick in outcomes.values()]
    return EpisodeResult(sum(rewards), successes[-1], sum(successes) / len(successes))


def _note(outcomes: dict[int, Tick], tick: Tick | None) -> None:
    """The first tick of an episode is where it starts from: no action led there."""
    if tick is not None and tick.number > 0:
        outcomes[tick.number] = tick


@dataclass(frozen=True, kw_only=True, eq=False)
class Trial:
    """A whole trial on one task."""

    episodes: tuple[EpisodeResult, ...]
    memory: Memory
    """what was known before the last episode: another task's trial can be given it"""
    trace: Trace
    """every tick of every episode, the readings that ended them included"""


def run_trial(
    controller: Controller, arena: Arena, protocol: TrialProtocol, ledger: Ledger
) -> Trial:
    """Start from the prior and adapt from episode to episode."""
    *seeds, latent_seed = protocol.episode_seeds()
    controller.is_frozen = False
    controller.begin_trial(seed=latent_seed)
    memory, episodes = controller.memory, []
    ring = _ring_for(controller, protocol)
    for seed in seeds:
        memory = controller.memory
        episodes.append(run_episode(controller, arena, seed, ledger, ring))
    ledger.note_evidence(controller)
    return Trial(episodes=tuple(episodes), memory=memory, trace=ring.trace())


def _ring_for(controller: Controller, protocol: TrialProtocol) -> TraceRing:
    bundle = controller.bundle
    readings = protocol.num_episodes * (bundle.manifest.episode_length + 1)
    return TraceRing(bundle.manifest, capacity=readings, bundle_digest=bundle.digest)


def run_frozen_prior(
    controller: Controller, arena: Arena, protocol: TrialProtocol, ledger: Ledger
) -> EpisodeResult:
    """The last episode of a trial in which no evidence ever arrived."""
    *seeds, latent_seed = protocol.episode_seeds()
    controller.begin_trial(seed=latent_seed)
    return _run_frozen(controller, arena, seeds[-1], ledger)


def run_wrong_task(
    controller: Controller,
    arena: Arena,
    memory: Memory,
    protocol: TrialProtocol,
    ledger: Ledger,
) -> EpisodeResult:
    """The last episode of a trial, on what was learnt about another task; nothing more arrives."""
    *seeds, latent_seed = protocol.episode_seeds()
    controller.begin_trial(seed=latent_seed, first_episode=protocol.num_episodes - 1)
    controller.memory = memory
    return _run_frozen(controller, arena, seeds[-1], ledger)


def _run_frozen(controller: Controller, arena: Arena, seed: int, ledger: Ledger) -> EpisodeResult:
    controller.is_frozen = True
    try:
        return run_episode(controller, arena, seed, ledger)
    finally:
        controller.is_frozen = False
