"""Steps of policy gradient between episodes: a robot learns as the learner did in its inner loop.

The first episodes of a trial explore with noise. After every so many of them a step is taken on
what they brought (`exploration`), on the policy's parameters or on a latent (`inner_step`), as far
as the guards let it (`step_guards`). Later episodes act by the mean on what came out. Finn et al.
2017 (MAML), https://arxiv.org/abs/1703.03400; on the robot E-MAML, ProMP and REINFORCE are the
same: they differ in where the step starts from. Gupta et al. 2018 (MAESN),
https://arxiv.org/abs/1802.07245, moves a latent.

A step learns from the action as it was drawn, not from what the limits made of it: that is what
has a density.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim2real.contract.errors import BadInput
from sim2real.contract.manifest import TensorRecord
from sim2real.runtime.exploration import Explored, ExploredStep
from sim2real.runtime.inner_step import InnerStep, LatentStep, ParameterStep, latent_of
from sim2real.runtime.kinds.kind import (
    MAX_COUNT,
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
from sim2real.runtime.noise import LATENT_NOISE, Noise
from sim2real.runtime.onnx_model import OnnxModel
from sim2real.runtime.step_guards import DECISIONS, Reference, Vector, guarded_step

LEAST_EVIDENCE = 0.5
"""share of an episode's ticks that have to be evidence, or the episode does not count"""
GOLDEN_EPISODES = 2
"""explored in golden vectors, which are no longer than a few episodes: a latent's step needs two"""


@dataclass(frozen=True, kw_only=True)
class ParameterStepSettings:
    """A step moves all parameters of the policy."""

    hidden_sizes: tuple[int, ...]
    """of the policy's layers, which say how many parameters it has"""
    max_steps: int
    """rows of the graph `adapt`: control steps of the episodes that a step is taken on"""

    def __post_init__(self) -> None:
        for size in self.hidden_sizes:
            require_size("hidden_sizes", size)
        require_size("max_steps", self.max_steps)

    def num_parameters(self, observation_size: int, action_size: int) -> int:
        """Weights and biases, layer by layer, and a deviation for each action."""
        sizes = [observation_size, *self.hidden_sizes, action_size]
        layers = sum((before + 1) * after for before, after in pairwise(sizes))
        return action_size + layers


@dataclass(frozen=True, kw_only=True)
class LatentStepSettings:
    """A step moves mean and log-deviation of a latent, which is drawn once an episode."""

    mean_step_sizes: tuple[float, ...]
    """(L,) learnt"""
    log_std_step_sizes: tuple[float, ...]
    """(L,)"""

    def __post_init__(self) -> None:
        require_size("mean_step_sizes", len(self.mean_step_sizes))
        if len(self.log_std_step_sizes) != self.size:
            raise ValueError(f"log_std_step_sizes: {self.size} numbers, as mean_step_sizes has")

    @property
    def size(self) -> int:
        """L"""
        return len(self.mean_step_sizes)


@dataclass(frozen=True, kw_only=True)
class GradientSettings:
    """Settings of a policy that takes steps of policy gradient between episodes."""

    parameter_step: ParameterStepSettings | None = None
    latent_step: LatentStepSettings | None = None
    """one of the two: what moves"""
    num_exploration_episodes: int
    """first episodes of a trial, in which it explores"""
    num_inner_steps: int = 1
    """steps that are taken, each on the same number of them"""
    takes_action_noise: bool
    """whether the policy has an input for noise on its actions: where its parameters move"""
    discount: float = 0.99
    """of rewards, per step"""
    gae_lambda: float = 1.0
    """of generalised advantage estimation; 1: the whole rest of the episode"""
    max_kl: float = 100.0
    """nats that an adapted policy may be away from the trained one on the states that were met,
    mean over them and summed over the joints; a step that leads further is scaled. A policy that
    has learnt to adapt steps far (ProMP on point robots: 30 nats, for it is sure of its actions),
    so that this is for steps that are not like those of training"""
    min_episodes: int = 1
    """episodes of mostly evidence without which no step is taken"""
    max_fall: float = 3.0
    """deviations of the exploration episodes' returns by which a later one may be below their
    mean, or the step is taken back; a step on a single episode is not judged"""

    def __post_init__(self) -> None:
        require_exploration(self)
        if (self.parameter_step is None) == (self.latent_step is None):
            raise ValueError("one of parameter_step and latent_step, and not both")
        if self.takes_action_noise != (self.parameter_step is not None):
            raise ValueError("takes_action_noise where parameters move, and only there")
        require_size("num_inner_steps", self.num_inner_steps)
        if not self.num_exploration_episodes or (
            self.num_exploration_episodes % self.num_inner_steps
        ):
            raise ValueError("num_exploration_episodes: some, and as many for every step")
        if not 1 <= self.min_episodes <= self.episodes_per_step:
            raise ValueError(f"min_episodes {self.min_episodes}: 1 to {self.episodes_per_step}")
        for name in ("discount", "gae_lambda"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} {getattr(self, name)}: 0 to 1")
        for name in ("max_kl", "max_fall"):
            if not getattr(self, name) > 0.0:
                raise ValueError(f"{name} {getattr(self, name)}: above 0")

    @property
    def episodes_per_step(self) -> int:
        """Episodes that one step is taken on."""
        return self.num_exploration_episodes // self.num_inner_steps


class _Place(NamedTuple):
    """Parameters, and what is said of them."""

    parameters: Vector
    digest: str
    step_norm: float
    """of the step that led here"""
    kl: float
    """from the trained policy, in nats"""
    num_episodes: int
    """that the step was taken on"""


def _place(
    parameters: Vector, step_norm: float = 0.0, kl: float = 0.0, num_episodes: int = 0
) -> _Place:
    digest = hashlib.sha256(parameters.tobytes()).hexdigest()[:16]
    return _Place(parameters, digest, step_norm, kl, num_episodes)


class GradientAdaptation:
    """Steps are taken in `end_episode`, and take effect whole or not at all.

    Whatever goes wrong with numbers is a counted decision, and leaves the parameters; anything else
    that is raised leaves them, too.
    """

    def __init__(self, settings: GradientSettings, graphs: Mapping[Role, OnnxModel]) -> None:
        self._settings = settings
        policy = graphs["policy"]
        self._step: InnerStep
        if settings.latent_step is not None:
            latent = settings.latent_step
            self._step = LatentStep(latent.mean_step_sizes, latent.log_std_step_sizes)
            self._noise_size = latent.size
        else:
            self._step, self._noise_size = ParameterStep(graphs["adapt"], policy), 0
        self._base = _place(self._step.start)
        self._observation_size = policy.inputs["observation"].shape[1]
        self._reward_at = self._observation_size + policy.outputs["action"].shape[1]
        self._drawn_size = self._step.drawn().size
        parameter_step = settings.parameter_step
        self._most_steps = MAX_COUNT if parameter_step is None else parameter_step.max_steps
        self._noise: Noise | None = None
        self._forget()

    def _forget(self) -> None:
        self._now = self._good = self._base
        self._reference: Reference | None = None
        self._steps: list[ExploredStep] = []
        self._decisions: Counter[str] = Counter()
        self._num_transitions = 0
        self._episode, self._num_ticks = -1, 0
        self._held = np.zeros(self._noise_size, np.float32)

    def reset(
        self, rng: np.random.Generator, noise: Noise, *, ticks_before: Sequence[int] = ()
    ) -> None:
        self._forget()
        self._noise = noise

    def begin_episode(self, episode: int) -> None:
        self._episode, self._num_ticks = episode, 0

    def fill(self, policy_inputs: PolicyInputs, episode: int, tick: int) -> NDArray[np.float32]:
        if tick == 0 and self._noise_size:
            self._held = self._latent_noise(episode)
        self._num_ticks = tick + 1
        return self._step.fill(policy_inputs, self._now.parameters, self._held)

    def _latent_noise(self, episode: int) -> NDArray[np.float32]:
        if episode >= self._settings.num_exploration_episodes:
            return np.zeros(self._noise_size, np.float32)
        assert self._noise is not None
        return self._noise.draw(LATENT_NOISE, (episode,), self._noise_size)

    def observe(self, context_row: NDArray[np.float32]) -> None:
        observation = context_row[: self._observation_size].copy()
        reward = float(context_row[self._reward_at])
        place = self._episode, self._num_ticks - 1
        self._num_transitions += 1
        if len(self._steps) < self._most_steps:  # more are not of episodes that end in time
            self._steps.append(ExploredStep(*place, observation, self._step.drawn(), reward))

    # ---- between episodes ----------------------------------------------------------------------

    def end_episode(self) -> None:
        settings, ended = self._settings, self._episode + 1
        self._leave_out_what_is_mostly_missing()
        if ended > settings.num_exploration_episodes:
            self._judge(self._of_the_last(1))
            self._steps = []
        elif ended % settings.episodes_per_step == 0:
            explored = self._of_the_last(settings.episodes_per_step)
            if not self._judge(explored):
                self._take_step(explored)
            self._steps = []

    def _leave_out_what_is_mostly_missing(self) -> None:
        """The episode that ended counts where enough of it was evidence."""
        found = sum(step.episode == self._episode for step in self._steps)
        if found < LEAST_EVIDENCE * self._num_ticks:
            self._steps = [step for step in self._steps if step.episode != self._episode]

    def _of_the_last(self, num_episodes: int) -> Explored | None:
        """What was seen in the last episodes; None where nothing was."""
        first = self._episode + 1 - num_episodes
        steps = [step for step in self._steps if step.episode >= first]
        return Explored.of(steps) if steps else None

    def _judge(self, explored: Explored | None) -> bool:
        """Whether the episodes on a new place show that it is worse, so that it was left."""
        if explored is None or self._reference is None:
            return False
        reward = float(np.mean(list(explored.mean_rewards().values())))
        if not self._reference.shows_fall(reward, max_fall=self._settings.max_fall):
            return False
        self._decisions["rolled_back"] += 1
        self._now, self._reference = self._good, None
        return True

    def _take_step(self, explored: Explored | None) -> None:
        settings = self._settings
        rewards = {} if explored is None else explored.mean_rewards()
        if explored is None or len(rewards) < settings.min_episodes:
            self._decisions["too_few_episodes"] += 1
            return
        try:
            advantage = explored.advantages(
                discount=settings.discount, gae_lambda=settings.gae_lambda
            )
        except ValueError:  # of the baseline: observations or rewards that are not finite
            self._decisions["not_finite"] += 1
            return
        here = self._now.parameters
        propose = self._step.proposal(here, explored, advantage)
        decision, stepped = guarded_step(propose, settings.max_kl)
        if stepped is not None:
            away = float(np.linalg.norm(stepped.parameters.astype(np.float64) - here))
            self._good, self._reference = self._now, Reference.of(list(rewards.values()))
            self._now = _place(stepped.parameters, away, stepped.kl, len(rewards))
        self._decisions[decision] += 1

    # ---- what is said and kept -----------------------------------------------------------------

    def summary(self) -> Belief:
        mean = variance = np.zeros(0, np.float32)
        if self._settings.latent_step is not None:
            latent = latent_of(self._now.parameters)
            mean, variance = latent.mean.copy(), np.exp(2.0 * latent.log_std)
        return Belief(
            mean=mean,
            variance=variance,
            num_transitions=self._num_transitions,
            kl_from_prior=self._now.kl,
            digest=self._now.digest,
            figures={
                "step_norm": self._now.step_norm,
                "num_episodes": float(self._now.num_episodes),
                **{name: float(self._decisions[name]) for name in DECISIONS},
            },
        )

    @property
    def memory(self) -> Memory:
        """Parameters that are those trained are left out; what was explored is kept until used."""
        name, reference = self._step.name, self._reference
        columns = Explored.of(self._steps) if self._steps else None
        return {
            **self._remembered(name, self._now),
            **self._remembered(f"good_{name}", self._good),
            "reference": np.array([] if reference is None else reference, np.float64),
            **{
                f"explored_{column}": np.ravel([] if columns is None else getattr(columns, column))
                .astype(np.float64)
                for column in Explored._fields
            },
            "decisions": np.array([self._decisions[item] for item in DECISIONS], np.float64),
            "num_transitions": np.array([self._num_transitions], np.float64),
        }  # fmt: skip

    @memory.setter
    def memory(self, memory: Memory) -> None:
        name = self._step.name
        num_transitions = memory_count(memory)
        now, good = (self._place_of(memory, f"{prefix}{name}") for prefix in ("", "good_"))
        reference = memory_array(memory, "reference", 2 if _size(memory, "reference") else 0)
        decisions = _counts(memory, "decisions", len(DECISIONS))
        steps = self._explored(memory)
        self._now, self._good = now, good
        self._reference = Reference(*map(float, reference)) if reference.size else None
        self._decisions = Counter(dict(zip(DECISIONS, decisions)))
        self._steps, self._num_transitions = steps, num_transitions

    def _remembered(self, name: str, place: _Place) -> Memory:
        if place is self._base and self._settings.parameter_step is not None:
            return {name: np.zeros(0), f"{name}_step": np.zeros(0)}
        return {
            name: place.parameters.astype(np.float64),
            f"{name}_step": np.array(place[2:], np.float64),
        }

    def _place_of(self, memory: Memory, name: str) -> _Place:
        if not _size(memory, name) and self._settings.parameter_step is not None:
            memory_array(memory, f"{name}_step", 0)
            return self._base
        parameters = memory_array(memory, name, self._base.parameters.size).astype(np.float32)
        norm, kl, count = memory_array(memory, f"{name}_step", 3)
        return _place(parameters, float(norm), float(kl), int(count))

    def _explored(self, memory: Memory) -> list[ExploredStep]:
        count = _size(memory, "explored_reward")
        if count > self._most_steps:
            expected = f"at most {self._most_steps} steps, as a step is taken on"
            raise BadInput("memory", "explored_reward", found=count, expected=expected)
        sizes = (1, 1, self._observation_size, self._drawn_size, 1)
        episode, tick, observation, drawn, reward = (
            memory_array(memory, f"explored_{column}", count * size).reshape(count, size)
            for column, size in zip(Explored._fields, sizes)
        )
        for column, places in (("episode", episode), ("tick", tick)):
            _require_counts(f"explored_{column}", places.ravel())
        return [
            ExploredStep(int(e), int(t), o.astype(np.float32), d.astype(np.float32), float(r))
            for e, t, o, d, r in zip(episode[:, 0], tick[:, 0], observation, drawn, reward[:, 0])
        ]


def _size(memory: Memory, name: str) -> int:
    found = memory.get(name)
    return 0 if found is None else found.size


def _counts(memory: Memory, name: str, size: int) -> list[int]:
    values = memory_array(memory, name, size)
    _require_counts(name, values)
    return [int(value) for value in values]


def _require_counts(name: str, values: NDArray[np.float64]) -> None:
    is_fine = (values >= 0.0) & (values <= MAX_COUNT) & (values == np.floor(values))
    if not is_fine.all():
        expected = f"whole numbers, 0 to {MAX_COUNT}"
        raise BadInput("memory", name, found=values[~is_fine].tolist(), expected=expected)


def _signatures(settings: GradientSettings, sizes: Sizes) -> Mapping[Role, Signature]:
    if settings.latent_step is not None:
        names = ("latent_mean", "latent_log_std", LATENT_NOISE)
        latent = tuple(row(name, settings.latent_step.size) for name in names)
        return {"policy": policy_signature(settings, sizes, *latent)}
    step = settings.parameter_step
    assert step is not None
    num_parameters = step.num_parameters(sizes.observation, sizes.action)
    num_steps = step.max_steps

    def rows(name: str, *shape: int) -> TensorRecord:
        return TensorRecord(name=name, dtype="float32", shape=(1, num_steps, *shape))

    inputs = (
        row("parameters", num_parameters),
        rows("observation", sizes.observation),
        rows("action", sizes.action),
        rows("advantage"),
        rows("is_valid"),
        row("scale", 1),
    )
    outputs = (row("adapted", num_parameters), row("kl", 1), row("base", num_parameters))
    return {
        "policy": policy_signature(settings, sizes, row("parameters", num_parameters)),
        "adapt": Signature(inputs, outputs),
    }


def _in_golden_vectors(settings: GradientSettings) -> GradientSettings:
    """Fewer exploration episodes, so that a step is among the few hundred ticks."""
    episodes = min(settings.episodes_per_step, GOLDEN_EPISODES)
    return replace(
        settings,
        num_exploration_episodes=episodes,
        num_inner_steps=1,
        min_episodes=min(settings.min_episodes, episodes),
    )


def _words(settings: GradientSettings) -> Words:
    steps = "a step" if settings.num_inner_steps == 1 else f"{settings.num_inner_steps} steps"
    what, how = "all parameters of the policy", "with noise on its actions"
    if settings.latent_step is not None:
        what = f"{settings.latent_step.size} latent dimensions"
        how = "with a latent drawn for each of them"
    count = settings.num_exploration_episodes
    return Words(
        f"{steps} of policy gradient on {what}, after {count} exploration episodes; at most "
        f"{settings.max_kl:g} nats from what was trained",
        f"It adapts: the first {count} episodes of a trial explore {how}, {steps} of policy "
        f"gradient on what they brought moves {what}, and later episodes act on what came out. "
        f"No step leads further than {settings.max_kl:g} nats from the trained policy, and one "
        "after which the return falls is taken back.",
    )


def _belief_of(memory: Mapping[str, Sequence[float]]) -> BeliefSummary | None:
    if not {"latent", "good_latent"} <= memory.keys():
        return None
    latent = latent_of(np.array(memory["latent"], np.float32))
    return BeliefSummary(latent.mean.astype(np.float64), np.exp(latent.log_std.astype(np.float64)))


KIND = Kind(
    name="gradient",
    settings_type=GradientSettings,
    needs_context=True,
    signatures=_signatures,
    make=GradientAdaptation,
    deterministic=_in_golden_vectors,
    words=_words,
    belief_of=_belief_of,
    examples=(
        GradientSettings(
            parameter_step=ParameterStepSettings(hidden_sizes=(32, 32), max_steps=60),
            num_exploration_episodes=2,
            takes_action_noise=True,
            min_episodes=2,
        ),
        GradientSettings(
            parameter_step=ParameterStepSettings(hidden_sizes=(8,), max_steps=30),
            num_exploration_episodes=2,
            num_inner_steps=2,
            takes_action_noise=True,
            max_kl=0.05,
            max_fall=0.5,
        ),
        GradientSettings(
            latent_step=LatentStepSettings(
                mean_step_sizes=(0.5, 0.4), log_std_step_sizes=(0.3, 0.2)
            ),
            num_exploration_episodes=2,
            takes_action_noise=False,
        ),
    ),
)
