"""Evaluations and scripts recorded for real: in simulation, or on an emulated hand's own time."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path

from sim2real.contract.robot_spec import load_robot_spec
from sim2real.evaluation.direct import open_direct
from sim2real.evaluation.evaluate import Evaluation
from sim2real.evaluation.hands import lock_step_hand, simulated_hand
from sim2real.evaluation.header import Header
from sim2real.evaluation.journal import Journal
from sim2real.evaluation.protocol import TrialProtocol
from sim2real.evaluation.recorder import RECORDINGS, RecordingPlace
from sim2real.evaluation.results import write_results
from sim2real.gap.excitation import RECORD, Script, excitation_record
from sim2real.gap.excite import excite
from sim2real.recording.background import BackgroundRecording
from sim2real.recording.metadata import RecordingMetadata
from sim2real.recording.writer import Recording
from sim2real.runtime.bundle import Bundle
from training.benches.bench_tasks import bench_task
from training.benches.emulate import dynamics_of
from training.families.valve import VALVE_TURN
from training.tasks.task import Task
from training.tasks.task_set import draw_task_set

SPEC = load_robot_spec()
TASKS = draw_task_set(VALVE_TURN, seed=11, num_train=1, num_test=3).test
PROTOCOL = TrialProtocol(num_episodes=2)
SHORT = Script(num_steps=2, hold_s=0.5, swing_hz=(2.0,), approach_s=0.5, rest_s=0.2)


@contextmanager
def hand_with(task: Task, robot: str, rate_hz: float):
    """A hand with a task's dynamics; a simulated one is read as often as it is commanded."""
    if robot == "emulated":
        yield lock_step_hand(SPEC, rate_hz, dynamics_of(task))[0]
    else:
        with simulated_hand(SPEC, bench_task(VALVE_TURN.scene, task, 0), 1.0 / rate_hz) as hand:
            yield hand


def record_evaluation(
    folder: Path, bundle: Bundle, robot: str, *, tasks: tuple[Task, ...] = TASKS
) -> Path:
    """What `taskbelief evaluate --out` leaves in a folder."""
    bench_tasks = [bench_task(VALVE_TURN.scene, task, row) for row, task in enumerate(tasks)]
    header = Header(
        bundle_name=bundle.manifest.name,
        bundle_digest=bundle.digest,
        robot=robot,
        num_trials=PROTOCOL.num_trials,
        num_episodes=PROTOCOL.num_episodes,
        seed=PROTOCOL.seed,
        tasks={task.name: task.parameters for task in tasks},
        not_available={},
        provenance={},
        git_commit="",
    )
    place = RecordingPlace(folder=folder / RECORDINGS, header=header)
    by_name = {task.name: task for task in tasks}

    @contextmanager
    def open_session(task, one):
        rate_hz = 50.0 if robot == "emulated" else 1.0 / one.manifest.control_period_s
        with (
            hand_with(by_name[task.name], robot, rate_hz) as hand,
            open_direct(hand, one, SPEC, place) as session,
        ):
            yield session

    evaluation = Evaluation(
        robot=robot,
        tasks=bench_tasks,
        bundles={"evaluated": bundle},
        protocol=PROTOCOL,
        open_session=open_session,
        journal=Journal.begin(folder, header),
    )
    assert evaluation.run()
    write_results(folder, header, evaluation.journal.records)
    return folder


def record_script(path: Path, robot: str, *, task: Task = TASKS[0], script: Script = SHORT) -> Path:
    """What `taskbelief excite` writes."""
    metadata = RecordingMetadata.of(SPEC, robot=robot)
    record = excitation_record(task.name, task.parameters)
    plan = bench_task(VALVE_TURN.scene, task, 0).plan(0)
    recording = Recording(path, metadata, more={RECORD: record})
    with hand_with(task, robot, 50.0) as hand, BackgroundRecording(recording) as background:
        excite(hand, SPEC, script, plan, background)
    return path
