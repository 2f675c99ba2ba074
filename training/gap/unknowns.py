"""The dynamics that can be identified from recordings, as one vector for a least-squares fit."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

from training.worlds.dynamics import VARIATIONS, Variation, apply_dynamics

Float = NDArray[np.floating]

DELAY = "action_delay"


@dataclass(frozen=True, kw_only=True)
class Search:
    """Where the value of a variation is looked for."""

    low: float
    high: float
    unit: float = 0.0
    """what counts as a step of one in the fit; 0: steps are in the logarithm of the value"""


HAND = ("action_delay", "joint_friction", "joint_damping", "servo_stiffness")
"""what shows in how joints follow their goals"""
OBJECT = ("valve_damping", "valve_friction", "fingertip_friction")
"""what shows in how the valve moves"""
SEARCH: Mapping[str, Search] = {
    "action_delay": Search(low=0.0, high=60.0, unit=5.0),
    "joint_friction": Search(low=0.002, high=0.5),
    "joint_damping": Search(low=0.05, high=20.0),
    "servo_stiffness": Search(low=0.1, high=5.0),
    "valve_damping": Search(low=0.002, high=3.0),
    "valve_friction": Search(low=0.0005, high=1.0),
    "fingertip_friction": Search(low=0.1, high=5.0),
}
"""far beyond what tasks are drawn from: a real servo need not lie within the ranges of a family"""


class Unknowns:
    """Values of some variations as a vector of P numbers without units, and back."""

    def __init__(
        self, names: Sequence[str], variations: Mapping[str, Variation] = VARIATIONS
    ) -> None:
        """`variations` are those of the hand, by default the claw's."""
        self.names, self._variations = tuple(names), variations
        self._owner = [name for name in self.names for _ in variations[name].nominal]
        searches = [SEARCH[name] for name in self._owner]
        self._is_log = np.array([search.unit == 0.0 for search in searches])
        self._unit = np.array([search.unit or 1.0 for search in searches])
        self.bounds = (
            self._to_vector(np.array([search.low for search in searches])),
            self._to_vector(np.array([search.high for search in searches])),
        )

    @property
    def size(self) -> int:
        """P"""
        return len(self._owner)

    @property
    def nominal(self) -> Float:
        """(P,) the robot as its model file describes it."""
        return self.vector({name: self._variations[name].nominal for name in self.names})

    @property
    def start(self) -> Float:
        """(P,) where a fit starts: near nominal, but on no bound, which it would not leave."""
        return np.clip(self.nominal, self.bounds[0] + 0.2, self.bounds[1] - 0.2)

    def values(self, vector: Float) -> dict[str, tuple[float, ...]]:
        """(P,) as the parameters of a task."""
        natural = np.where(self._is_log, np.exp(np.clip(vector, -30, 30)), vector * self._unit)
        return {
            name: tuple(natural[[owner == name for owner in self._owner]].tolist())
            for name in self.names
        }

    def vector(self, values: Mapping[str, Sequence[float]]) -> Float:
        """(P,) from the parameters of a task."""
        return self._to_vector(np.concatenate([values[name] for name in self.names]))

    def _to_vector(self, natural: Float) -> Float:
        return np.where(self._is_log, np.log(np.maximum(natural, 1e-12)), natural / self._unit)


def with_dynamics(
    base: mujoco.MjModel, parameters: Mapping[str, tuple[float, ...]]
) -> mujoco.MjModel:
    """A copy of the nominal model with a task's dynamics in it."""
    mj_model = copy.copy(base)
    apply_dynamics(mj_model, parameters)
    mujoco.mj_setConst(mj_model, mujoco.MjData(mj_model))
    return mj_model
