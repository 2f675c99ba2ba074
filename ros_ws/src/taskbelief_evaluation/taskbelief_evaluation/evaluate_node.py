"""Runs the episodes of a plan over a graph whose nodes run but are not configured yet.

It takes driver and policy through their lifecycle, puts each task on the bench (another emulator
where the hand is emulated), calls the services that place the hand and begin episodes, records
every trial, and notes each episode before the next one begins. Started again with the same plan and
folder it goes on with what is missing. Ends with 0 when nothing is, 1 when something is, 2 for
input that makes no sense, 130 when it was told to stop (SIGINT). SIGTERM says that something of the
graph has died: it is noted as a fault of the episode that runs.

subscribes  joint_targets      JointTargets     reliable, last 1
subscribes  belief             TaskBelief       reliable, latched, last 1
subscribes  policy_step        PolicyStep       reliable, last 10
subscribes  policy_frame       PolicyFrame      reliable, last 10
subscribes  episode_start      EpisodeStart     reliable, latched, last 10
subscribes  trial_result       TrialResult      reliable, latched, last 10
subscribes  bundle_info        BundleInfo       reliable, latched, last 1
subscribes  diagnostics        DiagnosticArray  reliable, last 10
subscribes  hand_reading       HandReading      best effort, last 5
subscribes  joint_states       JointState       reliable, last 10
subscribes  servo_states       ServoStateArray  best effort, last 5
subscribes  control_tick       ControlTick      reliable, last 10
subscribes  safety_event       SafetyEvent      reliable, latched, last 10
subscribes  robot_description  String           reliable, latched, last 1
calls       place_hand         PlaceHand        bring hand and valve to where an episode starts
calls       begin_trial        BeginTrial       forget the task: a new one is on the bench
calls       begin_episode      BeginEpisode     start from where hand and valve are now
calls       freeze_belief      FreezeBelief     let nothing become evidence, or let it again
calls       get_belief         GetBelief        all that is carried about the task
calls       set_belief         SetBelief        go on from what was remembered about a task
parameter   plan               ''               JSON file of tasks and episodes, as `taskbelief
                                                plan` writes it; has to be given
parameter   out                ''               folder for journal, results and recordings; goes on
                                                with what it holds
parameter   bundle             ''               folder of the bundle
parameter   topology           'two_processes'  which nodes are there: driver and policy, or both in
                                                one
parameter   faults             ''               YAML plan of faults of the emulated hands; empty:
                                                none
parameter   max_faults         1                faults after which it stops
parameter   robot              ''               which kind of robot
parameter   unit               'emulated'       whose calibration to use; a serial robot's own has
                                                to be given
parameter   port               ''               serial port of the hand; none where it is simulated
parameter   robot_config       ''               path of a robot.yaml; empty: the D'Claw's
parameter   realtime_priority  0                SCHED_FIFO priority of the process; 0: as any other
"""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path
from types import FrameType

from rclpy.node import Node
from rich.console import Console

from sim2real.bringup.graph import EmulatorSpec, camera_of
from sim2real.contract.errors import BadInput
from sim2real.contract.robot_spec import DCLAW, RobotSpec, load_robot_spec
from sim2real.evaluation.evaluate import Evaluation
from sim2real.evaluation.header import TRUE_TASK_UNKNOWN, Header
from sim2real.evaluation.journal import Journal
from sim2real.evaluation.live import LiveView
from sim2real.evaluation.plan_file import EvaluationPlan, read_plan
from sim2real.evaluation.protocol import Condition
from sim2real.evaluation.recorder import HEADER_RECORD, RECORDINGS, RecordingPlace, free_name
from sim2real.evaluation.results import write_results
from sim2real.evaluation.session import EpisodeFault
from sim2real.evaluation.summary import show_results
from sim2real.recording import messages
from sim2real.recording.cdr import encode
from sim2real.recording.topics import TOPICS
from sim2real.runtime.bundle import Bundle
from sim2real.runtime.kinds.registry import quantities_of
from sim2real.runtime.policy_runner import EpisodeOutcome, TrialLabels
from sim2real.runtime.verify import load_bundle
from taskbelief_evaluation.calls import Caller
from taskbelief_evaluation.episode_watch import EpisodeWatch
from taskbelief_evaluation.interfaces import EVALUATOR
from taskbelief_evaluation.recorder import Recorder
from taskbelief_evaluation.ros_bench import RosBench
from taskbelief_evaluation.ros_session import Recordings, RosSession
from taskbelief_evaluation.spinning import spinning
from taskbelief_evaluation.tap import Take, Tap
from taskbelief_hardware.parameters import declare
from taskbelief_hardware.starting import start_ros

HAND_LOG = "emulated_hand.log"
"""in the evaluation's folder: what the emulators say"""
CONTROL_NODES = {"two_processes": ("driver", "policy"), "one_process": ("direct",)}
"""by topology, in the order in which they are let go of"""


class Orders:
    """What signals say: SIGINT, to stop; SIGTERM, that something of the graph has died."""

    def __init__(self) -> None:
        self.graph_is_lost = self._is_told = self._is_noted = False
        signal.signal(signal.SIGINT, self._take)
        signal.signal(signal.SIGTERM, self._take)

    def check(self) -> None:
        """Called while something is waited for. The loss is a fault once, then there is no more."""
        if self._is_told or self._is_noted:
            raise KeyboardInterrupt
        if self.graph_is_lost:
            self._is_noted = True
            raise EpisodeFault("graph_lost", "SIGTERM: a node of the graph has died")

    def _take(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGTERM:
            self.graph_is_lost = True
        else:
            self._is_told = True


class TrialRecordings(Recordings):
    """One file per trial, in the place and under the name that every evaluation gives it."""

    def __init__(self, recorder: Recorder, place: RecordingPlace, take: Take) -> None:
        self._recorder, self._place, self._take = recorder, place, take

    def begin_trial(self, labels: TrialLabels) -> None:
        self.name = free_name(self._place.folder, labels)
        more = {HEADER_RECORD: {"header": self._place.header.to_json()}}
        self._recorder.begin(self._place.folder / self.name, more)

    def note(self, outcome: EpisodeOutcome) -> None:
        now_ns = time.time_ns()
        message = messages.trial_result_message(outcome, now_ns)
        self._take("trial_result", encode(TOPICS["trial_result"].type, message), now_ns)

    def sync(self) -> None:
        self._recorder.sync()


class EvaluateNode(Node):  # type: ignore[misc]
    """What the evaluation needs, made of the node's parameters. Raises `BadInput`."""

    def __init__(self) -> None:
        super().__init__("evaluator")
        given = declare(self, EVALUATOR.parameters)
        text = {name: str(value) for name, value in given.items()}
        config = text["robot_config"]
        self.spec = load_robot_spec(Path(config) if config else DCLAW)
        self.bundle = load_bundle(Path(text["bundle"]), self.spec)
        self.plan = read_plan(Path(text["plan"]))
        self.robot, self.unit, self.out = text["robot"], text["unit"], Path(text["out"])
        self.max_faults = int(given["max_faults"])
        self.control_nodes = CONTROL_NODES[text["topology"]]
        self.emulator = None
        if self.robot == "emulated":
            self.emulator = EmulatorSpec(
                link=text["port"],
                robot_config=config,
                faults=text["faults"],
                camera=camera_of(self.bundle),
                realtime_priority=int(given["realtime_priority"]),
            )


def main() -> None:
    """Run the node."""
    try:
        start_ros()
        node = EvaluateNode()
        journal = Journal.resume(node.out, header_of(node))
    except BadInput as error:
        print(f"evaluate: {error}", file=sys.stderr)
        sys.exit(2)
    sys.exit(_run(node, journal))


def _run(node: EvaluateNode, journal: Journal) -> int:
    orders = Orders()
    place = RecordingPlace(folder=node.out / RECORDINGS, header=journal.header, unit=node.unit)
    place.finish_parts()
    console = Console(highlight=False, soft_wrap=True)
    view = LiveView(console)
    recorder = Recorder(node.spec, robot=node.robot, unit=node.unit, namespace=node.get_namespace())
    watch = EpisodeWatch(view.step_taken)

    def take(topic: str, message: bytes, published_ns: int) -> None:
        recorder.take(topic, message, published_ns)
        watch.take(topic, message)

    tap = Tap(node, take, recorder.lose)
    caller = Caller(node, orders.check)
    bench = RosBench(
        caller,
        node.control_nodes,
        node.bundle,
        lambda: RosSession(
            caller,
            watch,
            TrialRecordings(recorder, place, take),
            node.bundle,
        ),
        watch.latest_reason,
        emulator=node.emulator,
        log=node.out / HAND_LOG,
    )
    evaluation = Evaluation(
        robot=node.robot,
        tasks=node.plan.bench_tasks(),
        bundles={"evaluated": node.bundle},
        protocol=node.plan.protocol,
        open_session=bench.session,
        journal=journal,
        observers=(view,),
        max_faults=node.max_faults,
    )
    view.num_episodes = len(evaluation.missing())
    view.quantities = quantities_of(node.bundle.manifest)
    view.knows_truth = node.robot != "serial"
    try:
        with spinning(node), view:
            evaluation.run()
    except KeyboardInterrupt:
        return 1 if orders.graph_is_lost else 130
    finally:
        tap.drain()
        recorder.close()
        if tap.complaint:
            node.get_logger().warning(tap.complaint)
        document = write_results(node.out, journal.header, journal.records)
    show_results(console, document)
    return 1 if evaluation.missing() else 0


def header_of(node: EvaluateNode) -> Header:
    """What is measured."""
    return _header(node.robot, node.unit, node.bundle, node.spec, node.plan)


def _header(robot: str, unit: str, bundle: Bundle, spec: RobotSpec, plan: EvaluationPlan) -> Header:
    return Header.of(
        bundle,
        spec,
        tasks={task.name: task.parameters for task in plan.tasks},
        robot=robot,
        unit=unit,
        num_trials=plan.num_trials,
        num_episodes=plan.num_episodes,
        seed=plan.seed,
        task_set_sha256=plan.task_set_sha256,
        not_available={
            Condition.ROBUST: "the graph has one bundle loaded",
            Condition.ORACLE: TRUE_TASK_UNKNOWN,
        },
    )
