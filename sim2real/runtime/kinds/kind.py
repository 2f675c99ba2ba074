"""What a kind of adaptation is: how behaviour changes with context on the robot.

A kind is one file with its settings, the graphs that it needs, the adaptation, and words about it.
Exporter, loader, controller and reports go through the record `Kind` and name none; `registry` has
all of them.

Observations enter graphs raw: the normaliser is part of every graph that sees one. There is no
batch: a robot is one robot.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from sim2real.contract.errors import BadInput
from sim2real.contract.manifest import TensorRecord
from sim2real.contract.quantity import Quantity
from sim2real.runtime.noise import ACTION_NOISE, Noise
from sim2real.runtime.onnx_model import OnnxModel

Role = Literal["policy", "encoder", "recurrent", "adapt", "decoder", "critic", "eye"]
Float = NDArray[np.floating]
Memory = Mapping[str, NDArray[np.float64]]
"""all that an adaptation carries between ticks, by name"""
PolicyInputs = Mapping[str, NDArray[np.float32]]
"""the policy's inputs by name, (1, ·) each; they stay where they are and keep what they hold"""

MAX_SHOWN = 256
"""numbers of a condition or of a hidden state that are shown at a tick; more is not for people"""


# ---- graphs ------------------------------------------------------------------------------------


class Sizes(NamedTuple):
    """Numbers in the vectors that every kind deals with."""

    observation: int
    action: int
    context: int
    """of a context row; 0 where there is none"""


class Signature(NamedTuple):
    """Inputs and outputs of one graph, in order."""

    inputs: tuple[TensorRecord, ...]
    outputs: tuple[TensorRecord, ...]


def row(name: str, size: int) -> TensorRecord:
    """A graph's vector."""
    return TensorRecord(name=name, dtype="float32", shape=(1, size))


def policy_signature(settings: Settings, sizes: Sizes, *condition: TensorRecord) -> Signature:
    """A policy sees the observation, then its condition, then noise where it explores by it."""
    noise = (row(ACTION_NOISE, sizes.action),) if settings.takes_action_noise else ()
    inputs = (row("observation", sizes.observation), *condition, *noise)
    return Signature(inputs, (row("action", sizes.action),))


# ---- beliefs -----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class Belief:
    """What is believed about the task, for people and logs. Empty arrays where nothing is."""

    mean: Float
    """(L,) of the latent, or of quantities in their units; the hidden state, as far as it is shown,
    where the belief is one"""
    variance: Float
    """(L,); (0,) where the belief has none"""
    num_transitions: int
    """evidence so far in this trial"""
    kl_from_prior: float
    """nats; 0 where there is no distribution"""
    digest: str = ""
    """names what is too large to be shown, as parameters; empty where nothing is"""
    figures: Mapping[str, float] = field(default_factory=dict)
    """what there is to say of it in numbers, always the same names"""


class BeliefSummary(NamedTuple):
    """A Gaussian belief as a person reads it."""

    mean: Float
    """(L,)"""
    sd: Float
    """(L,)"""


class Adaptation(Protocol):
    """The verbs, and the memory that they work on.

    All but `end_episode` are called within a control tick, and have to be quick.
    """

    def reset(
        self, rng: np.random.Generator, noise: Noise, *, ticks_before: Sequence[int] = ()
    ) -> None:
        """Back to the prior; latents are drawn from `rng` from now on, noise from `noise`.

        `ticks_before` are the lengths of the trial's episodes that were run elsewhere: what they
        drew from `rng` is not drawn again.
        """

    def begin_episode(self, episode: int) -> None:
        """An episode of the trial begins; what was learnt stays."""

    def observe(self, context_row: NDArray[np.float32]) -> None:
        """Take in one transition, (C,)."""

    def fill(self, policy_inputs: PolicyInputs, episode: int, tick: int) -> NDArray[np.float32]:
        """Put the condition into the policy's inputs; what is shown of it, at most `MAX_SHOWN`.

        The observation is there already. To be called once per tick, in order: tick 0 is where an
        episode's latent is drawn.
        """

    def end_episode(self) -> None:
        """The episode is over: what is learnt from it as a whole is learnt here.

        The one verb that is called outside the tick and may take long.
        """

    def summary(self) -> Belief:
        """What is believed now."""

    @property
    def memory(self) -> Memory:
        """A copy of what is carried between ticks."""

    @memory.setter
    def memory(self, memory: Memory) -> None:
        """Go on from a memory. Raises `BadInput` when it is not one of this kind and size."""


# ---- a kind ------------------------------------------------------------------------------------


class Settings(Protocol):
    """What all settings have; they are frozen dataclasses that raise `ValueError` themselves."""

    @property
    def num_exploration_episodes(self) -> int:
        """First episodes of a trial that are meant for exploring."""

    @property
    def takes_action_noise(self) -> bool:
        """Whether the policy explores by noise on its actions."""


S = TypeVar("S", bound=Settings)


class Words(NamedTuple):
    """What people are told about an adaptation with its settings."""

    acts_by: str
    """a phrase, after "adapts by" """
    card: str
    """a sentence or two"""


@dataclass(frozen=True, kw_only=True)
class Kind(Generic[S]):
    """Everything that others need to know about a kind of adaptation."""

    name: str
    """in manifests: `adaptation.kind`"""
    settings_type: type[S]
    """of `adaptation.settings`"""
    needs_context: bool
    """whether transitions become context rows"""
    signatures: Callable[[S, Sizes], Mapping[Role, Signature]]
    """the graphs that a bundle holds, and what goes in and out of them"""
    make: Callable[[S, Mapping[Role, OnnxModel]], Adaptation]
    """the adaptation over a bundle's graphs"""
    deterministic: Callable[[S], S]
    """settings under which nothing is drawn from a generator, which golden vectors could not hold:
    numpy's may change between versions. Noise may stay, they hold it"""
    words: Callable[[S], Words]
    belief_of: Callable[[Mapping[str, Sequence[float]]], BeliefSummary | None]
    """the belief in a memory of this kind; None for one of another kind or that is no Gaussian"""
    examples: tuple[S, ...]
    """small settings that show all it can do, the plain one first: for tests and rehearsals"""
    quantities: Callable[[S], tuple[Quantity, ...]] = lambda _settings: ()
    """what the dimensions of the belief are, in order; empty where they are a latent's"""
    added_later: Mapping[str, Any] = field(default_factory=dict)
    """settings that manifests of this schema once lacked, as bundles without them behave"""
    trained_episodes: Callable[[S], int] = lambda _settings: 0
    """episodes of a trial in training; after them a belief is where it never was; 0: no such end"""
    trained_on: Callable[[S, int], S] = lambda settings, _num_trial_episodes: settings
    """the same settings, told how many these were"""


def require_exploration(settings: Settings) -> None:
    """Raise `ValueError` for numbers of exploration episodes that cannot be."""
    count = settings.num_exploration_episodes
    if count < 0:
        raise ValueError(f"num_exploration_episodes {count}: 0 or more")
    if settings.takes_action_noise and not count:
        raise ValueError("takes_action_noise without an exploration episode to act with noise in")


def require_size(name: str, size: int, *, least: int = 1) -> None:
    """Raise `ValueError` for a size below the least."""
    if size < least:
        raise ValueError(f"{name} {size}: {least} or more")


MAX_COUNT = 1_000_000_000
"""of transitions that are remembered: messages count to four times that"""


def memory_array(memory: Memory, name: str, size: int) -> NDArray[np.float64]:
    """(size,) a copy of one entry; float32, which the graphs take, can hold it.

    Raises `BadInput` where it is not that.
    """
    found = memory.get(name)
    if found is None or found.shape != (size,):
        count = "nothing" if found is None else f"{found.size} numbers"
        raise BadInput("memory", name, found=count, expected=f"{size} numbers")
    is_fine = np.abs(found) <= np.finfo(np.float32).max  # false for NaN
    if not is_fine.all():
        expected = "finite numbers that fit float32"
        raise BadInput("memory", name, found=found[~is_fine].tolist(), expected=expected)
    return np.array(found, np.float64)


def memory_count(memory: Memory) -> int:
    """How much evidence a memory is made of: whole, and not below zero. Raises `BadInput`."""
    found = float(memory_array(memory, "num_transitions", 1)[0])
    if found < 0.0 or found != int(found) or found > MAX_COUNT:
        expected = f"a whole number, 0 to {MAX_COUNT}"
        raise BadInput("memory", "num_transitions", found=found, expected=expected)
    return int(found)
