"""A node of the test beside ours, each in a process of its own, and what they say to each other."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import rclpy
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from taskbelief_interfaces.msg import JointTargets

from sim2real.contract.robot_spec import DCLAW, load_robot_spec
from sim2real.recording.metadata import RecordingMetadata
from sim2real.recording.writer import Recording
from sim2real.runtime.bundle import read_bundle, write_bundle
from taskbelief_hardware.declarations import Service, Topic
from taskbelief_hardware.interfaces import (
    DRIVER,
    PLACE_HAND,
)
from taskbelief_policy.interfaces import (
    BEGIN_EPISODE,
    BEGIN_TRIAL,
    DIRECT,
    POLICY,
    TRIAL_RESULT,
)

SPEC = load_robot_spec()
HOME = SPEC.joint_array("home_rad")
BUNDLE = Path(__file__).resolve().parents[2] / "bundles" / "valve_turn"
PATIENCE_S = 30.0
"""for what comes at once unless the machine is busy"""
ASK_AGAIN_S = 2.0
WATCHDOG_S = 2.5
"""of a patient robot: nearly as long as a servo can be told to wait"""
EMULATED = {"robot": "emulated", "rate_hz": 20.0, "patience_s": 0.5}
"""parameters of a driver that shares a busy machine with its emulated servos"""
MODULES = {
    "driver": "taskbelief_hardware.driver_node",
    "policy": "taskbelief_policy.policy_node",
    "direct": "taskbelief_policy.direct_node",
    "camera": "taskbelief_hardware.camera_node",
}
INTERFACES = {"driver": DRIVER, "policy": POLICY, "direct": DIRECT}


class NodeProcess:
    """One of our nodes as a process; what it prints goes into `log`."""

    def __init__(self, kind: str, folder: Path, namespace: str = "", **parameters: Any) -> None:
        self.name, self.namespace = kind, namespace
        self._num_forgotten = 0
        self._path = folder / f"{kind}{namespace.replace('/', '-')}.log"
        arguments = [word for item in parameters.items() for word in _given(*item)]
        if namespace:
            arguments += ["-r", f"__ns:={namespace}"]
        command = [sys.executable, "-m", MODULES[kind], "--ros-args", *arguments]
        with self._path.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)

    @property
    def log(self) -> str:
        """What it has printed since `forget`."""
        return self._path.read_text(errors="replace")[self._num_forgotten :]

    def forget(self) -> None:
        """What was printed until now is another test's."""
        self._num_forgotten += len(self.log)

    def stop(self, number: int = signal.SIGINT) -> int:
        """Ask it to end; its exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE_S)


def _given(name: str, value: Any) -> tuple[str, str]:
    return "-p", f"{name}:={value}"


class Bench:
    """The test's node, spun by a thread; processes that are started here end with it."""

    def __init__(self, folder: Path, domain_id: int) -> None:
        self.folder = folder
        self.processes: list[NodeProcess] = []
        self._clients: dict[str, Any] = {}
        self._context = rclpy.Context()
        rclpy.init(args=[], context=self._context, domain_id=domain_id)
        self.node = rclpy.create_node("bench", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def _spin(self) -> None:
        with suppress(ExternalShutdownException):
            self._executor.spin()

    def close(self) -> None:
        for process in reversed(self.processes):
            if process.process.poll() is None:
                process.process.send_signal(signal.SIGINT)
        for process in self.processes:
            try:
                process.process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
        self._executor.shutdown()
        self._thread.join(PATIENCE_S)
        self.node.destroy_node()
        self._context.try_shutdown()

    # ---- nodes ---------------------------------------------------------------------------------

    def start(self, kind: str, namespace: str = "", **parameters: Any) -> NodeProcess:
        process = NodeProcess(kind, self.folder, namespace, **parameters)
        self.processes.append(process)
        return process

    def change(self, node: NodeProcess, *labels: str) -> bool:
        """Take a lifecycle node through transitions; whether the last one succeeded."""
        is_done = False
        for label in labels:
            request = ChangeState.Request()
            request.transition.label = label
            is_done = self.ask(ChangeState, f"{_path(node)}/change_state", request).success
        return is_done

    def state(self, node: NodeProcess) -> str:
        answer = self.ask(GetState, f"{_path(node)}/get_state", GetState.Request())
        return answer.current_state.label

    # ---- services and topics -------------------------------------------------------------------

    def call(self, service: Service, namespace: str = "", **fields: Any) -> Any:
        return self.ask(service.type, _in(namespace, service.name), service.type.Request(**fields))

    def ask(self, kind: type, name: str, request: Any) -> Any:
        """A service's answer. Asked again if none comes: a killed server seems to be there still,
        until its lease has run out, and what only it has heard is lost.
        """
        client = self._clients.get(name) or self.node.create_client(kind, name)
        self._clients[name] = client
        futures: list[Any] = []

        def answer() -> Any:
            self._require_life()
            if not client.service_is_ready():
                return None
            if not futures or time.monotonic() - futures[-1][0] > ASK_AGAIN_S:
                futures.append((time.monotonic(), client.call_async(request)))
            return next((future for _, future in futures if future.done()), None)

        return self.wait_for(answer, f"an answer of {name}").result()

    def listen(self, topic: Topic, namespace: str = "") -> list[Any]:
        """What comes on a topic from now on, and what it keeps for whoever joins late."""
        heard: list[Any] = []
        name = _in(namespace, topic.name)
        self.node.create_subscription(topic.type, name, heard.append, topic.recorded)
        return heard

    @contextmanager
    def recording(self, path: Path, topics: Iterable[Topic]) -> Iterator[Counter[str]]:
        """What is said on these topics meanwhile, in a file; what is yielded counts it by topic."""
        counts: Counter[str] = Counter()
        with Recording(path, RecordingMetadata.of(SPEC, robot="simulated")) as recording:
            is_on = True

            def record(name: str, data: bytes) -> None:
                if is_on:
                    recording.write_cdr(name, data, time.time_ns())
                    counts[name] += 1

            for topic in topics:
                take = partial(record, topic.name)
                self.node.create_subscription(
                    topic.type, topic.name, take, topic.recorded, raw=True
                )
            try:
                yield counts
            finally:
                is_on = False

    def publisher(self, topic: Topic, namespace: str = "") -> Any:
        """To a topic that somebody listens to already."""
        publisher = self.node.create_publisher(
            topic.type, _in(namespace, topic.name), topic.offered
        )
        self.wait_for(lambda: publisher.get_subscription_count() > 0, f"a listener to {topic.name}")
        return publisher

    @staticmethod
    def wait_for(condition: Callable[[], Any], what: str, timeout_s: float = PATIENCE_S) -> Any:
        """Until it holds; what it returned then."""
        deadline = time.monotonic() + timeout_s
        while not (found := condition()):
            assert time.monotonic() < deadline, f"waited {timeout_s} s in vain for {what}"
            time.sleep(0.005)
        return found

    def _require_life(self) -> None:
        """Fails at once where a node has failed."""
        for process in self.processes:
            assert process.process.poll() in (None, 0, -signal.SIGKILL), process.log

    # ---- what most tests do --------------------------------------------------------------------

    def graph(self, namespace: str = "", **driver: Any) -> tuple[NodeProcess, NodeProcess]:
        """Driver and policy, configured and active."""
        bundle = driver.pop("bundle", BUNDLE)
        shared = {k: driver[k] for k in ("robot_config", "use_sim_time") if k in driver}
        policy = self.start("policy", namespace, bundle=bundle, **shared)
        hand = self.start("driver", namespace, **{"robot": "simulated", "rate_hz": 20.0} | driver)
        for label in ("configure", "activate"):
            for node in (policy, hand):
                assert self.change(node, label), node.log
        return hand, policy

    def begin_trial(self, namespace: str = "", robot: str = "simulated") -> None:
        answer = self.call(
            BEGIN_TRIAL, namespace, robot=robot, task="test/0", condition="adapted", seed=7
        )
        assert answer.success, answer.message

    def begin_episode(self, namespace: str = "", goal: float = 1.0) -> Any:
        answer = self.call(BEGIN_EPISODE, namespace, seed=3, goal_centre=[goal])
        assert answer.success, answer.message
        return answer

    def place(self, namespace: str = "", valve_rad: float = 0.2) -> Any:
        answer = self.call(
            PLACE_HAND,
            namespace,
            joint_rad=HOME.tolist(),
            moves_object=True,
            object_rad=valve_rad,
        )
        assert answer.success, answer.message
        return answer

    def run_episode(self, namespace: str = "", timeout_s: float = PATIENCE_S) -> Any:
        """One more of the running trial; its result."""
        results = self.listen(TRIAL_RESULT, namespace)
        episode = self.begin_episode(namespace).episode
        mine = lambda: [r for r in results if r.episode == episode]  # noqa: E731
        return self.wait_for(mine, "the episode's result", timeout_s)[0]

    def diagnosis(self, name: str, heard: list[Any]) -> Any:
        """The latest row of that name."""
        rows = [row for message in heard for row in message.status if row.name == name]
        return rows[-1] if rows else None


def _path(node: NodeProcess) -> str:
    return _in(node.namespace, node.name)


def _in(namespace: str, name: str) -> str:
    return f"{namespace}/{name}" if namespace else name


@contextmanager
def bench_in(folder: Path, domain_id: int) -> Iterator[Bench]:
    bench = Bench(folder, domain_id)
    try:
        yield bench
    finally:
        bench.close()


@contextmanager
def emulated_hand(robot: Path = DCLAW, camera: str = "") -> Iterator[str]:
    """A servo bus in a process of its own; its port. A camera's frames are beside it."""
    command = [sys.executable, "-m", "sim2real.cli", "emulate", "--robot", str(robot)]
    command += ["--camera", camera] if camera else []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())["port"]
        finally:
            process.terminate()


def targets(reading: Any, offset_rad: float = 0.0, **changed: Any) -> JointTargets:
    """The answer to a reading: where the joints are, and a little further."""
    fields = {
        "reading_ns": reading.reading_ns,
        "lifespan_s": 0.5,
        "names": list(reading.names),
        "position_rad": [value + offset_rad for value in reading.position_rad],
    }
    return JointTargets(**fields | changed)


def patient_robot(folder: Path, limp_after_s: float = 10.0) -> tuple[Path, Path]:
    """A robot.yaml that forgives a busy machine its delays, and the bundle made for it."""
    path = patient(DCLAW, folder, limp_after_s)
    return path, made_for(path, folder / "bundle")


def patient(robot: Path, folder: Path, limp_after_s: float = 10.0) -> Path:
    """The same robot with limits that forgive a busy machine its delays.

    The limits themselves are tested where time is simulated; here it is what the nodes do at them.
    A process may get no core for two seconds: only a test that waits for the end gives less.
    """
    text = robot.read_text()
    for line, forgiving in (
        ("stale_after_s: 0.1", "stale_after_s: 1.0"),
        ("limp_after_s: 0.3", f"limp_after_s: {limp_after_s}"),
        ("bus_watchdog_s: 0.2", f"bus_watchdog_s: {WATCHDOG_S}"),
    ):
        assert line in text
        text = text.replace(line, forgiving)
    path = folder / "robot.yaml"
    path.write_text(text)
    shutil.copy(robot.with_name("model.xml"), folder)
    return path


def made_for(robot_config: Path, folder: Path, bundle_folder: Path = BUNDLE) -> Path:
    """A bundle, by default a shipped one, as if it had been exported for this robot."""
    import dataclasses

    bundle = read_bundle(bundle_folder)
    fingerprint = load_robot_spec(robot_config).fingerprint
    robot = dataclasses.replace(bundle.manifest.robot, fingerprint=fingerprint)
    write_bundle(folder, dataclasses.replace(bundle.manifest, robot=robot), bundle.files)
    return folder
