"""The camera of an emulated hand: frames at its period, and what faults leave of them.

No thread and no clock of its own: whoever drives it says what time it is, as with the line.
"""

from __future__ import annotations

import heapq

import mujoco
import numpy as np
from numpy.typing import NDArray

from sim2real.contract.camera import CameraSpec, Frame
from sim2real.emulator.camera_faults import KINDS, Arrivals
from sim2real.emulator.faults import ArmedFault, Fault, FaultPlan, FaultSchedule
from sim2real.emulator.line import Line
from sim2real.hardware.simulated_camera import SimulatedCamera


class EmulatedCamera:
    """One camera of a compiled model. `take` frames, `receive` what arrives of them."""

    def __init__(
        self, mj_model: mujoco.MjModel, spec: CameraSpec, plan: FaultPlan | None = None
    ) -> None:
        """Of the plan's faults those that befall cameras are played. Raises `BadInput` if the
        model lacks the camera."""
        self.spec = spec
        self._model, self._data = mj_model, mujoco.MjData(mj_model)
        self._camera = SimulatedCamera(mj_model, spec)
        plan = FaultPlan() if plan is None else plan
        own = tuple(fault for fault in plan.faults if fault.kind in KINDS)
        self._faults = FaultSchedule(FaultPlan(seed=plan.seed, faults=own))
        self._num_taken = 0
        self._under_way: list[tuple[float, int, Frame]] = []

    def inject(self, fault: Fault, now_s: float) -> ArmedFault:
        """Start a fault now, or as its own fields say, counted from now."""
        return self._faults.give(fault, now=now_s, num_packets=self._num_taken)

    def take(self, qpos: NDArray[np.float64], stamp_ns: int, now_s: float) -> None:
        """Take a picture of where the model's joints are; `now_s` is bus time, for the faults."""
        self._data.qpos[:] = qpos
        mujoco.mj_kinematics(self._model, self._data)
        mujoco.mj_camlight(self._model, self._data)
        pixels = self._camera.render(self._data)
        frame = Frame(stamp_ns=stamp_ns, sequence=self._num_taken, pixels=pixels)
        self._faults.update(now_s, self._num_taken)
        self._num_taken += 1
        for number, (late_s, arrival) in enumerate(self._damaged(frame)):
            order = 1000 * self._num_taken + number
            heapq.heappush(self._under_way, (now_s + late_s, order, arrival))

    def receive(self, now_s: float) -> list[Frame]:
        """Frames that have arrived by now, in the order in which they did."""
        arrived = []
        while self._under_way and self._under_way[0][0] <= now_s:
            arrived.append(heapq.heappop(self._under_way)[2])
        return arrived

    @property
    def next_arrival_s(self) -> float:
        """Bus time of the next frame that is under way; infinite where none is."""
        return self._under_way[0][0] if self._under_way else np.inf

    def _damaged(self, frame: Frame) -> Arrivals:
        arrivals: Arrivals = [(0.0, frame)]
        for armed in self._faults.of(KINDS):
            if armed.takes(armed.fault.servo):  # a camera is no servo's
                transform = KINDS[armed.fault.kind].transform
                arrivals = [
                    (late_s + more_s, damaged)
                    for late_s, one in arrivals
                    for more_s, damaged in transform(one, armed)
                ]
        return arrivals


class LineCamera:
    """A `Camera` over an emulated line in lock-step: frames come as bus time passes."""

    def __init__(self, line: Line, spec: CameraSpec, plan: FaultPlan | None = None) -> None:
        self.line = line
        self._camera = EmulatedCamera(line.plant.model, spec, plan)
        self._next_s = 0.0
        self._frame: Frame | None = None

    @property
    def spec(self) -> CameraSpec:
        return self._camera.spec

    def inject(self, fault: Fault) -> ArmedFault:
        return self._camera.inject(fault, self.line.now)

    @property
    def next_at(self) -> float:
        """Bus time at which a frame is due."""
        return self._next_s

    def look(self) -> None:
        """To be called as time passes: takes the frame that is due, keeps what arrives."""
        now_s = self.line.now
        if now_s >= self._next_s - 1e-9:
            self._camera.take(self.line.plant.data.qpos, round(now_s * 1e9), now_s)
            while self._next_s <= now_s + 1e-9:
                self._next_s += self.spec.period_s
        for frame in self._camera.receive(now_s):
            self._frame = frame

    def latest(self) -> Frame | None:
        self.look()
        return self._frame

    def close(self) -> None:
        pass
