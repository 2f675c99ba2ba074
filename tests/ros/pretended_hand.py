"""A hand that a test plays: its joints are where they are told to be, at once."""

from __future__ import annotations

import threading
import time

import numpy as np
from taskbelief_interfaces.msg import HandReading

from taskbelief_hardware.interfaces import HAND_READING, JOINT_TARGETS
from tests.ros.graph import HOME, SPEC, Bench


class PretendedHand:
    """Readings every `period_s` on a thread, from entry to exit. Follows whatever comes."""

    def __init__(self, bench: Bench, period_s: float, namespace: str = "") -> None:
        self.is_following = True
        self.names = list(SPEC.joint_names)
        self.commands = bench.listen(JOINT_TARGETS, namespace)
        self._publisher = bench.publisher(HAND_READING, namespace)
        self._period_s, self._sequence = period_s, 0
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> PretendedHand:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()

    def _run(self) -> None:
        began = time.monotonic()
        while not self._ending.is_set():
            self._publisher.publish(self._reading())
            self._sequence += 1
            self._ending.wait(max(began + self._sequence * self._period_s - time.monotonic(), 0.0))

    def _reading(self) -> HandReading:
        command = self.commands[-1] if self.commands else None
        position = HOME.tolist() if command is None else list(command.position_rad)
        return HandReading(
            reading_ns=time.monotonic_ns(),
            sequence=self._sequence,
            names=self.names,
            position_rad=position,
            velocity_rad_s=np.zeros(9).tolist(),
            current_ma=np.zeros(9).tolist(),
            object_position_rad=0.01 * self._sequence,
            applied_rad=position,
            applied_answers_ns=0 if command is None else command.reading_ns,
            is_following=self.is_following,
        )
