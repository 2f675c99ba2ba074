"""`taskbelief bringup`: driver, policy and what belongs to them, without `launch`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from sim2real.bringup.graph import Graph, RobotKind, Topology, dclaw_graph, evaluation_graph
from sim2real.bringup.processes import executable_path
from sim2real.contract.errors import BadInput
from sim2real.contract.output_file import require_folder
from sim2real.contract.require import require_not_negative, require_positive
from sim2real.contract.robot_spec import robot_reference
from sim2real.emulator.port_link import require_free
from sim2real.ros_environment import ros_environment

DOMAIN = "ROS_DOMAIN_ID"


def bringup(
    bundle: Path,
    robot: RobotKind,
    unit: str = "",
    port: str = "",
    rate: float = 100.0,
    record: Path | None = None,
    topology: Topology = "two_processes",
    namespace: str = "",
    realtime_priority: int = 0,
    task: str = "",
    faults: str = "",
    camera: str = "",
    plan: Path | None = None,
    out: Path | None = None,
    show: Literal["nothing", "belief"] = "nothing",
    logs: Path | None = None,
    robot_config: str = "",
) -> None:
    """Bring up the hand's nodes with a bundle, torque on, until SIGINT or SIGTERM.

    Nothing moves yet: an episode begins when the service `begin_episode` is called. Torque goes off
    before anything else ends, also when a node dies or this command is killed.

    Args:
        bundle: the folder of a bundle.
        robot: an emulated hand, a real one on a serial port, or a simulation without servos.
        unit: whose calibration to use; has to be given for a serial robot.
        port: serial port of the hand; for an emulated one where its port shall be found.
        rate: readings per second, Hz; a whole multiple of the policy's rate.
        record: a folder for MCAP recordings; none are made by default.
        topology: driver and policy as two processes, or one that keeps DDS out of the control path.
        namespace: of all topics and services, one per robot.
        realtime_priority: SCHED_FIFO priority of loop, policy and emulated hand, 1 to 98;
            0: none.
        task: FILE:INDEX, a task of a saved set whose dynamics the emulated hand has.
        faults: a YAML plan of faults of the emulated hand.
        camera: for a policy that sees on a serial hand: its video device, as /dev/video0, or
            "topic" where another node publishes its images.
        plan: evaluate the policy on the tasks of this file (see `taskbelief plan`), and end then.
        out: the evaluation's folder; what it already holds is gone on with.
        show: also print what the policy believes, as it forms.
        logs: a folder for what the nodes say; they say it here by default.
        robot_config: a robot.yaml, its folder, or a robot's name, for another hand than the claw.
    """
    require_positive(rate=rate)
    require_not_negative(realtime_priority=realtime_priority)
    for option, folder in (("--record", record), ("--out", out), ("--logs", logs)):
        require_folder(folder, option)
    environment = ros_environment()
    graph = dclaw_graph(
        robot=robot,
        bundle=str(bundle.resolve()),
        unit=unit,
        port=port,
        rate_hz=rate,
        record="" if record is None else str(record.resolve()),
        topology=topology,
        namespace=namespace,
        realtime_priority=realtime_priority,
        task=task,
        faults=faults,
        camera=camera,
        robot_config=robot_reference(robot_config),
    )
    if graph.emulator is not None:
        _require_free(graph.emulator.link, port)
    if plan is not None or out is not None:
        if plan is None or out is None:
            expected = "both, for an evaluation"
            raise BadInput("command line", "--plan, --out", found="one", expected=expected)
        graph = evaluation_graph(graph, plan=str(plan.resolve()), out=str(out.resolve()))
    options = ["--show", show, *([] if logs is None else ["--logs", str(logs)])]
    become_supervisor(graph, environment, options)


def _require_free(link: str, port: str) -> None:
    """Raise `BadInput` where another emulated hand serves already, in words of this verb."""
    remedy = "choose another --port" if port else f"choose another --namespace, --port or {DOMAIN}"
    require_free(Path(link), "--port" if port else "the emulated hand's port", remedy)


def supervisor_command(
    graph: Graph, environment: Mapping[str, str], options: Sequence[str] = ()
) -> list[str]:
    """What brings a graph up, watches it and takes it down. Raises `BadInput` if not built."""
    supervise = executable_path("taskbelief_evaluation", "supervise", environment)
    enclave = f"{graph.nodes[0].namespace}/supervisor"
    return [supervise, graph.to_json(), *options, "--ros-args", "--enclave", enclave]


def become_supervisor(graph: Graph, environment: Mapping[str, str], options: Sequence[str]) -> None:
    """This process becomes the graph's supervisor. Raises `BadInput` where it is not built."""
    command = supervisor_command(graph, environment, options)
    os.execve(command[0], command, environment)
