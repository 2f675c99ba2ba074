"""The belief is the hidden state of a recurrent cell, with or without a read-out of what it means.

Duan et al. 2016 (RL²), https://arxiv.org/abs/1611.02779, act on the hidden state; Zintgraf et al.
2020 (VariBAD), https://arxiv.org/abs/1910.08348, on the mean and the log-variance that are read out
of it, and Humplik et al. 2019 (task inference), https://arxiv.org/abs/1905.06424, read the task's
own parameters out. Particles (Igl et al. 2018, DVRL) are a wide hidden state whose cell draws.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sim2real.contract.errors import BadInput
from sim2real.contract.manifest import TensorRecord
from sim2real.contract.quantity import Quantity
from sim2real.runtime.kinds.kind import (
    MAX_SHOWN,
    Belief,
    BeliefSummary,
    Float,
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
from sim2real.runtime.noise import CELL_NOISE, Noise
from sim2real.runtime.onnx_model import OnnxModel

MAX_LOG_VARIANCE = 80.0
"""of a memory that is set"""


@dataclass(frozen=True, kw_only=True)
class ReadOut:
    """Independent Gaussians that the cell gives beside its hidden state."""

    initial_mean: tuple[float, ...]
    """(D,) before there is evidence: a trained cell need not begin with N(0, 1)"""
    initial_log_variance: tuple[float, ...]
    """(D,) natural logarithms"""
    quantities: tuple[Quantity, ...] = ()
    """(D,) what the dimensions are; empty for a latent, whose dimensions have no names"""
    conditions_policy: bool = True
    """whether the policy gets mean and log-variance; otherwise it gets the hidden state"""

    def __post_init__(self) -> None:
        size = len(self.initial_mean)
        require_size("initial_mean", size)
        if len(self.initial_log_variance) != size:
            raise ValueError(f"initial_log_variance: {size} numbers, as initial_mean has")
        if len(self.quantities) not in (0, size):
            raise ValueError(f"quantities: none or {size}")

    @property
    def size(self) -> int:
        """D"""
        return len(self.initial_mean)

    def kl_from_prior(self, mean: Float, log_variance: Float) -> float:
        """Nats from the prior to (D,) Gaussians, summed over dimensions.

        A latent's prior is N(0, 1). Of quantities in units there is no such thing: the prior is
        what is believed of them before there is evidence.
        """
        shift, log_ratio = mean, log_variance
        if self.quantities:
            log_scale = np.array(self.initial_log_variance)
            shift = (mean - np.array(self.initial_mean)) * np.exp(-0.5 * log_scale)
            log_ratio = log_variance - log_scale
        return float(0.5 * (np.exp(log_ratio) + shift**2 - 1.0 - log_ratio).sum())


@dataclass(frozen=True, kw_only=True)
class RecurrentBeliefSettings:
    """Settings of a policy that is conditioned on what a recurrent cell remembers."""

    hidden_size: int
    """H"""
    read_out: ReadOut | None = None
    """None: nobody can say what the hidden state means"""
    cell_noise_size: int = 0
    """standard normal numbers that the cell takes with every transition; 0: it draws nothing"""
    num_exploration_episodes: int = 0
    """first episodes of a trial, which act with noise where the policy takes it"""
    takes_action_noise: bool = False
    """whether the policy has an input for noise on its actions"""
    num_trained_episodes: int = 0
    """episodes of a trial in training: nobody knows what it does after them; 0: nobody says"""

    def __post_init__(self) -> None:
        require_size("hidden_size", self.hidden_size)
        require_size("num_trained_episodes", self.num_trained_episodes, least=0)
        require_size("cell_noise_size", self.cell_noise_size, least=0)
        require_exploration(self)

    @property
    def acts_on_read_out(self) -> bool:
        """Whether the policy gets what is read out, not the hidden state."""
        return self.read_out is not None and self.read_out.conditions_policy


class RecurrentBeliefAdaptation:
    """The hidden state survives the end of an episode and is zero at the start of a trial.

    Only evidence moves it, so a reading that the gate rejects leaves it as it is.
    """

    def __init__(self, settings: RecurrentBeliefSettings, graphs: Mapping[Role, OnnxModel]) -> None:
        self._settings, self._cell = settings, graphs["recurrent"]
        self._row = self._cell.inputs["context_row"][0]
        self._hidden: NDArray[np.float32] = self._cell.inputs["hidden"][0]
        self._next_hidden = self._cell.outputs["next_hidden"][0]
        size = 0 if settings.read_out is None else settings.read_out.size
        self._mean, self._log_variance = np.zeros(size, np.float32), np.zeros(size, np.float32)
        self._noise: Noise | None = None
        self._num_transitions = 0

    def reset(
        self, rng: np.random.Generator, noise: Noise, *, ticks_before: Sequence[int] = ()
    ) -> None:
        self._noise, self._num_transitions = noise, 0
        self._hidden[:] = 0.0
        read_out = self._settings.read_out
        if read_out is not None:
            self._mean[:] = read_out.initial_mean
            self._log_variance[:] = read_out.initial_log_variance

    def begin_episode(self, episode: int) -> None:
        pass  # the cell was told where the one before ended

    def observe(self, context_row: NDArray[np.float32]) -> None:
        self._row[:] = context_row
        size = self._settings.cell_noise_size
        if size:
            assert self._noise is not None
            place = (self._num_transitions,)
            self._cell.inputs[CELL_NOISE][0] = self._noise.draw(CELL_NOISE, place, size)
        self._cell.run()
        self._hidden[:] = self._next_hidden
        if self._settings.read_out is not None:
            self._mean[:] = self._cell.outputs["mean"][0]
            self._log_variance[:] = self._cell.outputs["log_variance"][0]
        self._num_transitions += 1

    def fill(self, policy_inputs: PolicyInputs, episode: int, tick: int) -> NDArray[np.float32]:
        if self._settings.acts_on_read_out:
            policy_inputs["mean"][0] = self._mean
            policy_inputs["log_variance"][0] = self._log_variance
            return np.concatenate([self._mean, self._log_variance])[:MAX_SHOWN]
        policy_inputs["hidden"][0] = self._hidden
        return self._hidden[:MAX_SHOWN].copy()

    def end_episode(self) -> None:
        pass  # every transition was taken in as it came

    def summary(self) -> Belief:
        if self._settings.read_out is None:
            return Belief(
                mean=self._hidden[:MAX_SHOWN].copy(),
                variance=np.zeros(0, np.float32),
                num_transitions=self._num_transitions,
                kl_from_prior=0.0,
            )
        mean = self._mean.astype(np.float64)
        log_variance = self._log_variance.astype(np.float64)
        return Belief(
            mean=mean,
            variance=np.exp(log_variance),
            num_transitions=self._num_transitions,
            kl_from_prior=self._settings.read_out.kl_from_prior(mean, log_variance),
        )

    @property
    def memory(self) -> Memory:
        memory = {"hidden": self._hidden.astype(np.float64)}
        if self._settings.read_out is not None:
            memory["mean"] = self._mean.astype(np.float64)
            memory["log_variance"] = self._log_variance.astype(np.float64)
        return {**memory, "num_transitions": np.array([self._num_transitions], np.float64)}

    @memory.setter
    def memory(self, memory: Memory) -> None:
        num_transitions = memory_count(memory)
        hidden = memory_array(memory, "hidden", self._hidden.size)
        if self._settings.read_out is not None:
            mean = memory_array(memory, "mean", self._mean.size)
            log_variance = memory_array(memory, "log_variance", self._mean.size)
            if (np.abs(log_variance) > MAX_LOG_VARIANCE).any():
                expected = f"within {MAX_LOG_VARIANCE:g} of zero: float32 holds such variances"
                raise BadInput(
                    "memory", "log_variance", found=log_variance.tolist(), expected=expected
                )
            self._log_variance[:] = log_variance
            self._mean[:] = mean
        self._hidden[:], self._num_transitions = hidden, num_transitions


def _signatures(settings: RecurrentBeliefSettings, sizes: Sizes) -> Mapping[Role, Signature]:
    hidden, read_out = row("hidden", settings.hidden_size), tuple[TensorRecord, ...]()
    if settings.read_out is not None:
        size = settings.read_out.size
        read_out = (row("mean", size), row("log_variance", size))
    noise = (row(CELL_NOISE, settings.cell_noise_size),) if settings.cell_noise_size else ()
    condition = read_out if settings.acts_on_read_out else (hidden,)
    return {
        "policy": policy_signature(settings, sizes, *condition),
        "recurrent": Signature(
            (row("context_row", sizes.context), hidden, *noise),
            (row("next_hidden", settings.hidden_size), *read_out),
        ),
    }


def _words(settings: RecurrentBeliefSettings) -> Words:
    short = f"a recurrent belief of {settings.hidden_size} numbers"
    acts_on = "its hidden state"
    read_out = settings.read_out
    if read_out is not None:
        names = ", ".join(f"{item.name} ({item.unit})" for item in read_out.quantities)
        what = names or f"{read_out.size} latent dimensions"
        short = f"{short}, read out as a Gaussian over {what}"
        if read_out.conditions_policy:
            short, acts_on = f"{short}; acts on it", f"a Gaussian over {what} that is read out"
    card = "It adapts: a recurrent cell takes in every transition, and the policy acts on"
    trained = settings.num_trained_episodes
    limit = f" It was trained on trials of {trained} episodes; later ones are unknown to it."
    return Words(short, f"{card} {acts_on}.{limit if trained else ''}")


def _belief_of(memory: Mapping[str, Sequence[float]]) -> BeliefSummary | None:
    if not {"hidden", "mean", "log_variance"} <= memory.keys():
        return None
    log_variance = np.array(memory["log_variance"], np.float64)
    return BeliefSummary(np.array(memory["mean"], np.float64), np.exp(0.5 * log_variance))


KIND = Kind(
    name="recurrent_belief",
    settings_type=RecurrentBeliefSettings,
    needs_context=True,
    signatures=_signatures,
    make=RecurrentBeliefAdaptation,
    deterministic=lambda settings: settings,
    words=_words,
    quantities=lambda s: () if s.read_out is None else s.read_out.quantities,
    added_later={"num_trained_episodes": 0},
    trained_episodes=lambda s: s.num_trained_episodes,
    trained_on=lambda s, count: replace(s, num_trained_episodes=count),
    belief_of=_belief_of,
    examples=(
        RecurrentBeliefSettings(hidden_size=16),
        RecurrentBeliefSettings(
            hidden_size=12,
            read_out=ReadOut(initial_mean=(0.1, -0.2), initial_log_variance=(0.0, 0.3)),
            num_exploration_episodes=1,
            takes_action_noise=True,
            num_trained_episodes=2,
        ),
        RecurrentBeliefSettings(
            hidden_size=20,
            read_out=ReadOut(
                initial_mean=(0.0,),
                initial_log_variance=(0.0,),
                quantities=(Quantity(name="valve_damping", unit="N m s/rad"),),
                conditions_policy=False,
            ),
            cell_noise_size=4,
        ),
    ),
)
