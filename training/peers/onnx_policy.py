"""Any ONNX policy, played as a YAML file says that its graph is to be used. Every field is there:

    schema_version: 1
    model: policy.onnx        # beside this file
    observation: obs          # input (1, O), as the family's worlds give it
    action: action            # output (1, A) in [-1, 1]; what lies outside is clipped
    previous_action: null     # input (1, A): what was applied in the step before; or null
    previous_reward: null     # input (1, 1): what that paid; or null
    begins_episode: null      # input (1, 1): 1 in the first step of an episode; or null
    reward: dense             # which one it is shown: dense, or sparse as an evaluator pays it
    num_episodes: 3           # of a trial, unless the command asks for others
    state:                    # what it hands itself from step to step, zero at first; or []
      - {input: h, output: h_next}
    latent: null              # or a belief about the task, as a product of Gaussian factors:
    #  input: z               # (1, L): a draw, held for an episode
    #  encoder: encoder.onnx  # beside this file: one factor for each transition
    #  row: context           # its input (1, C): observation, applied action, reward, and
    #  uses_next_observation: false    # the next observation
    #  mean: mean             # outputs (1, L)
    #  variance: variance
    #  num_exploration_episodes: 1     # first ones of a trial, with draws from N(0, I)

Worlds are played one by one, so that sizes that a graph leaves open are 1. State and belief last
for a trial; what it is told of the step before is zero at the start of every episode.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sim2real.contract import strict
from sim2real.contract.context import ContextLayout
from sim2real.contract.errors import BadInput
from sim2real.contract.text_file import read_yaml
from sim2real.contract.transition import Transition
from training.parts.actor import Actor, Drawn
from training.peers.held_latent import Encoder, HeldLatent
from training.peers.onnx_graph import OnnxGraph, Shape
from training.peers.player import Player, Sizes
from training.tasks.task import Task
from training.worlds.vector_world import Bool, Float

SCHEMA_VERSION = 1
_ENDINGS = (".yaml", ".yml")


@dataclass(frozen=True, kw_only=True)
class State:
    """Something that a policy hands itself from step to step."""

    input: str
    output: str


@dataclass(frozen=True, kw_only=True)
class Latent:
    """A belief about the task, beside the policy."""

    input: str
    """of the policy, which gets a draw"""
    encoder: str
    """a file"""
    row: str
    """its input"""
    uses_next_observation: bool
    """whether a row has the outcome of the step in it"""
    mean: str
    """its output"""
    variance: str
    """its output"""
    num_exploration_episodes: int
    """first ones of a trial, with latents from the prior"""


@dataclass(frozen=True, kw_only=True)
class PolicyFile:
    """The YAML file."""

    schema_version: int
    """of this format"""
    model: str
    """a file"""
    observation: str
    """its input"""
    action: str
    """its output"""
    previous_action: str | None
    """an input"""
    previous_reward: str | None
    """an input"""
    begins_episode: str | None
    """an input"""
    reward: Literal["dense", "sparse"]
    """which one it is shown"""
    num_episodes: int
    """of a trial"""
    state: tuple[State, ...]
    """what it carries from step to step"""
    latent: Latent | None
    """a belief beside it"""

    @property
    def adapts(self) -> bool:
        return bool(self.state or self.latent)


def is_onnx_policy(path: Path) -> bool:
    """Whether a path is the name of such a file."""
    return path.suffix in _ENDINGS and not path.is_dir()


def onnx_policy(path: Path, sizes: Sizes) -> Player:
    """The player that such a file describes. Raises `BadInput` for what does not fit."""
    chosen = strict.build(PolicyFile, read_yaml(path, "a policy's YAML file"), str(path))
    _check(chosen, str(path))
    encoder = _encoder(chosen, path, sizes)
    shapes: dict[str | None, Shape | None] = {
        chosen.observation: (1, sizes.observation),
        chosen.previous_action: (1, sizes.action),
        chosen.previous_reward: (1, 1),
        chosen.begins_episode: (1, 1),
    }
    shapes |= {each.input: None for each in chosen.state}
    if encoder is not None and chosen.latent is not None:
        shapes[chosen.latent.input] = (1, encoder.latent_size)
    graph = OnnxGraph(
        path.parent / chosen.model,
        {name: shape for name, shape in shapes.items() if name is not None},
        [chosen.action, *(each.output for each in chosen.state)],
    )
    graph.require(chosen.action, (1, sizes.action))
    for each in chosen.state:
        graph.require(each.output, graph.inputs[each.input])

    def make_actor(tasks: Sequence[Task]) -> Actor:
        return OnnxActor(chosen, graph, encoder, (len(tasks), sizes.action))

    return Player(make_actor=make_actor, adapts=chosen.adapts, num_episodes=chosen.num_episodes)


def _encoder(chosen: PolicyFile, path: Path, sizes: Sizes) -> Encoder | None:
    latent = chosen.latent
    if latent is None:
        return None
    layout = ContextLayout(
        observation_size=sizes.observation,
        action_size=sizes.action,
        uses_next_observation=latent.uses_next_observation,
    )
    names = (latent.mean, latent.variance)
    graph = OnnxGraph(path.parent / latent.encoder, {latent.row: (1, layout.size)}, names)
    size = graph.outputs[latent.mean][-1]
    for name in names:
        graph.require(name, (1, size))

    def encode(rows: Float) -> tuple[Float, Float]:
        factors = [graph.run({latent.row: row[None]}) for row in rows]
        mean, variance = (np.concatenate([each[name] for each in factors]) for name in names)
        return mean, variance

    return Encoder(
        encode=encode,
        layout=layout,
        latent_size=size,
        num_exploration_episodes=latent.num_exploration_episodes,
        uses_sparse_reward=chosen.reward == "sparse",
    )


def _check(chosen: PolicyFile, where: str) -> None:
    """Raise `BadInput` for numbers and names that cannot be meant."""
    latent = chosen.latent
    counts = {"num_episodes": chosen.num_episodes}
    if latent is not None:
        counts["latent.num_exploration_episodes"] = latent.num_exploration_episodes
    for field, count in counts.items():
        if count < 1:
            raise BadInput(where, field, found=count, expected="1 or more")
    if chosen.schema_version != SCHEMA_VERSION:
        found, expected = chosen.schema_version, str(SCHEMA_VERSION)
        raise BadInput(where, "schema_version", found=found, expected=expected)
    told = (chosen.previous_action, chosen.previous_reward, chosen.begins_episode)
    inputs = [chosen.observation, *told, *(each.input for each in chosen.state)]
    inputs += [] if latent is None else [latent.input]
    named = [name for name in inputs if name is not None]
    twice = sorted({name for name in named if named.count(name) > 1})
    if twice:
        expected = "each input of the graph once"
        raise BadInput(where, "inputs", found=f"{', '.join(twice)} twice", expected=expected)


class OnnxActor:
    """The policy in W worlds, one after the other. What a step has shown counts once it is
    observed."""

    def __init__(
        self, chosen: PolicyFile, graph: OnnxGraph, encoder: Encoder | None, shape: Shape
    ) -> None:
        """`shape` is (W, A)."""
        self._chosen, self._graph, self._shape = chosen, graph, shape
        self._held = None if encoder is None else HeldLatent(encoder, shape[0])
        self.begin_trial(0)

    def begin_trial(self, seed: int) -> None:
        num_worlds = self._shape[0]
        if self._held is not None:
            self._held.begin_trial(seed)
        self.state = {
            each.input: np.zeros((num_worlds, *self._graph.inputs[each.input]), np.float32)
            for each in self._chosen.state
        }
        self._next_state = self.state
        self._action = np.zeros(self._shape, np.float32)
        self._reward = np.zeros(num_worlds, np.float32)
        self._begins = np.zeros(num_worlds, np.float32)

    def begin_episode(self, starts: Bool) -> None:
        if self._held is not None:
            self._held.begin_episode(starts)
        self._action[starts], self._reward[starts], self._begins[starts] = 0.0, 0.0, 1.0

    def act(self, observation: Float) -> Drawn:
        outputs = [
            self._graph.run(self._fed(world, observation)) for world in range(len(observation))
        ]
        self._begins[:] = 0.0
        self._next_state = {
            each.input: np.stack([output[each.output] for output in outputs])
            for each in self._chosen.state
        }
        return Drawn(np.concatenate([output[self._chosen.action] for output in outputs]))

    def _fed(self, world: int, observation: Float) -> dict[str, Float]:
        """All inputs of the graph, for one world."""
        chosen = self._chosen
        told: dict[str | None, Float] = {
            chosen.observation: observation[world],
            chosen.previous_action: self._action[world],
            chosen.previous_reward: self._reward[world, None],
            chosen.begins_episode: self._begins[world, None],
        }
        if self._held is not None and chosen.latent is not None:
            told[chosen.latent.input] = self._held.latent[world]
        fed = {name: value[None] for name, value in told.items() if name is not None}
        return fed | {name: value[world] for name, value in self.state.items()}

    def observe(self, transition: Transition, sparse_reward: Float, is_running: Bool) -> None:
        if self._held is not None:
            self._held.observe(transition, sparse_reward, is_running)
        for name, value in self.state.items():
            value[is_running] = self._next_state[name][is_running]
        paid = sparse_reward if self._chosen.reward == "sparse" else transition.reward
        self._action[is_running] = transition.action[is_running]
        self._reward[is_running] = paid[is_running]

    def exchange_beliefs(self, order: NDArray[np.int64]) -> None:
        if self._held is not None:
            self._held.exchange_beliefs(order)
        self.state = {name: value[order] for name, value in self.state.items()}
