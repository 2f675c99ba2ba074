"""The node graph as data: what runs, with which parameters, and in which order it comes up.

`taskbelief bringup` and the launch files make the same graph from here. Everything that a person
may have got wrong is found before the first process is started.
"""

from __future__ import annotations

import json
import math
import os
import re
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from sim2real.contract import strict
from sim2real.contract.errors import BadInput
from sim2real.contract.robot_spec import DCLAW, RobotSpec, load_robot_spec
from sim2real.evaluation.plan_file import read_plan
from sim2real.hardware.calibration import load_calibration
from sim2real.runtime.bundle import Bundle
from sim2real.runtime.verify import load_bundle

RobotKind = Literal["emulated", "serial", "simulated"]
Topology = Literal["two_processes", "one_process"]
Value = bool | int | float | str
HERE = "command line"
EMULATED_UNIT = "emulated"


@dataclass(frozen=True, kw_only=True)
class NodeSpec:
    """One node, as a process of its own."""

    package: str
    executable: str
    name: str
    namespace: str
    """empty, or absolute as in "/left" """
    parameters: Mapping[str, Value]
    is_managed: bool
    """a lifecycle node: it does nothing until it is configured and activated"""
    is_required: bool = True
    """its death takes the graph down"""
    is_main: bool = False
    """its end is the end of the graph, with its exit code"""

    @property
    def full_name(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def arguments(self) -> list[str]:
        """What its process is started with."""
        remaps = ["-r", f"__node:={self.name}"]
        if self.namespace:
            remaps += ["-r", f"__ns:={self.namespace}"]
        settings = [
            word
            for name, value in self.parameters.items()
            for word in ("-p", f"{name}:={json.dumps(value)}")  # JSON is YAML, strings quoted
        ]
        return ["--ros-args", *remaps, *settings, "--enclave", self.full_name]


@dataclass(frozen=True, kw_only=True)
class EmulatorSpec:
    """The emulated hand's process; no ROS node."""

    link: str
    """path to its port: the driver's `port`"""
    robot_config: str = ""
    """a robot.yaml; empty: the D'Claw's"""
    task: str = ""
    """FILE:INDEX of a saved task set; empty: the nominal hand and valve"""
    faults: str = ""
    """a YAML plan of faults; empty: none"""
    realtime_priority: int = 0
    """of its process, SCHED_FIFO; 0: none"""
    camera: str = ""
    """that delivers frames beside the port; empty: none"""

    @property
    def command(self) -> list[str]:
        """What its process is started with."""
        options = {
            "robot": self.robot_config,
            "task": self.task,
            "faults": self.faults,
            "camera": self.camera,
        }
        given = [word for name, value in options.items() if value for word in (f"--{name}", value)]
        return [sys.executable, "-m", "sim2real.cli", "emulate", "--link", self.link, *given]


@dataclass(frozen=True, kw_only=True)
class Transition:
    """One step of coming up: a lifecycle node's."""

    node: str
    """its full name"""
    label: Literal["configure", "activate"]


@dataclass(frozen=True, kw_only=True)
class Graph:
    """What runs. Nodes are started in order, then taken through the transitions in order.

    It comes down the other way round from what moves: driver first, whoever records last.
    """

    nodes: tuple[NodeSpec, ...]
    transitions: tuple[Transition, ...]
    emulator: EmulatorSpec | None = None

    def node(self, name: str) -> NodeSpec:
        """By its own name."""
        return next(node for node in self.nodes if node.name == name)

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Graph:
        """Raises `BadInput` for anything that is no graph."""
        try:
            document: Any = json.loads(text)
        except ValueError as error:
            raise BadInput("graph", "JSON", found=str(error), expected="a graph") from None
        return strict.build(cls, document, "graph")


def dclaw_graph(
    *,
    robot: RobotKind,
    bundle: str,
    unit: str = "",
    port: str = "",
    rate_hz: float = 100.0,
    record: str = "",
    topology: Topology = "two_processes",
    namespace: str = "",
    robot_config: str = "",
    task: str = "",
    faults: str = "",
    realtime_priority: int = 0,
    camera: str = "",
) -> Graph:
    """Driver, policy and whatever they need; a camera's node where the policy sees.

    `unit` names the calibration (empty: the emulated hand's), `port` the serial port or the place
    of the emulated one (empty: `default_link`), `record` a folder for recordings (empty: none).
    `task` and `faults` are the emulated hand's. `realtime_priority` (SCHED_FIFO) is that of the
    loop, the policy and the emulated hand, 0: none. `camera` is the video device of a serial
    robot's camera, or "topic" where another node publishes its images. Raises `BadInput` for
    whatever does not fit.
    """
    namespace = _absolute(namespace)
    _require_choice("--robot", robot, RobotKind)
    _require_choice("--topology", topology, Topology)
    spec = load_robot_spec(Path(robot_config) if robot_config else DCLAW)
    loaded = load_bundle(Path(bundle), spec)
    require_rate(loaded, rate_hz)
    place = _place(spec, robot, unit, port, namespace)
    if robot != "emulated":
        for option, value in (("--task", task), ("--faults", faults)):
            if value:
                expected = f"nothing: a {robot} robot is not emulated"
                raise BadInput(HERE, option, found=value, expected=expected)
    driver: dict[str, Value] = {"robot": robot, "rate_hz": float(rate_hz), **place}
    shared: dict[str, Value] = {"robot_config": robot_config} if robot_config else {}
    urgent = shared | ({"realtime_priority": realtime_priority} if realtime_priority else {})
    nodes = [*_control_nodes(topology, namespace, driver, str(bundle), urgent)]
    transitions = _coming_up(nodes)
    nodes += _camera_nodes(
        loaded, spec, robot, str(place.get("port", "")), camera, namespace, shared
    )
    if record:
        nodes.append(_recorder(namespace, record, robot, place["unit"], shared))
    emulator = None
    if robot == "emulated":
        link = str(place["port"])
        emulator = EmulatorSpec(
            link=link,
            robot_config=robot_config,
            task=task,
            faults=faults,
            realtime_priority=realtime_priority,
            camera=camera_of(loaded),
        )
    return Graph(nodes=tuple(nodes), transitions=transitions, emulator=emulator)


def camera_of(bundle: Bundle) -> str:
    """The name of the camera that a policy sees through; empty for one that is blind."""
    camera = bundle.manifest.camera
    return "" if camera is None else camera.name


def evaluation_graph(base: Graph, *, plan: str, out: str, max_faults: int = 1) -> Graph:
    """The nodes of `dclaw_graph` with the one that evaluates the policy on them, and ends them.

    It takes them through their lifecycle itself, and puts one emulated hand after the other behind
    the port. `plan` is a file of `taskbelief plan`, `out` the evaluation's folder. Raises
    `BadInput` for a plan that cannot be read and for a hand that no task can be put on.
    """
    driver = base.nodes[0].parameters
    if driver["robot"] == "simulated":
        expected = "emulated or serial: `taskbelief evaluate` runs on simulated hands"
        raise BadInput(HERE, "--robot", found="simulated", expected=expected)
    if base.emulator is not None and base.emulator.task:
        expected = "none: the plan names the tasks"
        raise BadInput(HERE, "--task", found=base.emulator.task, expected=expected)
    if any(node.name == "recorder" for node in base.nodes):
        expected = "none: an evaluation records each trial in its own folder"
        raise BadInput(HERE, "--record", found="a folder", expected=expected)
    read_plan(Path(plan))
    parameters: dict[str, Value] = {
        "plan": plan,
        "out": out,
        "max_faults": max_faults,
        "bundle": next(n.parameters["bundle"] for n in base.nodes if "bundle" in n.parameters),
        "topology": "one_process" if base.nodes[0].name == "direct" else "two_processes",
    }
    if base.emulator is not None and base.emulator.faults:
        parameters["faults"] = base.emulator.faults
    for name in ("robot", "unit", "port", "robot_config", "realtime_priority"):
        if name in driver:
            parameters[name] = driver[name]
    evaluator = NodeSpec(
        package="taskbelief_evaluation",
        executable="evaluate_node",
        name="evaluator",
        namespace=base.nodes[0].namespace,
        parameters=parameters,
        is_managed=False,
        is_main=True,
    )
    return Graph(nodes=(*base.nodes, evaluator), transitions=())


@dataclass(frozen=True, kw_only=True)
class Argument:
    """An argument of a launch file; all are text there."""

    name: str
    purpose: str
    default: str = ""
    choices: tuple[str, ...] = ()
    is_required: bool = False


_SHARED_ARGUMENTS = (
    Argument(name="bundle", purpose="folder of the bundle", is_required=True),
    Argument(name="unit", purpose="whose calibration to use; has to be given for robot:=serial"),
    Argument(name="port", purpose="serial port; for robot:=emulated where its port shall be found"),
    Argument(
        name="rate",
        purpose="readings per second, Hz; a whole multiple of the policy's rate",
        default="100.0",
    ),
    Argument(
        name="topology",
        purpose="driver and policy as two processes, or one with DDS outside the control path",
        default="two_processes",
        choices=get_args(Topology),
    ),
    Argument(name="namespace", purpose="of all topics and services, one per robot"),
    Argument(
        name="camera",
        purpose="video device of a serial hand's camera, or topic; only of a policy that sees",
    ),
)
DCLAW_ARGUMENTS = (
    Argument(
        name="robot", purpose="which kind of robot", choices=get_args(RobotKind), is_required=True
    ),
    *_SHARED_ARGUMENTS,
    Argument(name="record", purpose="folder for MCAP recordings; empty: none"),
    Argument(name="task", purpose="FILE:INDEX, dynamics of the emulated hand; empty: nominal"),
)


EVALUATION_ARGUMENTS = (
    Argument(
        name="robot",
        purpose="which kind of robot",
        choices=("emulated", "serial"),
        is_required=True,
    ),
    *_SHARED_ARGUMENTS,
    Argument(name="plan", purpose="file of tasks and episodes: taskbelief plan", is_required=True),
    Argument(
        name="out",
        purpose="folder for journal, results and recordings; goes on with what it holds",
        is_required=True,
    ),
)


def evaluation_graph_from(given: Mapping[str, str]) -> Graph:
    """`evaluation_graph` of a launch file's arguments. Raises `BadInput`."""
    others = {name: value for name, value in given.items() if name not in ("plan", "out")}
    return evaluation_graph(dclaw_graph_from(others), plan=given["plan"], out=given["out"])


def dclaw_graph_from(given: Mapping[str, str]) -> Graph:
    """`dclaw_graph` of a launch file's arguments. Raises `BadInput`."""
    others = {name: value for name, value in given.items() if name != "rate"}
    return dclaw_graph(**others, rate_hz=_number("rate", given["rate"]))  # type: ignore[arg-type]


def require_rate(bundle: Bundle, rate_hz: float) -> None:
    """Raise `BadInput` unless the hand is read at a whole multiple of the policy's rate."""
    policy_hz = 1.0 / bundle.manifest.control_period_s
    multiple = rate_hz / policy_hz
    # Negated, so that NaN is no multiple either.
    if not (multiple > 0.5 and abs(math.remainder(multiple, 1.0)) <= 1e-6):
        expected = f"a whole multiple of the policy's {policy_hz:g} Hz"
        raise BadInput(HERE, "--rate", found=rate_hz, expected=expected)


def default_link(namespace: str = "") -> str:
    """Where the emulated hand's port is found if nobody says otherwise.

    One place per domain and namespace, as nodes of the same names may run in each.
    """
    words = namespace.strip("/").split("/") if namespace else []
    return str(domain_folder() / ".".join([*words, "port"]))  # no name has a dot in it


def domain_folder() -> Path:
    """Where what runs in this ROS domain is found on this machine."""
    runtime = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
    domain = os.environ.get("ROS_DOMAIN_ID") or "0"
    return Path(runtime) / f"taskbelief-{os.getuid()}" / f"domain-{domain}"


def _control_nodes(
    topology: Topology,
    namespace: str,
    driver: Mapping[str, Value],
    bundle: str,
    shared: Mapping[str, Value],
) -> list[NodeSpec]:
    """Whoever closes the loop: two processes with DDS between them, or one."""
    if topology == "one_process":
        return [
            NodeSpec(
                package="taskbelief_policy",
                executable="direct_node",
                name="direct",
                namespace=namespace,
                parameters={"bundle": bundle, **driver, **shared},
                is_managed=True,
            )
        ]
    return [
        NodeSpec(
            package="taskbelief_hardware",
            executable="driver_node",
            name="driver",
            namespace=namespace,
            parameters={**driver, **shared},
            is_managed=True,
        ),
        NodeSpec(
            package="taskbelief_policy",
            executable="policy_node",
            name="policy",
            namespace=namespace,
            parameters={"bundle": bundle, **shared},
            is_managed=True,
        ),
    ]


def _coming_up(nodes: list[NodeSpec]) -> tuple[Transition, ...]:
    """All are configured before torque is switched on by the first, the driver, being activated."""
    labels: tuple[Literal["configure", "activate"], ...] = ("configure", "activate")
    return tuple(Transition(node=node.full_name, label=label) for label in labels for node in nodes)


FROM_TOPIC = "topic"
"""for --camera: another node publishes the images, as any camera driver does"""


def _camera_nodes(
    bundle: Bundle,
    spec: RobotSpec,
    robot: RobotKind,
    port: str,
    device: str,
    namespace: str,
    shared: Mapping[str, Value],
) -> list[NodeSpec]:
    """The driver of the camera that the policy sees through; none for one that is blind."""
    camera = bundle.manifest.camera
    if camera is None or robot != "serial":
        if device:
            blind = "nothing: the policy is blind"
            expected = blind if camera is None else f"nothing: a {robot} robot has its own camera"
            raise BadInput(HERE, "--camera", found=device, expected=expected)
        if camera is None:
            return []
    if robot == "simulated":
        expected = "emulated or serial: over ROS a simulated robot has no camera"
        raise BadInput(HERE, "--robot", found=robot, expected=expected)
    if robot == "serial" and not device:
        expected = f"the video device of camera {camera.name}, or {FROM_TOPIC}"
        raise BadInput(HERE, "--camera", found="nothing", expected=expected)
    if device == FROM_TOPIC:
        return []
    is_emulated = robot == "emulated"
    parameters: dict[str, Value] = {
        "camera": camera.name,
        "source": "emulated" if is_emulated else "v4l2",
        "at": port if is_emulated else device,
    }
    if is_emulated:
        from sim2real.hardware.physics_model import load_physics_model  # only this needs physics

        model = load_physics_model(spec)
        parameters["fovy_rad"] = math.radians(
            model.cam_fovy[model.camera(camera.physics_camera).id]
        )
    return [
        NodeSpec(
            package="taskbelief_hardware",
            executable="camera_node",
            name="camera",
            namespace=f"{namespace}/{camera.name}",
            parameters={**parameters, **shared},
            is_managed=False,
        )
    ]


def _recorder(
    namespace: str, folder: str, robot: str, unit: Value, shared: Mapping[str, Value]
) -> NodeSpec:
    return NodeSpec(
        package="taskbelief_evaluation",
        executable="recorder_node",
        name="recorder",
        namespace=namespace,
        parameters={"folder": folder, "robot": robot, "unit": unit, **shared},
        is_managed=False,
    )


def _place(
    spec: RobotSpec, robot: RobotKind, unit: str, port: str, namespace: str
) -> dict[str, Value]:
    """The driver's port and unit, checked."""
    if robot == "simulated":
        if port:
            expected = "nothing: a simulated robot has no port"
            raise BadInput(HERE, "--port", found=port, expected=expected)
        return {"unit": unit or EMULATED_UNIT}
    if robot == "serial":
        for option, value in (("--port", port), ("--unit", unit)):
            if not value:
                raise BadInput(HERE, option, found="nothing", expected="one, for a serial robot")
        if not Path(port).exists():
            raise BadInput(HERE, "--port", found=port, expected="a serial port that is there")
    unit = unit or EMULATED_UNIT
    load_calibration(spec, unit)
    return {"unit": unit, "port": port or default_link(namespace)}


def _absolute(namespace: str) -> str:
    """As nodes are given it: empty, or with a slash in front."""
    if not re.fullmatch(r"(/?[A-Za-z_]\w*(/[A-Za-z_]\w*)*)?", namespace, re.ASCII):
        expected = "words of letters, digits and _, joined by /"
        raise BadInput(HERE, "--namespace", found=namespace, expected=expected)
    return f"/{namespace.strip('/')}" if namespace else ""


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise BadInput(HERE, name, found=text, expected="a number") from None


def _require_choice(option: str, value: str, choices: Any) -> None:
    """A launch file's argument is any text; the command line's parser knows this by itself."""
    if value not in get_args(choices):
        raise BadInput(HERE, option, found=value, expected=f"one of {', '.join(get_args(choices))}")
