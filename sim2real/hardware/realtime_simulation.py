"""The robot in MuJoCo, in step with the host's clock: what a driver node runs without a bus.

`SimulatedRobot` moves by one control period with every command. Here time passes by itself: whoever
reads finds the simulation where the clock says it is, however early or late he comes.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from sim2real.contract.joint_io import Command, Reading
from sim2real.contract.robot_spec import RobotSpec
from sim2real.hardware.robot import Health, Phase, Placing
from sim2real.hardware.simulated import SimulatedRobot

MAX_LAG_S = 0.25
"""further behind the clock than this the time in between is given up: the host was suspended"""


class RealtimeSimulation:
    """A `Robot` over a simulation that `clock_ns` drives. Readings bear that clock's time."""

    def __init__(
        self, simulated: SimulatedRobot, clock_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        """`simulated` is in the hands of this object from now on."""
        self.simulated, self._clock_ns = simulated, clock_ns
        self._step_ns = round(simulated.timestep_s * 1e9)
        self._now_ns = 0
        """how far the simulation has come, on the host's clock"""

    @property
    def spec(self) -> RobotSpec:
        return self.simulated.spec

    @property
    def phase(self) -> Phase:
        return self.simulated.phase

    @property
    def placing(self) -> Placing:
        return self

    @property
    def recovery(self) -> None:
        return None

    @property
    def turning(self) -> None:
        return None

    @property
    def faults(self) -> Mapping[str, int]:
        return self.simulated.faults

    def connect(self) -> None:
        self.simulated.connect()
        self._now_ns = self._clock_ns()

    def activate(self) -> None:
        self._catch_up()
        self.simulated.activate()

    def read(self) -> Reading:
        self._catch_up()
        return dataclasses.replace(self.simulated.read(), stamp_ns=self._now_ns)

    def health(self) -> Health:
        return dataclasses.replace(self.simulated.health(), stamp_ns=self._now_ns)

    def write(self, command: Command) -> None:
        self._catch_up()
        self.simulated.aim(command)

    def place(
        self, joint_rad: NDArray[np.float64], valve_rad: float, rng: np.random.Generator
    ) -> None:
        """Put hand and valve somewhere at rest; see `SimulatedRobot.place`."""
        self._catch_up()
        self.simulated.place(joint_rad, valve_rad, rng)

    def go_limp(self) -> None:
        self._catch_up()
        self.simulated.go_limp()

    def deactivate(self) -> None:
        self._catch_up()
        self.simulated.deactivate()

    def quarantine(self) -> None:
        self.simulated.quarantine()

    def close(self) -> None:
        self.simulated.close()

    def __enter__(self) -> Self:
        self.connect()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _catch_up(self) -> None:
        """Simulate the whole physics steps that have passed; the rest of a step is left over."""
        behind_ns = self._clock_ns() - self._now_ns
        if behind_ns > MAX_LAG_S * 1e9:
            self._now_ns += behind_ns - self._step_ns
            behind_ns = self._step_ns
        num_steps = behind_ns // self._step_ns
        if num_steps > 0:
            self.simulated.advance(num_steps)
            self._now_ns += num_steps * self._step_ns
