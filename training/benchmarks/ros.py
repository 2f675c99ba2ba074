"""`taskbelief bench ros`: the control loop with ROS 2 around it. Emulated bus, never hardware.

Driver and policy as two processes with DDS between them, and as one; each with a policy of PEARL's
size and random weights that acts on every reading. Rates that 1 Mbaud cannot carry run at 4 Mbaud.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sim2real.bringup.graph import Graph, NodeSpec, Topology, dclaw_graph
from sim2real.bringup.verb import supervisor_command
from sim2real.contract.errors import BadInput
from sim2real.contract.require import require_not_negative, require_positive, require_some
from sim2real.contract.text_file import read_json
from sim2real.ros_environment import in_own_domain, ros_environment
from sim2real.runtime.bundle import read_bundle
from sim2real.tether import tethered
from training.benchmarks.rehearsal import Rehearsal, write_rehearsal

SLOW_BAUD, FAST_BAUD = 1_000_000, 4_000_000
SLOW_BAUD_MAX_HZ = 120.0
"""a cycle of ten servos is 5 ms on the wire at 1 Mbaud"""
EPISODE_S = 20.0
BOTH: tuple[Topology, ...] = ("one_process", "two_processes")
"""the first is the baseline of the second"""
SOAKS: tuple[tuple[Topology, float], ...] = (("two_processes", 100.0), ("one_process", 250.0))
SEEING_HZ = 10.0
"""of a policy that sees, as those that are trained from pixels"""
TIMES = ("period", "jitter", "read", "age", "age_beyond_bus")
OF_FRAMES = ("frames", "missed_frames")
"""counts of a policy that sees only"""
QUANTILES = ("p50", "p99", "p99.9", "max")
COUNTS = ("ticks", "missed", "unread", "unanswered", "past_lifespan")

Record = dict[str, object]
Times = Mapping[str, Mapping[str, float]]


def print_bench_ros(
    rates: tuple[float, ...] = (20.0, 100.0, 250.0, 500.0),
    seconds: float = 20.0,
    soak_s: float = 0.0,
    realtime_priority: int = 0,
) -> None:
    """Print period, jitter, reading-to-command age and misses as JSON lines.

    Last comes a policy that sees, at 10 Hz, with the frames of the emulated camera.

    Args:
        rates: readings, and steps of the policy, per second, Hz.
        seconds: how long each case runs.
        soak_s: how long two processes then run at 100 Hz and one at 250 Hz; 600 for acceptance.
        realtime_priority: SCHED_FIFO priority of loop, policy and emulated hand, 1 to 98; 0: none.
    """
    require_some(rates=rates)
    for rate in rates:
        require_positive(rates=rate)
    require_positive(seconds=seconds)
    if soak_s != 0.0:
        require_positive(soak_s=soak_s)
    require_not_negative(realtime_priority=realtime_priority)
    for record in bench_ros(rates, seconds, soak_s, realtime_priority):
        print(json.dumps(record), flush=True)


def bench_ros(
    rates: Sequence[float], seconds: float, soak_s: float = 0.0, priority: int = 0
) -> Iterator[Record]:
    """One JSON-ready record per figure. Raises `BadInput` for a rate that physics cannot step."""
    environment = in_own_domain(ros_environment())
    with tempfile.TemporaryDirectory(prefix="taskbelief-bench-") as folder:
        for rate in rates:
            files = _rehearsal(Path(folder) / f"{rate:g}", rate)
            first: Times | None = None
            for topology in BOTH:
                run = _Run(files, rate, topology, seconds, priority, environment)
                found = run.measure(Path(folder))
                yield from records_of(run.case, found, first)
                first = first or found["times_s"]
        files = _rehearsal(Path(folder) / "sees", SEEING_HZ, sees=True)
        for topology in BOTH:
            run = _Run(files, SEEING_HZ, topology, seconds, priority, environment)
            yield from records_of(f"sees/{run.case}", run.measure(Path(folder)), None)
        for topology, rate in SOAKS if soak_s > 0 else ():
            files = _rehearsal(Path(folder) / f"soak_{rate:g}", rate)
            run = _Run(files, rate, topology, soak_s, priority, environment)
            yield from records_of(f"soak_{soak_s:g}s/{run.case}", run.measure(Path(folder)), None)


def baud_for(rate_hz: float) -> int:
    """The slower bus where it carries the rate."""
    return SLOW_BAUD if rate_hz <= SLOW_BAUD_MAX_HZ else FAST_BAUD


def _rehearsal(folder: Path, rate_hz: float, *, sees: bool = False) -> Rehearsal:
    baud = baud_for(rate_hz)
    try:
        return write_rehearsal(folder, rate_hz=rate_hz, baud=baud, episode_s=EPISODE_S, sees=sees)
    except ValueError as error:
        expected = "a rate of which the physics step is a whole fraction"
        raise BadInput("command line", "--rates", found=str(error), expected=expected) from None


@dataclasses.dataclass(frozen=True)
class _Run:
    """One case."""

    files: Rehearsal
    rate_hz: float
    topology: Topology
    seconds: float
    priority: int
    environment: Mapping[str, str]

    @property
    def case(self) -> str:
        baud = f"{baud_for(self.rate_hz) / 1e6:g}Mbaud"
        priority = f"/fifo{self.priority}" if self.priority else ""
        return f"{self.topology}/{self.rate_hz:g}Hz/{baud}/emulated bus{priority}"

    def measure(self, folder: Path) -> dict[str, Any]:
        """What the ticks said; a graph that does not come up is a fault, and says so on stderr."""
        out, logs = folder / "figures.json", folder / "logs"
        out.unlink(missing_ok=True)
        command = supervisor_command(self._graph(folder, out), self.environment, self._to(logs))
        outcome = subprocess.run(
            tethered(command, os.getpid()),
            env=dict(self.environment),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        if not out.exists():
            said = " ".join(outcome.stderr.split()) + _last_words(logs)
            print(f"{self.case}: no figures: {said}", file=sys.stderr, flush=True)
            return {"times_s": {}, "counts": {}, "fault": said}
        found: dict[str, Any] = read_json(out, "figures of a loop")
        if found["fault"]:
            print(f"{self.case}: {found['fault']}", file=sys.stderr, flush=True)
        return found

    def _camera(self) -> dict[str, str | float]:
        """Whose frames are counted; nothing where the policy is blind."""
        camera = read_bundle(self.files.bundle).manifest.camera
        return {} if camera is None else {"camera": camera.name, "camera_period_s": camera.period_s}

    @staticmethod
    def _to(logs: Path) -> list[str]:
        return ["--logs", str(logs)]

    def _graph(self, folder: Path, out: Path) -> Graph:
        graph = dclaw_graph(
            robot="emulated",
            bundle=str(self.files.bundle),
            port=str(folder / "port"),
            rate_hz=self.rate_hz,
            topology=self.topology,
            robot_config=str(self.files.robot_config),
            realtime_priority=self.priority,
        )
        bench = NodeSpec(
            package="taskbelief_evaluation",
            executable="bench_node",
            name="bench",
            namespace="",
            parameters={
                "seconds": self.seconds,
                "period_s": 1.0 / self.rate_hz,
                "out": str(out),
                **self._camera(),
            },
            is_managed=False,
            is_main=True,
        )
        return dataclasses.replace(graph, nodes=(*graph.nodes, bench))


def _last_words(logs: Path) -> str:
    """What the nodes said last."""
    words = ""
    for log in sorted(logs.glob("*.log")):
        lines = log.read_text(errors="replace").strip().splitlines()
        words += f"; {log.stem}: {lines[-1]}" if lines else ""
    return words


def records_of(case: str, found: Mapping[str, Any], baseline: Times | None) -> Iterator[Record]:
    """Quantiles in seconds and counts; `baseline` are those of one process at the same rate."""
    for name in TIMES:
        for quantile in QUANTILES:
            value = found["times_s"].get(name, {}).get(quantile)
            if value is None:
                continue
            other = None if baseline is None else baseline.get(name, {}).get(quantile)
            yield _record(case, f"{name}_{quantile}", value, "s", other)
    for name in COUNTS:
        yield _record(case, name, found["counts"].get(name, 0), "1")
    interval = found["times_s"].get("frame_interval", {})
    for quantile in QUANTILES if interval else ():
        yield _record(case, f"frame_interval_{quantile}", interval[quantile], "s")
    for name in OF_FRAMES if interval else ():
        yield _record(case, name, found["counts"][name], "1")
    yield _record(case, "faults", int(bool(found["fault"])), "1")
    yield _record(case, "load_average_1min", os.getloadavg()[0], "1")


def _record(
    case: str, metric: str, value: float, unit: str, baseline: float | None = None
) -> Record:
    return {
        "bench": "ros",
        "case": case,
        "metric": metric,
        "value": value,
        "unit": unit,
        "runs": 1,
        "min": value,
        "max": value,
        "baseline": baseline,
        "ratio": value / baseline if baseline else None,
    }
