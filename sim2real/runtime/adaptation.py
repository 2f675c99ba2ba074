"""How behaviour changes with context on the robot: one class per kind, the same four verbs.

`reset` forgets everything about the task, `observe` takes in one transition, `condition` says what
the policy gets beside the observation, and `summary` tells people what is believed. What is
carried between ticks is a plain value (`memory`), so that it can be logged, set and compared.

A kind that works between episodes (`gradient`: buffer transitions in `observe`, run the
adapt graph in `condition` at the first tick) fits the same verbs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sim2real.contract.belief import GaussianBelief
from sim2real.contract.errors import BadInput
from sim2real.contract.manifest import Adaptation as AdaptationRecord
from sim2real.runtime.graphs import Role
from sim2real.runtime.onnx_model import OnnxModel

Float = NDArray[np.floating]
Memory = Mapping[str, NDArray[np.float64]]
"""all that an adaptation carries between ticks, by name"""
MAX_COUNT = 1_000_000_000
"""of transitions that are remembered: messages count to four times that"""


@dataclass(frozen=True, kw_only=True, eq=False)
class Belief:
    """What is believed about the task, for people and logs. Empty arrays where nothing is."""

    mean: Float
    """(L,) of the latent; the hidden state where the belief is one"""
    variance: Float
    """(L,); (0,) where the belief has none"""
    num_transitions: int
    """evidence so far in this trial"""
    kl_from_prior: float
    """nats; 0 where there is no distribution"""


class Adaptation(Protocol):
    """The four verbs, and the memory that they work on."""

    policy_input: str
    """the policy's input that `condition` fills; empty where there is none"""

    def reset(self, rng: np.random.Generator, *, ticks_before: Sequence[int] = ()) -> None:
        """Back to the prior; whatever is drawn from now on comes from `rng`.

        `ticks_before` are the lengths of the trial's episodes that were run elsewhere: what they
        drew is not drawn again.
        """

    def observe(self, context_row: NDArray[np.float32]) -> None:
        """Take in one transition, (C,)."""

    def condition(self, episode: int, tick: int) -> NDArray[np.float32]:
        """What the policy is conditioned on at tick `tick` of episode `episode` of the trial, (L,).

        To be called once per tick, in order: tick 0 is where an episode's latent is drawn.
        """

    def summary(self) -> Belief:
        """What is believed now."""

    @property
    def memory(self) -> Memory:
        """A copy of what is carried between ticks."""

    @memory.setter
    def memory(self, memory: Memory) -> None:
        """Go on from a memory. Raises `ValueError` when it is not one of this kind and size."""


class NoAdaptation:
    """Behaviour that does not change: SAC, robust and oracle baselines."""

    policy_input = ""

    def __init__(self, record: AdaptationRecord, graphs: Mapping[Role, OnnxModel]) -> None:
        self._num_transitions = 0
        self._nothing = np.zeros(0, np.float32)

    def reset(self, rng: np.random.Generator, *, ticks_before: Sequence[int] = ()) -> None:
        self._num_transitions = 0

    def observe(self, context_row: NDArray[np.float32]) -> None:
        self._num_transitions += 1

    def condition(self, episode: int, tick: int) -> NDArray[np.float32]:
        return self._nothing

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
        self._num_transitions = _count(memory, "num_transitions")


class GaussianBeliefAdaptation:
    """PEARL (Rakelly et al. 2019): a product of Gaussian factors, one encoder call each.

    The latent is drawn from the belief when an episode begins and held, as it was in training;
    the manifest may ask for a new draw every few ticks, or for the mean, instead. Episodes meant
    for exploring draw from the prior, whatever is believed.
    """

    policy_input = "latent"

    def __init__(self, record: AdaptationRecord, graphs: Mapping[Role, OnnxModel]) -> None:
        self._record = record
        encoder = graphs["encoder"]
        self._encoder = encoder
        self._row = encoder.inputs["context_row"][0]
        self._factor_mean = encoder.outputs["mean"][0]
        self._factor_variance = encoder.outputs["variance"][0]
        self._prior = GaussianBelief.prior(record.latent_size)
        self._latent = np.zeros(record.latent_size, np.float32)
        self.reset(np.random.default_rng(0))

    def reset(self, rng: np.random.Generator, *, ticks_before: Sequence[int] = ()) -> None:
        self._rng, self._belief = rng, self._prior
        for num_ticks in ticks_before:
            for _ in filter(self._draws_at, range(num_ticks)):
                self._prior.sample(rng)

    def observe(self, context_row: NDArray[np.float32]) -> None:
        self._row[:] = context_row
        self._encoder.run()
        self._belief = self._belief.observe(self._factor_mean, self._factor_variance)

    def condition(self, episode: int, tick: int) -> NDArray[np.float32]:
        record = self._record
        explores = episode < record.num_exploration_episodes
        if record.latent_source == "mean":
            self._latent = self._belief.mean.astype(np.float32)
        elif self._draws_at(tick):
            self._latent = (self._prior if explores else self._belief).sample(self._rng)
        return self._latent

    def _draws_at(self, tick: int) -> bool:
        """Whether a latent is drawn at this tick of an episode."""
        record = self._record
        if record.latent_source == "periodic_sample":
            return tick % record.resample_every_ticks == 0
        return record.latent_source == "episode_sample" and tick == 0

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
        size = self._record.latent_size
        precision = _array(memory, "precision", size)
        num_transitions = _count(memory, "num_transitions")
        if (precision < 0.0).any() or ((precision == 0.0).any() and num_transitions):
            found = precision.tolist()
            expected = "above zero once there is evidence, never below"
            raise BadInput("memory", "precision", found=found, expected=expected)
        belief = GaussianBelief(
            precision=precision,
            weighted_mean=_array(memory, "weighted_mean", size),
            num_transitions=num_transitions,
        )
        with np.errstate(all="ignore"):  # it is looked at here
            latent = np.array([belief.mean, belief.variance], np.float32)
            is_fine = np.isfinite(latent).all() and np.isfinite(belief.kl_from_prior())
        if not is_fine:
            expected = "a belief whose mean, variance and divergence are finite"
            raise BadInput("memory", "precision, weighted_mean", found="none", expected=expected)
        self._belief = belief


class RecurrentBeliefAdaptation:
    """RL² (Duan et al. 2016) and its kin: the belief is the hidden state of a recurrent cell.

    It survives the end of an episode and is zero at the start of a trial. Only evidence moves it,
    so a reading that the gate rejects leaves it as it is.
    """

    policy_input = "hidden"

    def __init__(self, record: AdaptationRecord, graphs: Mapping[Role, OnnxModel]) -> None:
        self._cell = graphs["recurrent"]
        self._row = self._cell.inputs["context_row"][0]
        self._hidden: NDArray[np.float32] = self._cell.inputs["hidden"][0]
        self._next_hidden = self._cell.outputs["next_hidden"][0]
        self._no_variance = np.zeros(0, np.float32)
        self.reset(np.random.default_rng(0))

    def reset(self, rng: np.random.Generator, *, ticks_before: Sequence[int] = ()) -> None:
        self._hidden[:] = 0.0
        self._num_transitions = 0

    def observe(self, context_row: NDArray[np.float32]) -> None:
        self._row[:] = context_row
        self._cell.run()
        self._hidden[:] = self._next_hidden
        self._num_transitions += 1

    def condition(self, episode: int, tick: int) -> NDArray[np.float32]:
        return self._hidden.copy()

    def summary(self) -> Belief:
        return Belief(
            mean=self._hidden.copy(),
            variance=self._no_variance,
            num_transitions=self._num_transitions,
            kl_from_prior=0.0,
        )

    @property
    def memory(self) -> Memory:
        return {
            "hidden": self._hidden.astype(np.float64),
            "num_transitions": np.array([self._num_transitions], np.float64),
        }

    @memory.setter
    def memory(self, memory: Memory) -> None:
        num_transitions = _count(memory, "num_transitions")
        self._hidden[:] = _array(memory, "hidden", self._hidden.size)
        self._num_transitions = num_transitions


ADAPTATIONS: Mapping[str, Callable[[AdaptationRecord, Mapping[Role, OnnxModel]], Adaptation]] = {
    "none": NoAdaptation,
    "gaussian_belief": GaussianBeliefAdaptation,
    "recurrent_belief": RecurrentBeliefAdaptation,
}
"""by the manifest's `adaptation.kind`"""


def _array(memory: Memory, name: str, size: int) -> NDArray[np.float64]:
    """(size,) a copy of one entry; float32, which the graphs take, can hold it."""
    found = memory.get(name)
    if found is None or found.shape != (size,):
        count = "nothing" if found is None else f"{found.size} numbers"
        raise BadInput("memory", name, found=count, expected=f"{size} numbers")
    is_fine = np.abs(found) <= np.finfo(np.float32).max  # negated by NaN
    if not is_fine.all():
        expected = "finite numbers that fit float32"
        raise BadInput("memory", name, found=found[~is_fine].tolist(), expected=expected)
    return np.array(found, np.float64)


def _count(memory: Memory, name: str) -> int:
    """An entry that counts: whole, and not below zero."""
    found = float(_array(memory, name, 1)[0])
    if found < 0.0 or found != int(found) or found > MAX_COUNT:
        expected = f"a whole number, 0 to {MAX_COUNT}"
        raise BadInput("memory", name, found=found, expected=expected)
    return int(found)
