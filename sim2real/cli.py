"""The `taskbelief` command: one verb, one function, imported when it is called.

Only what a verb needs is imported, so that a robot's computer without torch or MuJoCo still
inspects bundles and serves the bus. Exit codes: 0 done, 1 the work failed, 2 bad input,
130 interrupted with everything saved, 141 done, but nobody read the output any more: printing
ends no work.
"""

from __future__ import annotations

import importlib
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from sim2real.command_line import Misread, command_line
from sim2real.contract.errors import BadInput, WorkFailed, in_one_line
from sim2real.contract.output_file import NO_NAME, what_failed
from sim2real.contract.require import WHERE
from sim2real.printing import patient_output


@dataclass(frozen=True, kw_only=True)
class Verb:
    """Where a verb's function lives, and what it needs installed."""

    function: str
    """module and function, as in `package.module:function`; its signature is its command line"""
    purpose: str
    extra: str = ""
    """the extra of the distribution that brings what the function imports"""


VERBS: dict[str, Verb] = {
    "demo": Verb(
        function="training.demo:demo",
        purpose="watch a shipped policy adapt to valves that it has never turned",
        extra="training",
    ),
    "train": Verb(
        function="training.cli:train",
        purpose="meta-train a recipe into a run directory, or go on with one",
        extra="training",
    ),
    "sweep": Verb(
        function="training.sweep:sweep",
        purpose="train recipes under several seeds, on this machine, on Slurm or on Ray",
        extra="training",
    ),
    "benchmark": Verb(
        function="training.suite.command:benchmark",
        purpose="train a suite of algorithms on families, and write one table and page of it",
        extra="training",
    ),
    "list": Verb(
        function="training.listing:list_known",
        purpose="show robots, skills, families, recipes and algorithms, and what packages bring",
        extra="training",
    ),
    "tasks": Verb(
        function="training.families.draw:draw",
        purpose="draw a family's task set from a seed and save it",
        extra="sim",
    ),
    "meta-test": Verb(
        function="training.runs.compare_runs:meta_test_runs",
        purpose="meta-test runs side by side on the same held-out tasks",
        extra="training",
    ),
    "plot": Verb(
        function="training.runs.plot_runs:plot",
        purpose="draw the learning curves of a recipe's seeds in one picture",
        extra="training",
    ),
    "efficiency": Verb(
        function="training.runs.efficiency:efficiency",
        purpose="count the environment steps that recipes need to the same adapted return",
        extra="training",
    ),
    "desiderata": Verb(
        function="training.runs.desiderata:desiderata",
        purpose="measure how consistent, expressive, exploring and efficient learners are",
        extra="training",
    ),
    "calibration": Verb(
        function="training.runs.calibration:calibration",
        purpose="hold what a belief says of parameters against the truth: is it as sure as right?",
        extra="training",
    ),
    "exploration-study": Verb(
        function="training.exploration_study:exploration_study",
        purpose="train and measure all that is said about exploration, and write a page of it",
        extra="training",
    ),
    "exact": Verb(
        function="training.exact.command:exact",
        purpose="work out the exact values of small exploration problems",
        extra="training",
    ),
    "exact regret": Verb(
        function="training.exact.regret:print_regret",
        purpose="measure the regret of posterior sampling, ε-greedy and optimism",
        extra="training",
    ),
    "export": Verb(
        function="training.export.export_run:export_run",
        purpose="export a run to a bundle that verifies itself",
        extra="training",
    ),
    "inspect": Verb(
        function="sim2real.inspection:inspect",
        purpose="show what a bundle or a recording holds",
    ),
    "upgrade": Verb(
        function="sim2real.runtime.upgrade:upgrade",
        purpose="convert a bundle of an older schema, weights and golden vectors as they are",
    ),
    "adapted": Verb(
        function="sim2real.recording.adapted:adapted",
        purpose="keep what a bundle learnt in a recorded trial, beside the bundle",
        extra="recording",
    ),
    "evaluate": Verb(
        function="training.benches.evaluate_bundle:evaluate",
        purpose="run a bundle on held-out tasks, with and without its belief",
        extra="sim,robot",
    ),
    "excite": Verb(
        function="training.gap.excite:excite",
        purpose="move every joint by a script and record how it follows, for `gap`",
        extra="sim,robot",
    ),
    "gap": Verb(
        function="training.gap.command:gap",
        purpose="measure what lies between two robots, or a robot and its simulation",
        extra="sim,recording",
    ),
    "plan": Verb(
        function="training.benches.write_plan:plan",
        purpose="write the episodes of an evaluation to a file, for a graph of nodes to run",
        extra="sim,robot",
    ),
    "report": Verb(
        function="sim2real.report.write:report",
        purpose="show an evaluation as one page, and its figures' numbers as CSV",
        extra="recording",
    ),
    "emulate": Verb(
        function="training.benches.emulate:emulate",
        purpose="serve the servo bus of an emulated robot, with any task's dynamics",
        extra="training",
    ),
    "doctor": Verb(
        function="sim2real.hardware.doctor:print_doctor",
        purpose="examine port, servos and EEPROM of a hand; changes nothing",
        extra="robot",
    ),
    "provision": Verb(
        function="sim2real.hardware.provision:provision",
        purpose="write the EEPROM of a hand's servos as its robot.yaml wants it",
        extra="robot",
    ),
    "bringup": Verb(
        function="sim2real.bringup.verb:bringup",
        purpose="bring up the ROS 2 nodes of a hand and its policy, and watch over them",
        extra="robot,sim",
    ),
    "bench sim": Verb(
        function="training.benchmarks.sim:print_bench_sim",
        purpose="measure control steps per second of the simulated worlds",
        extra="training",
    ),
    "bench train": Verb(
        function="training.benchmarks.train:print_bench_train",
        purpose="measure sampling with the policy in the loop, and meta-gradient steps",
        extra="training",
    ),
    "bench growth": Verb(
        function="training.benchmarks.growth:print_bench_growth",
        purpose="measure how collecting and learning grow with tasks, worlds, context and width",
        extra="training",
    ),
    "bench controller": Verb(
        function="training.benchmarks.controller:print_bench_controller",
        purpose="measure one tick of a bundle's controller",
        extra="training",
    ),
    "bench adapt": Verb(
        function="training.benchmarks.adapt:print_bench_adapt",
        purpose="measure one step of policy gradient on the robot, against torch",
        extra="training",
    ),
    "bench bus": Verb(
        function="sim2real.hardware.bus_benchmark:print_bench_bus",
        purpose="measure read and write cycles on the emulated servo bus",
        extra="sim,robot,dev",
    ),
    "bench ros": Verb(
        function="training.benchmarks.ros:print_bench_ros",
        purpose="measure the control loop with ROS 2 around it, on the emulated servo bus",
        extra="training,robot,ros",
    ),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; the process's exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        with patient_output() as failures:
            code = _main(arguments)
    except KeyboardInterrupt:  # again, or while the last words went out
        code = 130
    if argv is None:  # done: there is nothing left to interrupt but the way out
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    if code or not failures:
        return code
    if isinstance(failures[0], BrokenPipeError):  # as in `taskbelief inspect FILE | head`
        return 141
    print(f"taskbelief: what was printed is not whole: {failures[0].strerror}", file=sys.stderr)
    return 1


def _main(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_help())
        return 0
    name, rest = _verb_of(arguments)
    if name is None:
        found, expected = " ".join(arguments[:1]), f"one of {', '.join(VERBS)}"
        advice = "usage: taskbelief VERB [options]"
        _say("taskbelief", BadInput(WHERE, "VERB", found=found, expected=expected, remedy=advice))
        return 2
    prog = f"taskbelief {name}"
    try:
        return _run(VERBS[name], prog, rest)
    except BadInput as error:
        _say(prog, error)
        return error.exit_code
    except Misread as error:
        _say(prog, error)
        return 2
    except WorkFailed as error:
        _say(prog, error)
        return 1
    except OSError as error:  # a disk that is full by now, a folder that was taken away
        _say(prog, what_failed(error))
        return 2 if error.errno in NO_NAME else 1
    except MemoryError as error:
        _say(prog, f"not enough memory for that; {error or 'make it smaller'}")
        return 1
    except KeyboardInterrupt:
        _say(prog, "interrupted")
        return 130


def _say(prog: str, what: object) -> None:
    """One line on stderr, whatever characters the names in it have."""
    print(in_one_line(f"{prog}: {what}"), file=sys.stderr)


def _run(verb: Verb, prog: str, arguments: list[str]) -> int:
    module, function = verb.function.split(":")
    try:
        command = getattr(importlib.import_module(module), function)
    except ModuleNotFoundError as error:
        if not verb.extra:
            raise
        remedy = f"install it with: pip install 'taskbelief[{verb.extra}]'"
        _say(prog, f"{error.name} is not installed; {remedy}")
        return 2
    outcome = command_line(command, prog, arguments)
    if callable(outcome):
        outcome = outcome()
    return outcome if isinstance(outcome, int) else 0


def _verb_of(arguments: list[str]) -> tuple[str | None, list[str]]:
    """The longest verb that the arguments begin with, and what follows it."""
    for length in (2, 1):
        name = " ".join(arguments[:length])
        if name in VERBS:
            return name, arguments[length:]
    return None, arguments


def _help() -> str:
    width = max(map(len, VERBS))
    lines = [f"  {name:<{width}}  {verb.purpose}" for name, verb in VERBS.items()]
    return "\n".join(
        ["usage: taskbelief VERB [options]   (taskbelief VERB --help explains one)", "", *lines]
    )


if __name__ == "__main__":
    sys.exit(main())
