"""From what was asked for on the command line to tasks, and to benches with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from sim2real.contract.errors import BadInput
from sim2real.contract.robot_spec import RobotSpec
from sim2real.evaluation.direct import DirectSession, open_direct
from sim2real.evaluation.hand import Hand
from sim2real.evaluation.hands import emulated_hand, serial_hand, simulated_hand
from sim2real.evaluation.recorder import RecordingPlace
from sim2real.evaluation.session import BenchTask, EpisodeFault
from sim2real.runtime.bundle import Bundle
from sim2real.runtime.policy_runner import Step
from training.benches.bench_tasks import held_out, one_task
from training.families.claw import ClawFamily

RobotKind = Literal["simulated", "emulated", "serial"]


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """Tasks of an evaluation, and the hash of the set that they are of."""

    tasks: list[BenchTask]
    sha256: str


def choose_tasks(
    robot: RobotKind,
    family: ClawFamily,
    own: Path,
    *,
    task: str | None,
    tasks: Path | None,
    num_tasks: int | None,
) -> Chosen:
    """One task by name, or the first held-out ones of a set; `own` is the bundle's.

    On a real hand there is one task by default, and its goal is all that is known of it.
    """
    if task is not None and (tasks is not None or num_tasks is not None):
        found = "also --tasks or --num-tasks"
        raise BadInput("command line", "--task", found=found, expected="one of them")
    if task is not None:
        found_tasks, sha256 = one_task(family, task)
    else:
        count = 1 if robot == "serial" and num_tasks is None else num_tasks
        found_tasks, sha256 = held_out(family, own if tasks is None else tasks, count)
    if robot == "serial":
        found_tasks = [_with_goal_only(one, family) for one in found_tasks]
    return Chosen(tasks=found_tasks, sha256=sha256)


def _with_goal_only(task: BenchTask, family: ClawFamily) -> BenchTask:
    """A real object has dynamics of its own."""
    known = () if family.goal is None else (family.goal.name,)
    parameters = {name: value for name, value in task.parameters.items() if name in known}
    return replace(task, parameters=parameters, reference="", make_model=None)


@dataclass(kw_only=True, eq=False)
class Bench:
    """Opens sessions in this process, one task and one bundle after the other."""

    robot: RobotKind
    spec: RobotSpec
    place: RecordingPlace | None
    port: str
    unit: str
    rate_hz: float
    """readings per second of a hand of servos"""
    may_recover: bool
    realtime_priority: int
    """of an emulated hand's process, 0: none"""
    faults: Path | None
    """plan of faults of an emulated hand"""
    on_step: Callable[[Step], None]
    device: str = ""
    """video device of a serial hand's camera, where the policy sees"""
    _has_opened: bool = False

    @contextmanager
    def session(self, task: BenchTask, bundle: Bundle) -> Iterator[DirectSession]:
        """See `session.OpenSession`. A hand that was there and is gone is a fault, no bad input."""
        try:
            with (
                self._hand(task, bundle) as hand,
                open_direct(
                    hand,
                    bundle,
                    self.spec,
                    self.place,
                    may_recover=self.may_recover,
                    on_step=self.on_step,
                ) as session,
            ):
                self._has_opened = True
                yield session
        except BadInput as error:
            if not self._has_opened:
                raise
            raise EpisodeFault("not_ready", str(error)) from error

    def _hand(self, task: BenchTask, bundle: Bundle) -> AbstractContextManager[Hand]:
        period_s, camera = bundle.manifest.control_period_s, bundle.manifest.camera
        if self.robot == "simulated":
            return simulated_hand(self.spec, task, period_s, camera)
        if self.robot == "emulated":
            return emulated_hand(
                self.spec, task, self.rate_hz, self.faults, self.realtime_priority, camera
            )
        return serial_hand(self.spec, self.port, self.unit, self.rate_hz, camera, self.device)


def ask_whether_clear(port: str) -> None:
    """Raise `BadInput` unless a person says that the hand may move."""
    try:
        answer = input(f"The hand at {port} will move. Is its workspace clear? [yes/no] ")
    except EOFError:
        answer = ""
    if answer.strip() != "yes":
        raise BadInput("workspace", "answer", found=answer, expected="yes", remedy="or give --yes")
