"""`ros2 taskbelief bundle|belief|gap`: loaded by ros2cli, where that is installed."""

from __future__ import annotations

import argparse
import contextlib

import rclpy
from rclpy.node import Node
from ros2cli.command import CommandExtension, add_subparsers_on_demand
from ros2cli.plugin_system import PLUGIN_SYSTEM_VERSION, satisfies_version

from sim2real.cli import main as taskbelief
from taskbelief_evaluation.belief_echo import BeliefEcho

VERBS = "taskbelief_evaluation.verb"


class TaskbeliefCommand(CommandExtension):  # type: ignore[misc]
    """Bundles, beliefs and gaps."""

    def add_arguments(self, parser: argparse.ArgumentParser, cli_name: str) -> None:
        self._parser = parser
        add_subparsers_on_demand(parser, cli_name, "_verb", VERBS, required=False)

    def main(self, *, parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
        if not hasattr(args, "_verb"):
            self._parser.print_help()
            return 0
        return int(args._verb.main(args=args))


class Verb:
    """A verb that hands its arguments on to one of the `taskbelief` command."""

    NAME = None
    EXTENSION_POINT_VERSION = "0.1"
    name = ""

    def __init__(self) -> None:
        satisfies_version(PLUGIN_SYSTEM_VERSION, "^0.1")

    def add_arguments(self, parser: argparse.ArgumentParser, cli_name: str) -> None:
        parser.add_argument(
            "arguments", nargs=argparse.REMAINDER, help=f"of taskbelief {self.name}"
        )

    def main(self, *, args: argparse.Namespace) -> int:
        return taskbelief([self.name, *args.arguments])


class BundleVerb(Verb):
    """Show what a bundle holds, and whether it verifies."""

    name = "inspect"


class GapVerb(Verb):
    """Measure the gap between two recordings."""

    name = "gap"


class BeliefVerb(Verb):
    """Show what a running policy believes, as it forms."""

    def add_arguments(self, parser: argparse.ArgumentParser, cli_name: str) -> None:
        parser.add_argument("--namespace", default="", help="of the robot")

    def main(self, *, args: argparse.Namespace) -> int:
        rclpy.init()
        node = Node("belief_echo", namespace=args.namespace)
        BeliefEcho(node, lambda text: print(text, flush=True))
        with contextlib.suppress(KeyboardInterrupt):
            rclpy.spin(node)
        node.destroy_node()
        rclpy.try_shutdown()
        return 0
