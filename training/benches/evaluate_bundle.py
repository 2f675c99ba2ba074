"""`taskbelief evaluate`: what a bundle is worth on a simulated, an emulated or a real hand."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import tyro
from rich.console import Console

from sim2real.contract.errors import BadInput
from sim2real.contract.output_file import unless_refused
from sim2real.contract.robot_spec import RobotSpec, load_robot_spec
from sim2real.emulator.faults import load_fault_plan
from sim2real.evaluation.evaluate import Evaluation
from sim2real.evaluation.header import TRUE_TASK_UNKNOWN, Header
from sim2real.evaluation.journal import JOURNAL, Journal
from sim2real.evaluation.live import LiveSteps, LiveView
from sim2real.evaluation.protocol import Condition
from sim2real.evaluation.recorder import RECORDINGS, RecordingPlace
from sim2real.evaluation.results import EPISODES, RESULTS, results_document, write_results
from sim2real.evaluation.schedule import Role
from sim2real.evaluation.summary import show_results
from sim2real.report.write import write_report
from sim2real.runtime.bundle import MANIFEST, TASKS, Bundle
from sim2real.runtime.kinds.registry import quantities_of
from sim2real.runtime.realtime import require_realtime
from sim2real.runtime.verify import load_bundle
from training.benches.measure import require_period
from training.benches.open_bench import (
    Bench,
    Chosen,
    RobotKind,
    ask_whether_clear,
    choose_tasks,
)
from training.benches.options import AS_IT_IS, Options, check_options, say_what_is_untrained
from training.benches.oracle import load_oracle, oracle_records
from training.families.claw import ClawFamily
from training.families.registry import claw_family
from training.tasks.task_set import load_task_set


def evaluate(
    bundle: Annotated[Path, tyro.conf.Positional],
    robot: RobotKind = "simulated",
    options: Annotated[Options, tyro.conf.arg(name="")] = AS_IT_IS,
) -> int:
    """Evaluate BUNDLE on held-out tasks, adapted and with its belief taken away.

    Args:
        bundle: the folder of a bundle.
        robot: in MuJoCo as fast as it goes, on an emulated servo bus in real time, or on a real
            hand.
        options: what is measured, and where it goes.
    """
    check_options(robot, options)
    with unless_refused(*_files(options.out), has_begun=lambda: _has_episodes(options.out)):
        return _evaluate(bundle, robot, options)


def _files(out: Path | None) -> tuple[Path, ...]:
    """What an evaluation makes before its first episode, and when it ends before that."""
    names = (JOURNAL, RECORDINGS, EPISODES, RESULTS)
    return () if out is None else (out, *(out / name for name in names))


def _has_episodes(out: Path | None) -> bool:
    """Whether the journal holds more than what is measured."""
    journal = None if out is None else out / JOURNAL
    return journal is not None and journal.is_file() and journal.read_bytes().count(b"\n") > 1


def _evaluate(bundle: Path, robot: RobotKind, options: Options) -> int:
    view = LiveView(Console(highlight=False, soft_wrap=True))
    evaluation, family = _evaluation(bundle, robot, options, view)
    if robot == "serial" and not options.yes:
        ask_whether_clear(options.port)
    journal = evaluation.journal
    bundle_settings = evaluation.bundles["evaluated"].settings()
    say_what_is_untrained(bundle_settings, evaluation.protocol.num_episodes)
    view.num_episodes = len(evaluation.missing())
    view.quantities = quantities_of(evaluation.bundles["evaluated"].manifest)
    try:
        with _terminable(), _hurried(options.realtime_priority), view:
            evaluation.run()
        if robot == "simulated" and options.oracle is not None and not evaluation.missing():
            _add_oracle(evaluation, options, family, bundle)
    finally:
        document = _written(options, journal)
    show_results(view.console, document)
    if evaluation.missing():
        print(f"taskbelief evaluate: {_what_is_missing(evaluation, options)}", file=sys.stderr)
        return 1
    if options.out is not None:
        view.console.print(
            f"report: {write_report(options.out, spec=load_robot_spec(options.robot_config))}"
        )
    return 0


def _evaluation(
    folder: Path, robot: RobotKind, options: Options, view: LiveView
) -> tuple[Evaluation, ClawFamily]:
    """Everything that is needed, opened and held to each other; and the family of the tasks."""
    spec = load_robot_spec(options.robot_config)
    bundle = load_bundle(folder, spec)
    family = claw_family(bundle.manifest.provenance.family, bundle.path_of(MANIFEST), spec)
    require_period(bundle, family)
    bundles: dict[Role, Bundle] = {"evaluated": bundle}
    if options.robust is not None:
        bundles["robust"] = _robust(options.robust, bundle, spec)
    chosen = choose_tasks(
        robot,
        family,
        folder / TASKS,
        task=options.task,
        tasks=options.tasks,
        num_tasks=options.num_tasks,
    )
    if robot == "simulated" and options.oracle is not None:
        load_oracle(options.oracle, family)
    if options.faults is not None:
        load_fault_plan(options.faults)
    rate_hz = options.rate_hz(bundle.manifest.control_period_s)
    journal = _journal(options, _header(robot, options, bundles, spec, chosen))
    bench = Bench(
        robot=robot,
        spec=spec,
        place=_place(options, journal.header),
        port=options.port,
        unit=options.unit,
        rate_hz=rate_hz,
        may_recover=options.max_faults > 1,
        realtime_priority=options.realtime_priority,
        faults=options.faults,
        on_step=LiveSteps(view).step,
        device=options.camera,
    )
    evaluation = Evaluation(
        robot=robot,
        tasks=chosen.tasks,
        bundles=bundles,
        protocol=options.protocol(bundle),
        open_session=bench.session,
        journal=journal,
        observers=() if options.quiet else (view,),
        max_faults=options.max_faults,
    )
    return evaluation, family


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
    return Header.of(
        bundles["evaluated"],
        spec,
        tasks={task.name: task.parameters for task in chosen.tasks},
        robot=robot,
        unit=options.unit,
        num_trials=options.num_trials,
        num_episodes=options.protocol(bundles["evaluated"]).num_episodes,
        seed=options.seed,
        task_set_sha256=chosen.sha256,
        not_available=_not_available(robot, options),
        robust=bundles["robust"].digest if "robust" in bundles else "",
        oracle="" if options.oracle is None else str(options.oracle),
    )


def _not_available(robot: RobotKind, options: Options) -> dict[Condition, str]:
    """Conditions that these options do not measure, and why."""
    reasons: dict[Condition, str] = {}
    if options.robust is None:
        reasons[Condition.ROBUST] = "no --robust BUNDLE was given"
    if robot != "simulated":
        reasons[Condition.ORACLE] = TRUE_TASK_UNKNOWN
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


def _add_oracle(evaluation: Evaluation, options: Options, family: ClawFamily, bundle: Path) -> None:
    journal = evaluation.journal
    if any(record.condition == Condition.ORACLE for record in journal.records):
        return
    assert options.oracle is not None
    path = bundle / TASKS if options.tasks is None else options.tasks
    tasks = load_task_set(path).test[: options.num_tasks]
    for record in oracle_records(options.oracle, family, tasks, evaluation.protocol):
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
