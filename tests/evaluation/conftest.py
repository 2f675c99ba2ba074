"""Bundles with random weights, and hands to run them on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sim2real.contract.robot_spec import load_robot_spec
from sim2real.emulator.faults import Fault
from sim2real.emulator.line import Line
from sim2real.evaluation.direct import DirectSession, open_direct
from sim2real.evaluation.hand import Hand
from sim2real.evaluation.hands import lock_step_hand
from sim2real.evaluation.recorder import RecordingPlace
from sim2real.evaluation.session import BenchTask
from sim2real.runtime.bundle import Bundle, read_bundle
from training.benches.bench_tasks import bench_task
from training.benches.emulate import dynamics_of
from training.families.valve import VALVE_TURN
from training.tasks.task_set import draw_task_set

SPEC = load_robot_spec()
TASK_SET = draw_task_set(VALVE_TURN, seed=11, num_train=1, num_test=3)


@pytest.fixture(scope="session")
def bundle(exported_bundles) -> Bundle:
    return read_bundle(exported_bundles())


@pytest.fixture(scope="session")
def tasks() -> list[BenchTask]:
    return [bench_task(VALVE_TURN.scene, task, row) for row, task in enumerate(TASK_SET.test)]


@dataclass
class EmulatedBench:
    """Emulated hands in their own time; `fault` happens to the first so many steps into it."""

    fault: Fault | None = None
    after_steps: int = 0
    place: RecordingPlace | None = None
    keeps_hand: bool = False
    """the same hand for every session, as a real one"""
    may_recover: bool = False
    lines: list[Line] = field(default_factory=list)
    sessions: list[DirectSession] = field(default_factory=list)
    _hand: Hand | None = None
    _num_steps: int = 0

    def _step(self, _step) -> None:
        self._num_steps += 1
        if self.fault is not None and self._num_steps == self.after_steps:
            self.lines[-1].inject(self.fault)

    @contextmanager
    def open(self, task: BenchTask, bundle: Bundle) -> Iterator[DirectSession]:
        if self._hand is None or not self.keeps_hand:
            index = int(task.name.rpartition("/")[2])
            self._hand, line = lock_step_hand(SPEC, 50.0, dynamics_of(TASK_SET.test[index]))
            self.lines.append(line)
        with open_direct(
            self._hand,
            bundle,
            SPEC,
            self.place,
            may_recover=self.may_recover,
            on_step=self._step,
        ) as session:
            self.sessions.append(session)
            yield session


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    return tmp_path / "recordings"
