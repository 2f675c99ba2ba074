"""Latents are tested within an episode: one is held until what was paid speaks against it.

For policies that are conditioned on a latent, as PEARL's (Rakelly et al. 2019): where a posterior
sampler holds one latent for an episode, this goes on to the survivor that promises most from here.
Nothing is drawn. See `sim2real.contract.hypotheses`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim2real.contract.errors import BadInput
from sim2real.contract.hypotheses import Hypotheses, most_promising
from sim2real.runtime.kinds.kind import (
    MAX_SHOWN,
    Belief,
    Kind,
    Memory,
    PolicyInputs,
    Role,
    Signature,
    Sizes,
    Words,
    memory_array,
    memory_count,
    policy_signature,
    require_exploration,
    require_size,
    row,
)
from sim2real.runtime.noise import Noise
from sim2real.runtime.onnx_model import OnnxModel


@dataclass(frozen=True, kw_only=True)
class LatentSearchSettings:
    """Settings of a policy whose latent is searched for among some that are known."""

    latent_size: int
    """L"""
    latents: tuple[tuple[float, ...], ...]
    """(M, L) what is searched among, as the latents of the tasks of training"""
    max_excess_error: float
    """a latent is refuted when its squared errors of reward sum to this much more than the best
    latent's; in squared units of reward"""
    num_exploration_episodes: int = 0
    """first episodes of a trial, which act with noise where the policy takes it"""
    takes_action_noise: bool = False
    """whether the policy has an input for noise on its actions, for these episodes"""

    def __post_init__(self) -> None:
        require_size("latent_size", self.latent_size)
        require_size("latents", len(self.latents))
        if any(len(latent) != self.latent_size for latent in self.latents):
            raise ValueError(f"latents: {self.latent_size} numbers each")
        if not 0.0 < self.max_excess_error < math.inf:
            raise ValueError(f"max_excess_error {self.max_excess_error}: above 0")
        require_exploration(self)


class LatentSearchAdaptation:
    """Every transition is held against what each latent would have paid for it.

    The latent that is acted on is chosen at an episode's first tick, and again at every tick at
    which it has been refuted: the survivor of highest value at that observation.
    """

    def __init__(self, settings: LatentSearchSettings, graphs: Mapping[Role, OnnxModel]) -> None:
        self._settings = settings
        self._latents = np.array(settings.latents, np.float32)
        decoder, critic = graphs["decoder"], graphs["critic"]
        for graph in (decoder, critic):
            graph.inputs["latents"][0] = self._latents.reshape(-1)
        self._decoder, self._critic = decoder, critic
        self._row = decoder.inputs["context_row"][0]
        self._misfit = decoder.outputs["misfit"][0]
        self._observation, self._value = critic.inputs["observation"][0], critic.outputs["value"][0]
        self._hypotheses = self._untested = Hypotheses.untested(len(self._latents))
        self._held = 0

    def reset(
        self, rng: np.random.Generator, noise: Noise, *, ticks_before: Sequence[int] = ()
    ) -> None:
        self._hypotheses = self._untested

    def begin_episode(self, episode: int) -> None:
        pass  # its latent is chosen at its first tick, from there

    def observe(self, context_row: NDArray[np.float32]) -> None:
        self._row[:] = context_row
        self._decoder.run()
        self._hypotheses = self._hypotheses.observe(self._misfit)

    def fill(self, policy_inputs: PolicyInputs, episode: int, tick: int) -> NDArray[np.float32]:
        survives = self._survives()
        if tick == 0 or not survives[self._held]:
            self._observation[:] = policy_inputs["observation"][0]
            self._critic.run()
            self._held = int(most_promising(self._value, survives))
        latent: NDArray[np.float32] = self._latents[self._held]
        policy_inputs["latent"][0] = latent
        return latent[:MAX_SHOWN]

    def _survives(self) -> NDArray[np.bool_]:
        return self._hypotheses.survive(self._settings.max_excess_error)

    def end_episode(self) -> None:
        pass  # every transition was taken in as it came

    def summary(self) -> Belief:
        survivors = self._latents[self._survives()]
        return Belief(
            mean=survivors.mean(0)[:MAX_SHOWN],
            variance=np.zeros(0),
            num_transitions=self._hypotheses.num_transitions,
            kl_from_prior=math.log(len(self._latents) / len(survivors)),
        )

    @property
    def memory(self) -> Memory:
        return {
            "error": self._hypotheses.error.copy(),
            "num_transitions": np.array([self._hypotheses.num_transitions], np.float64),
        }

    @memory.setter
    def memory(self, memory: Memory) -> None:
        error = memory_array(memory, "error", len(self._latents))
        if (error < 0.0).any():
            raise BadInput("memory", "error", found=error.tolist(), expected="none below zero")
        self._hypotheses = Hypotheses(error=error, num_transitions=memory_count(memory))


def _signatures(settings: LatentSearchSettings, sizes: Sizes) -> Mapping[Role, Signature]:
    count, size = len(settings.latents), settings.latent_size
    latents = row("latents", count * size)  # one after the other
    return {
        "policy": policy_signature(settings, sizes, row("latent", size)),
        "decoder": Signature((row("context_row", sizes.context), latents), (row("misfit", count),)),
        "critic": Signature(
            (row("observation", sizes.observation), latents), (row("value", count),)
        ),
    }


def _words(settings: LatentSearchSettings) -> Words:
    return Words(
        f"a search among {len(settings.latents)} latents, each held until it is refuted",
        "It adapts: a decoder predicts what each of the latents of the tasks it has met would pay, "
        "and the policy acts on one of them until what was paid speaks against it, then on that "
        "of the others that promises most.",
    )


KIND = Kind(
    name="latent_search",
    settings_type=LatentSearchSettings,
    needs_context=True,
    signatures=_signatures,
    make=LatentSearchAdaptation,
    deterministic=lambda settings: settings,
    words=_words,
    belief_of=lambda _: None,
    examples=(
        LatentSearchSettings(
            latent_size=2,
            latents=((2.0, -1.0), (1.0, 0.25), (-0.75, 1.5)),
            max_excess_error=0.05,
        ),
        LatentSearchSettings(
            latent_size=3,
            latents=((1.0, 0.0, 0.5), (-0.5, 2.0, 1.0)),
            max_excess_error=1e-3,
            num_exploration_episodes=2,
            takes_action_noise=True,
        ),
    ),
)
