"""`taskbelief excite`: steps and swings of every joint, recorded, for `taskbelief gap`."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import mujoco
import numpy as np
import tyro

from sim2real.contract.errors import BadInput
from sim2real.contract.output_file import PART, require_writable, unless_refused
from sim2real.contract.require import require_positive
from sim2real.contract.robot_spec import DCLAW, RobotSpec, load_robot_spec
from sim2real.evaluation.hand import Hand
from sim2real.evaluation.hands import emulated_hand, serial_hand, simulated_hand
from sim2real.evaluation.session import BenchTask, EpisodePlan
from sim2real.gap.excitation import RECORD, Script, excitation_record
from sim2real.gap.excite import excite as run_script
from sim2real.hardware.physics_model import load_physics_model
from sim2real.recording.background import BackgroundRecording
from sim2real.recording.metadata import RecordingMetadata
from sim2real.recording.writer import Recording
from sim2real.skills.goal import GoalSignal
from sim2real.stop_signal import stop_put_off
from training.benches.emulate import task_named
from training.benches.open_bench import RobotKind, ask_whether_clear
from training.gap.unknowns import with_dynamics

UNIT_OF = {"emulated": "emulated"}
SCRIPT = Script()


def excite(
    out: Annotated[Path, tyro.conf.Positional],
    robot: RobotKind = "simulated",
    task: str | None = None,
    port: str = "",
    unit: str = "",
    rate: float = 50.0,
    script: Annotated[Script, tyro.conf.arg(name="")] = SCRIPT,
    yes: bool = False,
    robot_config: Path = DCLAW,
) -> int:
    """Move one joint after the other, to and fro around home, and record it to the file OUT.

    Args:
        out: the recording, called *.mcap.
        robot: in MuJoCo as fast as it goes, on an emulated servo bus in real time, or a real hand.
        task: FILE:INDEX, the task of a saved set whose dynamics the robot has; on a real hand only
            a name in the recording.
        port: serial port of a real hand.
        unit: whose calibration to use, for a real hand.
        rate: readings per second, Hz.
        script: what every joint does.
        yes: the workspace of the real hand is clear: do not ask.
        robot_config: the hand: a robot.yaml, its folder, or a robot's name.
    """
    require_positive(rate=rate)
    require_writable(out, "OUT")
    if (robot == "serial") != bool(port and unit):
        found = f"--port {port or 'none'} --unit {unit or 'none'}"
        expected = "both for a real hand, neither for another"
        raise BadInput("command line", "--port, --unit", found=found, expected=expected)
    spec = load_robot_spec(robot_config)
    bench = _bench_task(spec, task)
    if robot == "serial":
        bench = replace(bench, parameters={}, reference="", make_model=None)
        if not yes:
            ask_whether_clear(port)
    metadata = RecordingMetadata.of(spec, robot=robot, unit=unit or UNIT_OF.get(robot, ""))
    more = {RECORD: excitation_record(bench.name, bench.parameters)}
    part = out.with_name(out.name + PART)
    with (
        unless_refused(out.parent, out, part),
        _hand(spec, robot, bench, port, unit, rate) as hand,
        ExitStack() as closed,
    ):
        with stop_put_off():  # an open file has somebody who closes it
            recording = closed.enter_context(
                BackgroundRecording(Recording(out, metadata, more=more))
            )
        run_script(hand, spec, script, bench.plan(0), recording)
    print(f"{out}: {len(spec.joints)} joints on the {robot} hand, task {bench.name}")
    return 0


def _bench_task(spec: RobotSpec, reference: str | None) -> BenchTask:
    """The task on the bench; without one, the robot as its model file describes it."""
    named = None if reference is None else task_named(reference, spec)
    parameters = {} if named is None else dict(named.parameters)

    def start(seed: int) -> EpisodePlan:
        return EpisodePlan(
            seed=seed,
            goal=GoalSignal.fixed(np.zeros(1)),  # of a skill that nobody performs
            joint_rad=spec.joint_array("home_rad"),
            valve_rad=0.0,
            noise=np.random.default_rng(seed),
        )

    def make_model() -> mujoco.MjModel:
        return with_dynamics(load_physics_model(spec), parameters)

    return BenchTask(
        name="nominal" if named is None else named.name,
        parameters=parameters,
        plan=start,
        reference=reference or "",
        make_model=make_model,
    )


def _hand(
    spec: RobotSpec, robot: RobotKind, bench: BenchTask, port: str, unit: str, rate_hz: float
) -> AbstractContextManager[Hand]:
    if robot == "simulated":
        _require_whole_steps(load_physics_model(spec).opt.timestep, rate_hz)
        return simulated_hand(spec, bench, 1.0 / rate_hz)
    if robot == "emulated":
        return emulated_hand(spec, bench, rate_hz)
    return serial_hand(spec, port, unit, rate_hz)


def _require_whole_steps(timestep_s: float, rate_hz: float) -> None:
    """A simulated hand is read between two steps of its physics."""
    steps = 1.0 / rate_hz / timestep_s
    if steps < 1.0 - 1e-9 or abs(steps - round(steps)) > 1e-9 * steps:
        expected = f"a rate whose period is a whole number of {timestep_s:g} s"
        raise BadInput("command line", "--rate", found=rate_hz, expected=expected)
