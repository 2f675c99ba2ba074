"""A Gaussian belief over a latent: a product of factors, one encoder call for each transition.

Rakelly et al. 2019 (PEARL), section 4.1, https://arxiv.org/abs/1903.08254.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sim2real.contract.belief import GaussianBelief
from sim2real.contract.errors import BadInput
from sim2real.runtime.kinds.kind import (
    MAX_SHOWN,
    Belief,
    BeliefSummary,
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

LatentSource = Literal["episode_sample", "periodic_sample", "mean"]


@dataclass(frozen=True, kw_only=True)
class GaussianBeliefSettings:
    """Settings of a policy that is conditioned on a latent with a Gaussian belief."""

    latent_size: int
    """L"""
    latent_source: LatentSource = "episode_sample"
    """what the policy is conditioned on: a sample held for an episode, one drawn anew every
    `resample_every_ticks`, or the mean"""
    resample_every_ticks: int = 0
    """0 unless `latent_source` is `periodic_sample`"""
    num_exploration_episodes: int = 0
    """first episodes of a trial, whose latents are drawn from the prior whatever is believed"""
    takes_action_noise: bool = False
    """whether the policy has an input for noise on its actions, for these episodes"""

    def __post_init__(self) -> None:
        require_size("latent_size", self.latent_size)
        require_exploration(self)
        if (self.latent_source == "periodic_sample") != (self.resample_every_ticks > 0):
            found = f"resample_every_ticks {self.resample_every_ticks}"
            raise ValueError(f"{found}: above 0 for periodic_sample and 0 for everything else")


class GaussianBeliefAdaptation:
    """The latent is drawn from the belief when an episode begins and held, as it was in training;
    the settings may ask for a new draw every few ticks, or for the mean, instead.

    Episodes meant for exploring draw from the prior, whatever is believed.
    """

    def __init__(self, settings: GaussianBeliefSettings, graphs: Mapping[Role, OnnxModel]) -> None:
        self._settings = settings
        encoder = graphs["encoder"]
        self._encoder = encoder
        self._row = encoder.inputs["context_row"][0]
        self._factor_mean = encoder.outputs["mean"][0]
        self._factor_variance = encoder.outputs["variance"][0]
        self._belief = self._prior = GaussianBelief.prior(settings.latent_size)
        self._latent = np.zeros(settings.latent_size, np.float32)
        self._rng = np.random.default_rng(0)

    def reset(
        self, rng: np.random.Generator, noise: Noise, *, ticks_before: Sequence[int] = ()
    ) -> None:
        self._rng, self._belief = rng, self._prior
        for num_ticks in ticks_before:
            for _ in filter(self._draws_at, range(num_ticks)):
                self._prior.sample(rng)

    def begin_episode(self, episode: int) -> None:
        pass  # its latent is drawn at its first tick, from what is believed then

    def observe(self, context_row: NDArray[np.float32]) -> None:
        self._row[:] = context_row
        self._encoder.run()
        self._belief = self._belief.observe(self._factor_mean, self._factor_variance)

    def fill(self, policy_inputs: PolicyInputs, episode: int, tick: int) -> NDArray[np.float32]:
        settings = self._settings
        explores = episode < settings.num_exploration_episodes
        if settings.latent_source == "mean":
            self._latent = self._belief.mean.astype(np.float32)
        elif self._draws_at(tick):
            self._latent = (self._prior if explores else self._belief).sample(self._rng)
        policy_inputs["latent"][0] = self._latent
        return self._latent[:MAX_SHOWN]

    def _draws_at(self, tick: int) -> bool:
        """Whether a latent is drawn at this tick of an episode."""
        settings = self._settings
        if settings.latent_source == "periodic_sample":
            return tick % settings.resample_every_ticks == 0
        return settings.latent_source == "episode_sample" and tick == 0

    def end_episode(self) -> None:
        pass  # every transition was taken in as it came

    def summary(self) -> Belief:
        belief = self._belief
        return Belief(
            mean=belief.mean,
            variance=belief.variance,
            num_transitions=belief.num_transitions,
            kl_from_prior=float(belief.kl_from_prior()),
        )

    @property
    def memory(self) -> Memory:
        belief = self._belief
        return {
            "precision": belief.precision.copy(),
            "weighted_mean": belief.weighted_mean.copy(),
            "num_transitions": np.array([belief.num_transitions], np.float64),
        }

    @memory.setter
    def memory(self, memory: Memory) -> None:
        size, num_transitions = self._settings.latent_size, memory_count(memory)
        precision = memory_array(memory, "precision", size)
        if (precision < 0.0).any() or ((precision == 0.0).any() and num_transitions):
            found, expected = precision.tolist(), "above zero once there is evidence, never below"
            raise BadInput("memory", "precision", found=found, expected=expected)
        belief = GaussianBelief(
            precision=precision,
            weighted_mean=memory_array(memory, "weighted_mean", size),
            num_transitions=num_transitions,
        )
        with np.errstate(all="ignore"):  # it is looked at here
            latent = np.array([belief.mean, belief.variance], np.float32)
            is_fine = np.isfinite(latent).all() and np.isfinite(belief.kl_from_prior())
        if not is_fine:
            expected = "a belief whose mean, variance and divergence are finite"
            raise BadInput("memory", "precision, weighted_mean", found="none", expected=expected)
        self._belief = belief


def _signatures(settings: GaussianBeliefSettings, sizes: Sizes) -> Mapping[Role, Signature]:
    size = settings.latent_size
    factor = (row("mean", size), row("variance", size))
    return {
        "policy": policy_signature(settings, sizes, row("latent", size)),
        "encoder": Signature((row("context_row", sizes.context),), factor),
    }


def _on_the_mean(settings: GaussianBeliefSettings) -> GaussianBeliefSettings:
    return replace(settings, latent_source="mean", resample_every_ticks=0)


def _words(settings: GaussianBeliefSettings) -> Words:
    source = {
        "episode_sample": "a sample held for an episode",
        "periodic_sample": f"a new sample every {settings.resample_every_ticks} ticks",
        "mean": "the mean",
    }[settings.latent_source]
    return Words(
        f"a Gaussian belief over {settings.latent_size} latent dimensions; acts on {source}",
        "It adapts: a context encoder turns every transition into a Gaussian factor of a belief "
        f"about the task, and the policy acts on {source}.",
    )


def _belief_of(memory: Mapping[str, Sequence[float]]) -> BeliefSummary | None:
    if not {"precision", "weighted_mean", "num_transitions"} <= memory.keys():
        return None
    belief = GaussianBelief(
        precision=np.array(memory["precision"], np.float64),
        weighted_mean=np.array(memory["weighted_mean"], np.float64),
        num_transitions=int(memory["num_transitions"][0]),
    )
    return BeliefSummary(belief.mean, np.sqrt(belief.variance))


KIND = Kind(
    name="gaussian_belief",
    settings_type=GaussianBeliefSettings,
    needs_context=True,
    signatures=_signatures,
    make=GaussianBeliefAdaptation,
    deterministic=_on_the_mean,
    words=_words,
    belief_of=_belief_of,
    examples=(
        GaussianBeliefSettings(latent_size=5, num_exploration_episodes=1),
        GaussianBeliefSettings(
            latent_size=3,
            latent_source="periodic_sample",
            resample_every_ticks=4,
            num_exploration_episodes=2,
            takes_action_noise=True,
        ),
    ),
)
