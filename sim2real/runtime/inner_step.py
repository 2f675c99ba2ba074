"""A step of policy gradient on the robot: of a policy's parameters, or of a latent it acts on.

Neither needs anything but numpy and an ordinary graph. What moves is one flat vector: one entry in
messages and memories, one digest, one input of the policy, whatever the network's layers are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from sim2real.runtime.exploration import Explored, episode_credit
from sim2real.runtime.onnx_model import OnnxModel
from sim2real.runtime.step_guards import Stepped, Vector

PolicyInputs = Mapping[str, NDArray[np.float32]]
Double = NDArray[np.float64]


class InnerStep(Protocol):
    """What moves, how a policy is told of it, and how it moves."""

    name: str
    """of the vector, in memories"""
    start: Vector
    """(P,) where every trial begins"""

    def fill(
        self, policy_inputs: PolicyInputs, parameters: Vector, noise: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Put it into the policy's inputs; (L,) what is shown of it. `noise` as the policy has."""

    def drawn(self) -> NDArray[np.float32]:
        """(D,) what the latest action came of, as a step learns from it."""

    def proposal(
        self, parameters: Vector, explored: Explored, advantage: Double
    ) -> Callable[[float], Stepped]:
        """By a step's scale, where it leads from `parameters`. `advantage` is (N,)."""


class ParameterStep:
    """All parameters of the policy, by the graph `adapt`; its base is in the graph, too."""

    name = "parameters"

    def __init__(self, adapt: OnnxModel, policy: OnnxModel) -> None:
        self._adapt, self._action = adapt, policy.outputs["action"][0]
        self.start: Vector = adapt.outputs["base"][0].copy()  # it was run when it was loaded

    def fill(
        self, policy_inputs: PolicyInputs, parameters: Vector, noise: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        policy_inputs["parameters"][0] = parameters
        return np.zeros(0, np.float32)  # too many for people: see the summary

    def drawn(self) -> NDArray[np.float32]:
        action: NDArray[np.float32] = self._action.copy()
        return action

    def proposal(
        self, parameters: Vector, explored: Explored, advantage: Double
    ) -> Callable[[float], Stepped]:
        inputs, num_steps = self._adapt.inputs, len(advantage)
        for name, values in (
            ("parameters", parameters),
            ("observation", explored.observation),
            ("action", explored.drawn),
            ("advantage", advantage),
            ("is_valid", np.ones(num_steps)),
        ):
            inputs[name][0] = 0.0
            inputs[name][0, : len(values)] = values

        def stepped(scale: float) -> Stepped:
            inputs["scale"][0] = scale
            self._adapt.run()
            outputs = self._adapt.outputs
            return Stepped(outputs["adapted"][0].copy(), float(outputs["kl"][0, 0]))

        return stepped


class Latent(NamedTuple):
    """A Gaussian over a latent, (L,) each."""

    mean: NDArray[np.float32]
    log_std: NDArray[np.float32]

    def kl_from_prior(self) -> float:
        """Nats from the unit Gaussian, in which every trial begins."""
        mean, log_std = self.mean.astype(np.float64), self.log_std.astype(np.float64)
        with np.errstate(over="ignore"):
            square = np.exp(2.0 * log_std) + np.square(mean)
        return float((0.5 * (square - 1.0) - log_std).sum())


class LatentStep:
    """Mean and log-deviation of a latent, side by side, in closed form.

    The same as `training.parts.latent_adaptation`. Actions differ by no more than the latents that
    they come of, so the divergence is that of the latents, whatever the states.
    """

    name = "latent"

    def __init__(
        self, mean_step_sizes: Sequence[float], log_std_step_sizes: Sequence[float]
    ) -> None:
        """(L,) each."""
        self._step_sizes = np.array([mean_step_sizes, log_std_step_sizes], np.float64)
        size = len(mean_step_sizes)
        self.start: Vector = np.zeros(2 * size, np.float32)
        self._latent: NDArray[np.float32] = np.zeros(size, np.float32)

    def fill(
        self, policy_inputs: PolicyInputs, parameters: Vector, noise: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        mean, log_std = latent_of(parameters)
        self._latent = (mean + np.exp(log_std) * noise).astype(np.float32)
        policy_inputs["latent_mean"][0] = mean
        policy_inputs["latent_log_std"][0] = log_std
        policy_inputs["latent_noise"][0] = noise
        return self._latent.copy()

    def drawn(self) -> NDArray[np.float32]:
        return self._latent.copy()

    def proposal(
        self, parameters: Vector, explored: Explored, advantage: Double
    ) -> Callable[[float], Stepped]:
        first = explored.first_steps()
        credit = episode_credit(advantage[first])[:, None]
        mean, log_std = (part.astype(np.float64) for part in latent_of(parameters))
        precision = np.exp(-2.0 * log_std)
        distance = explored.drawn[first].astype(np.float64) - mean
        slopes = np.stack(
            [
                (credit * distance).mean(0) * precision,
                (credit * (np.square(distance) * precision - 1.0)).mean(0),
            ]
        )
        step = (self._step_sizes * slopes).ravel()

        def stepped(scale: float) -> Stepped:
            with np.errstate(over="ignore"):
                there = (parameters.astype(np.float64) + scale * step).astype(np.float32)
            return Stepped(there, latent_of(there).kl_from_prior())

        return stepped


def latent_of(parameters: Vector) -> Latent:
    """The two halves of the vector that a `LatentStep` moves."""
    size = len(parameters) // 2
    return Latent(parameters[:size], parameters[size:])
