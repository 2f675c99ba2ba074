"""`taskbelief evaluate`: what a bundle is worth on a simulated, an emulated or a real hand."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import tyro
from rich.console import Console

from sim2real.contract.errors import BadInput
from sim2real.contract.robot_spec import RobotSpec, load_robot_spec
from sim2real.evaluation.evaluate import Evaluation
from sim2real.evaluation.header import Header
from sim2real.evaluation.journal import Journal
from sim2real.evaluation.live import LiveSteps, LiveView
from sim2real.evaluation.protocol import TrialProtocol
from sim2real.evaluation.recorder import RECORDINGS, RecordingPlace
from sim2real.evaluation.results import results_document, write_results
from sim2real.evaluation.schedule import Role
from sim2real.evaluation.session import Condition
from sim2real.evaluation.summary import show_results
from sim2real.recording.metadata import git_commit
from sim2real.runtime.bundle import MANIFEST, TASKS, Bundle
from sim2real.runtime.realtime import may_use_realtime, require_realtime
from sim2real.runtime.verify import load_bundle
from training.evaluation.bench import bench_task, claw_family
from training.evaluation.benches import Bench, Chosen, RobotKind, choose_tasks
from training.evaluation.oracle import oracle_records
from training.families.claw import ClawFamily
from training.families.task import Task, load_task_set

READINGS_PER_STEP = 5
"""of a hand of servos, by default: the safety ladder looks five times a control period"""

OF_SERVOS: Sequence[RobotKind] = ("emulated", "serial")
ONLY_FOR: Mapping[str, Sequence[RobotKind]] = {
    "port": ("serial",),
    "unit": ("serial",),
    "faults": ("emulated",),
    "rate": OF_SERVOS,
    "realtime_priority": OF_SERVOS,
}
"""options that say something of certain robots only"""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What one may choose beside bundle and robot."""

    out: Path | None = None
    """folder for results.json, episodes.csv, journal and recordings; none are written by default"""
    resume: bool = False
    """go on with the evaluation in that folder, or begin it if there is none"""
    task: str | None = None
    """FILE:INDEX, one task of a saved set; of a real object it says the goal"""
    tasks: Path | None = None
    """another task set of the bundle's family than its own"""
    num_tasks: int | None = None
    """how many of the held-out tasks; all by default, one on a real hand"""
    num_trials: int = 1
    """trials per task"""
    num_episodes: int = 3
    """episodes of a trial; the last one is the adapted one"""
    seed: int = 0
    """of starting points and latents"""
    robust: Path | None = None
    """a bundle that does not adapt, to compare with on the same tasks"""
    oracle: Path | None = None
    """the run of a policy that is told the task, to compare with in simulation"""
    port: str = ""
    """serial port of a real hand"""
    unit: str = ""
    """whose calibration to use, for a real hand"""
    rate: float | None = None
    """readings per second of a hand of servos, Hz; five times the policy's rate by default"""
    realtime_priority: int = 0
    """SCHED_FIFO priority of this process and of an emulated hand; 0: none"""
    max_faults: int = 1
    """faults after which it stops. Above 1, servos that have latched an error are rebooted after
    one, and the next task is put on the bench"""
    faults: Path | None = None
    """a YAML plan of what goes wrong with the emulated hand, from when each task is put on it"""
    yes: bool = False
    """the workspace of the real hand is clear: do not ask"""
    quiet: bool = False
    """show the outcome only"""

    @property
    def protocol(self) -> TrialProtocol:
        return TrialProtocol(
            num_episodes=self.num_episodes, num_trials=self.num_trials, seed=self.seed
        )


def evaluate(
    bundle: Annotated[Path, tyro.conf.Positional],
    robot: RobotKind = "simulated",
    options: Annotated[Options, tyro.conf.arg(name="")] = Options(),
) -> int:
    """Evaluate BUNDLE on held-out tasks, adapted and with its belief taken away.

    Args:
        bundle: the folder of a bundle.
        robot: in MuJoCo as fast as it goes, on an emulated servo bus in real time, or on a real
            hand.
        options: what is measured, and where it goes.
    """
    _check(robot, options)
    spec = load_robot_spec()
    loaded = load_bundle(bundle, spec)
    family = claw_family(loaded.manifest.provenance.family, loaded.path_of(MANIFEST))
    require_period(loaded, family)
    rate_hz = options.rate or READINGS_PER_STEP / loaded.manifest.control_period_s
    require_rate(rate_hz, loaded.manifest.control_period_s)
    bundles: dict[Role, Bundle] = {"evaluated": loaded}
    if options.robust is not None:
        bundles["robust"] = _robust(options.robust, loaded, spec)
    chosen = choose_tasks(
        robot,
        family,
        bundle / TASKS,
        task=options.task,
        tasks=options.tasks,
        num_tasks=options.num_tasks,
    )
    journal = _journal(options, _header(robot, options, bundles, spec, chosen))
    place = _place(options, journal.header)
    if robot == "serial" and not options.yes:
        ask_whether_clear(options.port)
    console = Console(highlight=False, soft_wrap=True)
    view = LiveView(console)
    bench = Bench(
        robot=robot,
        spec=spec,
        place=place,
        port=options.port,
        unit=options.unit,
        rate_hz=rate_hz,
        may_recover=options.max_faults > 1,
        realtime_priority=options.realtime_priority,
        faults=options.faults,
        on_step=LiveSteps(view).step,
    )
    evaluation = Evaluation(
        robot=robot,
        tasks=chosen.tasks,
        bundles=bundles,
        protocol=options.protocol,
        open_session=bench.session,
        journal=journal,
        observers=() if options.quiet else (view,),
        max_faults=options.max_faults,
    )
    view.num_episodes = len(evaluation.missing())
    try:
        with _terminable(), _hurried(options.realtime_priority), view:
            evaluation.run()
        if robot == "simulated" and options.oracle is not None and not evaluation.missing():
            _add_oracle(journal, options, family, bundle)
    finally:
        document = _written(options, journal)
    show_results(console, document)
    if evaluation.missing():
        print(f"taskbelief evaluate: {_what_is_missing(evaluation, options)}", file=sys.stderr)
        return 1
    return 0


def measure(
    bundle: Bundle, family: ClawFamily, tasks: Sequence[Task], protocol: TrialProtocol
) -> dict[str, Any]:
    """The results of a bundle on simulated tasks, as `results.json` has them; nothing is written.

    Raises `BadInput` where the family is simulated at another rate than the bundle's.
    """
    require_period(bundle, family)
    scene = family.scene
    bench_tasks = [bench_task(scene, task, row) for row, task in enumerate(tasks)]
    header = Header(
        bundle_name=bundle.manifest.name,
        bundle_digest=bundle.digest,
        robot="simulated",
        num_trials=protocol.num_trials,
        num_episodes=protocol.num_episodes,
        seed=protocol.seed,
        tasks={task.name: task.parameters for task in tasks},
        not_available={},
        provenance={},
        git_commit="",
    )
    bench = Bench(
        robot="simulated",
        spec=scene.spec,
        place=None,
        port="",
        unit="",
        rate_hz=0.0,
        may_recover=False,
        realtime_priority=0,
        faults=None,
        on_step=lambda _: None,
    )
    evaluation = Evaluation(
        robot="simulated",
        tasks=bench_tasks,
        bundles={"evaluated": bundle},
        protocol=protocol,
        open_session=bench.session,
        journal=Journal(header),
    )
    if not evaluation.run():
        raise RuntimeError(f"simulation failed: {evaluation.journal.records[-1].reason}")
    return results_document(header, evaluation.journal.records)


def require_counts(**counts: int | None) -> None:
    """Raise `BadInput` for options that must be at least 1, where they are given."""
    for name, count in counts.items():
        if count is not None and count < 1:
            option = f"--{name.replace('_', '-')}"
            raise BadInput("command line", option, found=count, expected="at least 1")


def require_period(bundle: Bundle, family: ClawFamily) -> None:
    """Raise `BadInput` where the family is simulated at another rate than the bundle's."""
    found, scene = bundle.manifest.control_period_s, family.scene
    if found != scene.control_period_s:
        expected = f"{scene.control_period_s}, as family {family.name} is simulated"
        where = bundle.path_of(MANIFEST)
        raise BadInput(where, "control_period_s", found=found, expected=expected)


def require_rate(rate_hz: float, period_s: float) -> None:
    """Raise `BadInput` unless a policy's readings are among those of the hand."""
    multiple = rate_hz * period_s
    if rate_hz <= 0 or abs(multiple - round(multiple)) > 1e-6 or round(multiple) < 1:
        expected = f"a whole multiple of the policy's {1.0 / period_s:g} Hz"
        raise BadInput("command line", "--rate", found=rate_hz, expected=expected)


def _check(robot: RobotKind, options: Options) -> None:
    """Raise `BadInput` for options that do not go together."""
    require_counts(
        num_tasks=options.num_tasks,
        num_trials=options.num_trials,
        num_episodes=options.num_episodes,
        max_faults=options.max_faults,
    )
    for name, robots in ONLY_FOR.items():
        value, option = getattr(options, name), f"--{name.replace('_', '-')}"
        if value and robot not in robots:
            expected = f"none: the robot is {robot}"
            raise BadInput("command line", option, found=str(value), expected=expected)
    for name in ("port", "unit"):
        if robot == "serial" and not getattr(options, name):
            expected = "that of the hand"
            raise BadInput("command line", f"--{name}", found="nothing", expected=expected)
    priority = options.realtime_priority
    if priority and not may_use_realtime(priority):
        expected = "0, or the right to use SCHED_FIFO"
        raise BadInput("command line", "--realtime-priority", found=priority, expected=expected)
    if options.resume and options.out is None:
        expected = "the folder to go on in"
        raise BadInput("command line", "--out", found="nothing", expected=expected)
    if options.oracle is not None and options.task is not None:
        expected = "none with --task: an oracle runs on the tasks of a set"
        raise BadInput("command line", "--oracle", found=str(options.oracle), expected=expected)


def _robust(folder: Path, compared: Bundle, spec: RobotSpec) -> Bundle:
    """A bundle without adaptation that performs the same skill at the same rate."""
    baseline = load_bundle(folder, spec, control_period_s=compared.manifest.control_period_s)
    found, where = baseline.manifest, baseline.path_of(MANIFEST)
    if found.adaptation.kind != "none":
        raise BadInput(where, "adaptation.kind", found=found.adaptation.kind, expected="none")
    expected = compared.manifest.skill.name
    if found.skill.name != expected:
        raise BadInput(where, "skill.name", found=found.skill.name, expected=expected)
    return baseline


def _header(
    robot: RobotKind,
    options: Options,
    bundles: Mapping[Role, Bundle],
    spec: RobotSpec,
    chosen: Chosen,
) -> Header:
    evaluated = bundles["evaluated"]
    provenance = {
        "recipe": evaluated.manifest.provenance.recipe,
        "task_set_sha256": chosen.sha256,
        "trained_on_sha256": evaluated.manifest.provenance.task_set_sha256,
        "robot_fingerprint": spec.fingerprint,
        "unit": options.unit,
        "robust": bundles["robust"].digest if "robust" in bundles else "",
        "oracle": "" if options.oracle is None else str(options.oracle),
    }
    return Header(
        bundle_name=evaluated.manifest.name,
        bundle_digest=evaluated.digest,
        robot=robot,
        num_trials=options.num_trials,
        num_episodes=options.num_episodes,
        seed=options.seed,
        tasks={task.name: task.parameters for task in chosen.tasks},
        not_available=_not_available(robot, options, len(chosen.tasks)),
        provenance=provenance,
        git_commit=git_commit(),
    )


def _not_available(robot: RobotKind, options: Options, num_tasks: int) -> dict[str, str]:
    """Conditions that are not measured, and why."""
    reasons: dict[str, str] = {}
    if num_tasks < 2:
        reasons[Condition.WRONG_TASK] = "there is one task only"
    if options.robust is None:
        reasons[Condition.ROBUST] = "no --robust BUNDLE was given"
    if robot != "simulated":
        reasons[Condition.ORACLE] = "it is told the true task, which is known in simulation only"
    elif options.oracle is None:
        reasons[Condition.ORACLE] = "no --oracle RUN was given"
    return reasons


def _journal(options: Options, header: Header) -> Journal:
    if options.out is None:
        return Journal(header)
    open_journal = Journal.resume if options.resume else Journal.begin
    return open_journal(options.out, header)


def _place(options: Options, header: Header) -> RecordingPlace | None:
    """Where recordings go; what an interrupted evaluation left there is made whole."""
    if options.out is None:
        return None
    place = RecordingPlace(folder=options.out / RECORDINGS, header=header, unit=options.unit)
    place.finish_parts()
    return place


def ask_whether_clear(port: str) -> None:
    """Raise `BadInput` unless a person says that the hand may move."""
    try:
        answer = input(f"The hand at {port} will move. Is its workspace clear? [yes/no] ")
    except EOFError:
        answer = ""
    if answer.strip() != "yes":
        raise BadInput("workspace", "answer", found=answer, expected="yes", remedy="or give --yes")


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM ends as Ctrl-C does: torque off, everything saved."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    earlier = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, earlier)


@contextmanager
def _hurried(priority: int) -> Iterator[None]:
    """This thread and all that it starts are scheduled in real time, where asked for.

    All of them: a control loop that waits for the interpreter's lock is as slow as its holder.
    """
    if not priority:
        yield
        return
    require_realtime(priority)
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def _add_oracle(journal: Journal, options: Options, family: ClawFamily, bundle: Path) -> None:
    if any(record.condition == Condition.ORACLE for record in journal.records):
        return
    assert options.oracle is not None
    path = bundle / TASKS if options.tasks is None else options.tasks
    tasks = load_task_set(path).test[: options.num_tasks]
    for record in oracle_records(options.oracle, family, tasks, options.protocol):
        journal.append(record)


def _written(options: Options, journal: Journal) -> dict[str, Any]:
    if options.out is None:
        return results_document(journal.header, journal.records)
    return write_results(options.out, journal.header, journal.records)


def _what_is_missing(evaluation: Evaluation, options: Options) -> str:
    fault, missing = evaluation.journal.records[-1], len(evaluation.missing())
    condition = fault.condition.replace("_", " ")
    advice = "repeat the command with --resume to go on" if options.out else "nothing was saved"
    return (
        f"stopped in {fault.task}, {condition}, episode {fault.episode}: {fault.reason}; "
        f"{missing} episodes are missing: {advice}"
    )
