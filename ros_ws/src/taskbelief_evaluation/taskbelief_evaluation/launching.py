"""A graph as launch's actions, for the launch files. Needs `launch` and `launch_ros`."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping, Sequence

from launch import Action, LaunchContext
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    ExecuteProcess,
    OpaqueFunction,
    Shutdown,
)
from launch.events import Shutdown as ShutdownEvent
from launch.events.process import ProcessExited
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from sim2real.bringup.graph import Argument, Graph, NodeSpec
from sim2real.tether import tethered


def declared(arguments: Sequence[Argument]) -> list[Action]:
    """The launch arguments, as `ros2 launch --show-args` prints them."""
    return [
        DeclareLaunchArgument(
            argument.name,
            description=argument.purpose,
            choices=list(argument.choices) or None,
            **({} if argument.is_required else {"default_value": argument.default}),
        )
        for argument in arguments
    ]


def graph_of(
    arguments: Sequence[Argument], make: Callable[[Mapping[str, str]], Graph]
) -> OpaqueFunction:
    """The actions of the graph that `make` makes of the arguments' values."""

    def actions(context: LaunchContext) -> list[Action]:
        given = {a.name: LaunchConfiguration(a.name).perform(context) for a in arguments}
        return actions_of(make(given))

    return OpaqueFunction(function=actions)


def actions_of(graph: Graph) -> list[Action]:
    """Everything that a graph runs, on a tether, and who takes it through its transitions."""
    hand = []
    if graph.emulator is not None:
        priority = graph.emulator.realtime_priority
        command = tethered(graph.emulator.command, os.getpid(), priority)
        hand = [ExecuteProcess(cmd=command, name="hand", output="screen", on_exit=_needed("hand"))]
    nodes = [_node(node) for node in graph.nodes]
    return [*hand, *nodes, *([_conductor(graph)] if graph.transitions else [])]


def _node(node: NodeSpec) -> Node:
    ends_all = node.is_required or node.is_main
    return Node(
        package=node.package,
        executable=node.executable,
        name=node.name,
        namespace=node.namespace,
        parameters=[dict(node.parameters)],
        exec_name=node.name,
        ros_arguments=["--enclave", node.full_name],
        prefix=shlex.join(tethered([], os.getpid())),
        output="screen",
        on_exit=_needed(node.full_name) if ends_all else None,
    )


def _conductor(graph: Graph) -> Node:
    """It ends when all are active; its failure ends the launch."""

    def ended(event: ProcessExited, _context: LaunchContext) -> Action | None:
        if event.returncode == 0:
            return None
        return EmitEvent(event=ShutdownEvent(reason="a transition failed"))

    return Node(
        package="taskbelief_evaluation",
        executable="conduct",
        exec_name="conduct",
        ros_arguments=["--enclave", f"{graph.nodes[0].namespace}/conductor"],
        arguments=[graph.to_json()],
        output="screen",
        on_exit=ended,
    )


def _needed(name: str) -> Shutdown:
    return Shutdown(reason=f"{name} has ended")
