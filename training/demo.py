"""`taskbelief demo`: a shipped policy meets valves it has never turned, and gets them right.

The whole chain, as on a robot: an emulated hand that answers byte for byte and in real time, the
driver and the policy as two ROS 2 processes, an evaluation that records them, and the report of
it. The same evaluation runs in one process where that is asked for, and only there.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from rich.console import Console

from sim2real.bringup.graph import dclaw_graph, evaluation_graph
from sim2real.bringup.verb import supervisor_command
from sim2real.contract.errors import BadInput
from sim2real.contract.output_file import require_folder
from sim2real.contract.require import require_counts, require_positive, require_seeds
from sim2real.report.write import write_report
from sim2real.ros_environment import in_own_domain, ros_environment
from sim2real.runtime.realtime import may_use_realtime
from sim2real.tether import tethered
from training.benches.evaluate_bundle import evaluate
from training.benches.options import Options
from training.benches.write_plan import plan

PRIORITY = 10
"""of real-time scheduling, where this user may ask for it: servos wait for nobody's browser"""
MAX_FAULTS = 6
"""on a machine that is busy with something else the emulated bus falls behind, and the hand stops;
the episode is reported and comes again"""
BUNDLES = Path(__file__).resolve().parents[1] / "bundles"


def demo(
    bundle: Path = BUNDLES / "valve_turn",
    out: Path | None = None,
    num_tasks: int = 4,
    num_episodes: int = 5,
    seed: int = 0,
    rate: float = 50.0,
    without_ros: bool = False,
) -> int:
    """Let a shipped policy adapt to held-out valves on an emulated hand, live, with a report.

    Args:
        bundle: which bundle.
        out: folder for everything that comes of it; a new one in runs/demo by default.
        num_tasks: how many of the held-out tasks.
        num_episodes: episodes of a trial; the last one is the adapted one.
        seed: of starting points and latents.
        rate: readings per second, Hz; a whole multiple of the policy's rate.
        without_ros: in one process instead of driver and policy as two ROS 2 processes.
    """
    require_counts(num_tasks=num_tasks, num_episodes=num_episodes)
    require_seeds(seed=seed)
    require_positive(rate=rate)
    require_folder(out, "--out")
    environment = None if without_ros else _ros_environment()
    folder = (out or Path("runs/demo") / datetime.now().strftime("%Y-%m-%dT%H-%M-%S")).resolve()
    results = folder / "evaluation"
    console = Console(highlight=False, soft_wrap=True)
    plan(bundle, folder / "plan.json", num_tasks=num_tasks, num_episodes=num_episodes, seed=seed)
    console.print(
        f"{bundle.name}: {num_tasks} valves that it has never turned, {num_episodes} episodes each;"
        " then once more without evidence, and believing in another valve."
    )
    if environment is None:
        console.print("In one process, as asked for: without ROS 2.")
        options = Options(
            out=results,
            num_tasks=num_tasks,
            num_episodes=num_episodes,
            seed=seed,
            rate=rate,
            max_faults=MAX_FAULTS,
        )
        code = evaluate(bundle, "emulated", options)
    else:
        domain = environment["ROS_DOMAIN_ID"]
        console.print(f"Driver and policy as two ROS 2 processes, in ROS_DOMAIN_ID {domain}.")
        code = _over_ros(bundle.resolve(), folder, results, rate, environment)
    if code == 0:
        console.print(f"\nreport: {write_report(results)}")
        console.print("All of this was measured on the emulated bus; nothing ran on hardware.")
    return code


def _ros_environment() -> Mapping[str, str]:
    """Raises `BadInput`, naming the way out, where there is no ROS 2 or no built workspace."""
    try:
        return in_own_domain(ros_environment())
    except BadInput as error:
        remedy = "`make setup` builds it; --without-ros runs in one process"
        raise BadInput(
            error.where, error.field, found=error.found, expected=error.expected, remedy=remedy
        ) from None


def _over_ros(
    bundle: Path, folder: Path, results: Path, rate_hz: float, environment: Mapping[str, str]
) -> int:
    """Bring the graph up with the evaluation in it, and wait for its end: the exit code."""
    hand = dclaw_graph(
        robot="emulated",
        bundle=str(bundle),
        rate_hz=rate_hz,
        port=str(folder / "port"),
        realtime_priority=PRIORITY if may_use_realtime(PRIORITY) else 0,
    )
    plan_file = str(folder / "plan.json")
    graph = evaluation_graph(hand, plan=plan_file, out=str(results), max_faults=MAX_FAULTS)
    options = ["--logs", str(folder / "logs")]
    command = supervisor_command(graph, environment, options)
    with subprocess.Popen(tethered(command, os.getpid()), env=dict(environment)) as supervisor:
        try:
            return supervisor.wait()
        except KeyboardInterrupt:  # the terminal has told the supervisor as well
            supervisor.send_signal(signal.SIGINT)
            supervisor.wait()
            print(f"interrupted; what was done is in {results}", file=sys.stderr)
            return 130
