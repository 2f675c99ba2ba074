"""What one may choose of an evaluation, and what does not go together."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sim2real.contract.errors import BadInput
from sim2real.contract.output_file import require_folder
from sim2real.contract.require import (
    require_counts,
    require_not_negative,
    require_positive,
    require_seeds,
)
from sim2real.contract.robot_spec import DCLAW
from sim2real.evaluation.protocol import TrialProtocol
from sim2real.runtime.bundle import Bundle
from sim2real.runtime.kinds.kind import Settings
from sim2real.runtime.kinds.registry import kind_of
from sim2real.runtime.realtime import may_use_realtime
from training.benches.open_bench import RobotKind

READINGS_PER_STEP = 5
"""of a hand of servos, by default: the safety ladder looks five times a control period"""

OF_SERVOS: Sequence[RobotKind] = ("emulated", "serial")
ONLY_FOR: Mapping[str, Sequence[RobotKind]] = {
    "port": ("serial",),
    "unit": ("serial",),
    "camera": ("serial",),
    "faults": ("emulated",),
    "rate": OF_SERVOS,
    "realtime_priority": OF_SERVOS,
}
"""options that say something of certain robots only"""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What one may choose beside bundle and robot."""

    out: Path | None = None
    """folder for results.json, episodes.csv, journal and recordings; none are written by default"""
    resume: bool = False
    """go on with the evaluation in that folder, or begin it if there is none"""
    task: str | None = None
    """FILE:INDEX, one task of a saved set; of a real object it says the goal"""
    tasks: Path | None = None
    """another task set of the bundle's family than its own"""
    num_tasks: int | None = None
    """how many of the held-out tasks; all by default, one on a real hand"""
    num_trials: int = 1
    """trials per task"""
    num_episodes: int | None = None
    """episodes of a trial; the last one is the adapted one. By default as many as a recurrent
    belief was trained on; otherwise 3, or one more than the bundle explores in"""
    seed: int = 0
    """of starting points and latents"""
    robust: Path | None = None
    """a bundle that does not adapt, to compare with on the same tasks"""
    oracle: Path | None = None
    """the run of a policy that is told the task, to compare with in simulation"""
    port: str = ""
    """serial port of a real hand"""
    unit: str = ""
    """whose calibration to use, for a real hand"""
    camera: str = ""
    """video device of a real hand's camera, for a policy that sees"""
    rate: float | None = None
    """readings per second of a hand of servos, Hz; five times the policy's rate by default"""
    realtime_priority: int = 0
    """SCHED_FIFO priority of this process and of an emulated hand; 0: none"""
    max_faults: int = 1
    """faults after which it stops. Above 1, servos that have latched an error are rebooted after
    one, and the next task is put on the bench"""
    faults: Path | None = None
    """a YAML plan of what goes wrong with the emulated hand, from when each task is put on it"""
    yes: bool = False
    """the workspace of the real hand is clear: do not ask"""
    quiet: bool = False
    """show the outcome only"""
    robot_config: Path = DCLAW
    """the hand: a robot.yaml, its folder, or a robot's name"""

    def protocol(self, bundle: Bundle) -> TrialProtocol:
        return TrialProtocol(
            num_episodes=self.num_episodes or default_episodes(bundle),
            num_trials=self.num_trials,
            seed=self.seed,
        )

    def rate_hz(self, control_period_s: float) -> float:
        """Readings per second. Raises `BadInput` unless a policy's readings are among them."""
        require_positive(rate=self.rate)
        rate_hz = READINGS_PER_STEP / control_period_s if self.rate is None else self.rate
        multiple = rate_hz * control_period_s
        if abs(multiple - round(multiple)) > 1e-6 or round(multiple) < 1:
            expected = f"a whole multiple of the policy's {1.0 / control_period_s:g} Hz"
            raise BadInput("command line", "--rate", found=rate_hz, expected=expected)
        return rate_hz


def default_episodes(bundle: Bundle) -> int:
    """Episodes of a trial that show what a bundle adapts to: as many as it was trained on, or 3,
    or one more than it explores.
    """
    settings = bundle.settings()
    trained = kind_of(settings).trained_episodes(settings)
    return trained or max(3, settings.num_exploration_episodes + 1)


def say_what_is_untrained(settings: Settings, num_episodes: int) -> None:
    """One line where a trial is to go on for longer than trials did in training."""
    trained = kind_of(settings).trained_episodes(settings)
    if 0 < trained < num_episodes:
        print(
            f"trained on trials of {trained} episodes: what the belief does in the other "
            f"{num_episodes - trained} was never learnt",
            file=sys.stderr,
        )


AS_IT_IS = Options()
"""nothing chosen"""


def check_options(robot: RobotKind, options: Options) -> None:
    """Raise `BadInput` for options that do not go together."""
    require_counts(
        num_tasks=options.num_tasks,
        num_trials=options.num_trials,
        num_episodes=options.num_episodes,
        max_faults=options.max_faults,
    )
    require_seeds(seed=options.seed)
    require_positive(rate=options.rate)
    require_not_negative(realtime_priority=options.realtime_priority)
    require_folder(options.out, "--out")
    for name, robots in ONLY_FOR.items():
        value, option = getattr(options, name), f"--{name.replace('_', '-')}"
        if value and robot not in robots:
            expected = f"none: the robot is {robot}"
            raise BadInput("command line", option, found=str(value), expected=expected)
    for name in ("port", "unit"):
        if robot == "serial" and not getattr(options, name):
            expected = "that of the hand"
            raise BadInput("command line", f"--{name}", found="nothing", expected=expected)
    priority = options.realtime_priority
    if priority and not may_use_realtime(priority):
        expected = "0, or the right to use SCHED_FIFO"
        raise BadInput("command line", "--realtime-priority", found=priority, expected=expected)
    if options.resume and options.out is None:
        expected = "the folder to go on in"
        raise BadInput("command line", "--out", found="nothing", expected=expected)
    if options.oracle is not None and options.task is not None:
        expected = "none with --task: an oracle runs on the tasks of a set"
        raise BadInput("command line", "--oracle", found=str(options.oracle), expected=expected)
