"""Behaviour that does not change: robust baselines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim2real.runtime.kinds.kind import (
    Belief,
    Kind,
    Memory,
    PolicyInputs,
    Role,
    Signature,
    Sizes,
    Words,
    memory_count,
    policy_signature,
    require_exploration,
)
from sim2real.runtime.noise import Noise
from sim2real.runtime.onnx_model import OnnxModel


@dataclass(frozen=True, kw_only=True)
class NoAdaptationSettings:
    """Settings of a policy that takes in nothing."""

    num_exploration_episodes: int = 0
    """first episodes of a trial, which act with noise where the policy takes it"""
    takes_action_noise: bool = False
    """whether the policy has an input for noise on its actions"""

    def __post_init__(self) -> None:
        require_exploration(self)


class NoAdaptation:
    """Counts what it might have learnt from."""

    def __init__(self, settings: NoAdaptationSettings, graphs: Mapping[Role, OnnxModel]) -> None:
        self._num_transitions = 0
        self._nothing = np.zeros(0, np.float32)

    def reset(
        self, rng: np.random.Generator, noise: Noise, *, ticks_before: Sequence[int] = ()
    ) -> None:
        self._num_transitions = 0

    def begin_episode(self, episode: int) -> None:
        pass

    def observe(self, context_row: NDArray[np.float32]) -> None:
        self._num_transitions += 1

    def fill(self, policy_inputs: PolicyInputs, episode: int, tick: int) -> NDArray[np.float32]:
        return self._nothing

    def end_episode(self) -> None:
        pass

    def summary(self) -> Belief:
        return Belief(
            mean=self._nothing,
            variance=self._nothing,
            num_transitions=self._num_transitions,
            kl_from_prior=0.0,
        )

    @property
    def memory(self) -> Memory:
        return {"num_transitions": np.array([self._num_transitions], np.float64)}

    @memory.setter
    def memory(self, memory: Memory) -> None:
        self._num_transitions = memory_count(memory)


def _signatures(settings: NoAdaptationSettings, sizes: Sizes) -> Mapping[Role, Signature]:
    return {"policy": policy_signature(settings, sizes)}


KIND = Kind(
    name="none",
    settings_type=NoAdaptationSettings,
    needs_context=False,
    signatures=_signatures,
    make=NoAdaptation,
    deterministic=lambda settings: settings,
    words=lambda _: Words("nothing: behaviour does not change", "It does not adapt: a baseline."),
    belief_of=lambda _: None,
    examples=(
        NoAdaptationSettings(),
        NoAdaptationSettings(num_exploration_episodes=1, takes_action_noise=True),
    ),
)
