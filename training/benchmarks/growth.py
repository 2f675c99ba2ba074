"""How the costs of PEARL grow: seconds of collecting and of a meta-gradient step, against tasks,
worlds, context and width of the networks, with the exponent of a power law through them.

They are seconds of one core, so that it matters little what else the machine does.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import t as student

from sim2real.contract.errors import BadInput
from sim2real.contract.output_file import require_writable, write_file
from sim2real.contract.require import WHERE, require_counts, require_positive
from training.algorithms.learner import TrainingSetup
from training.algorithms.pearl import Pearl, PearlConfig
from training.families.registry import FAMILIES
from training.tasks.task_set import draw_task_set

SIZES: Mapping[str, Sequence[int]] = {
    "tasks": (4, 8, 16, 32, 64),
    "worlds": (1, 2, 4, 8, 16),
    "context": (64, 128, 256, 512, 1024),
    "width": (32, 64, 128, 256, 512),
}
"""tasks collected from at once, and of a meta-gradient step; worlds of each task; transitions that
a belief is made of; units of every hidden layer"""
AT_MOST: Mapping[str, float] = {"tasks": 1.0, "worlds": 1.0, "context": 1.0, "width": 2.0}
"""exponents of the work that there is to do; below them where what does not grow still counts"""
_FAMILY = "sparse_point_robot"
_NUM_TASKS = 64
_EPISODES = 2
"""of a collection: the first is from the prior, the second from the posterior"""
_SHARE = 0.95

Work = Callable[[], object]
Seconds = NDArray[np.float64]


class PowerLaw(NamedTuple):
    """Seconds as a power of a size."""

    exponent: float
    """mean over the rounds of the slope of log seconds against log size"""
    low: float
    high: float
    """95 % over rounds, by Student's t"""
    at_the_end: float
    """slope between the two largest sizes, of medians: what is there whatever the size is less of
    these"""


def print_bench_growth(rounds: int = 5, seconds: float = 0.05, out: Path | None = None) -> None:
    """Print as JSON lines how seconds of collecting and learning grow with sizes, on one thread.

    Args:
        rounds: times that every size of a case is measured, one size after the other.
        seconds: how long each of these lasts at least, on its core.
        out: a file for the lines too, for `taskbelief benchmark --growth`.
    """
    require_counts(rounds=rounds)
    if rounds < 2:
        raise BadInput(WHERE, "--rounds", found=rounds, expected="2 or more, for an interval")
    require_positive(seconds=seconds)
    require_writable(out, "--out")
    torch.set_num_threads(1)
    lines = []
    for record in bench_growth(SIZES, rounds=rounds, seconds=seconds):
        lines.append(json.dumps(record))
        print(lines[-1], flush=True)
    if out is not None:
        write_file(out, "".join(f"{line}\n" for line in lines))


def bench_growth(
    sizes: Mapping[str, Sequence[int]], *, rounds: int, seconds: float
) -> Iterator[dict[str, Any]]:
    """One JSON-ready record for each of collecting and learning against each kind of size."""
    for against, some in sizes.items():
        learners = [_learner(against, size) for size in some]
        for what, work_of in (("collect", _collecting), ("update", _updating)):
            work = [work_of(learner) for learner in learners]
            taken = measured(work, rounds=rounds, seconds=seconds)
            law = fitted(some, taken)
            yield {
                "bench": "growth",
                "what": what,
                "against": against,
                "sizes": list(some),
                "seconds": [statistics.median(column) for column in taken.T.tolist()],
                **law._asdict(),
                "at_most": AT_MOST[against],
                "rounds": rounds,
            }


def fitted(sizes: Sequence[int], taken: Seconds) -> PowerLaw:
    """Of (R, S) seconds in R rounds at S sizes."""
    log_sizes, logs = np.log(sizes), np.log(taken)
    slopes = np.polyfit(log_sizes, logs.T, 1)[0]
    count = len(slopes)
    reach = student.ppf(0.5 + _SHARE / 2, count - 1) * slopes.std(ddof=1) / np.sqrt(count)
    medians = np.median(logs, axis=0)
    at_the_end = (medians[-1] - medians[-2]) / (log_sizes[-1] - log_sizes[-2])
    middle = float(slopes.mean())
    return PowerLaw(middle, middle - float(reach), middle + float(reach), float(at_the_end))


def measured(work: Sequence[Work], *, rounds: int, seconds: float) -> Seconds:
    """(R, S) seconds of each, round by round, there and back: a busy moment meets all sizes."""
    taken = np.zeros((rounds, len(work)))
    for each in work:
        each()
    for number in range(rounds):
        for index in range(len(work))[:: 1 if number % 2 == 0 else -1]:
            taken[number, index] = _once(work[index], seconds)
    return taken


def _once(work: Work, seconds: float) -> float:
    """Per unit of work."""
    began, units, elapsed = time.process_time(), 0, 0.0
    while elapsed < seconds:
        work()
        units += 1
        elapsed = time.process_time() - began
    return elapsed / units


# ---- what is measured ----------------------------------------------------------------------------


def config_of(against: str, size: int) -> PearlConfig:
    """A small PEARL with one thing of that size."""
    kinds: Mapping[str, dict[str, Any]] = {
        "tasks": {"tasks_per_iteration": size, "meta_batch_size": size},
        "worlds": {"worlds_per_task": size},
        "context": {"context_batch_size": size},
        "width": {"hidden_sizes": (size,) * 3, "encoder_hidden_sizes": (size,) * 3},
    }
    common: dict[str, Any] = {
        "hidden_sizes": (64, 64, 64),
        "encoder_hidden_sizes": (64, 64, 64),
        "num_initial_steps": 20,
        "tasks_per_iteration": 8,
        "meta_batch_size": 8,
        "batch_size": 64,
        "context_batch_size": 64,
        "replay_capacity": 20_000,
    }
    return PearlConfig(**common | kinds[against])


def _learner(against: str, size: int) -> Pearl:
    """With something in its buffers."""
    family = FAMILIES[_FAMILY]
    task_set = draw_task_set(family, seed=0, num_train=_NUM_TASKS, num_test=2)
    setup = TrainingSetup(family=family, task_set=task_set, seed=0, device=torch.device("cpu"))
    learner = Pearl(config_of(against, size), setup)
    learner.collect_initial_pool()
    return learner


def _collecting(learner: Pearl) -> Work:
    """Two episodes in every world, stored for the policy alone: no context grows by them."""
    steps = _EPISODES * learner.worlds.episode_length * learner.config.worlds_per_task
    tasks = np.arange(learner.num_collected)
    return lambda: learner._phase(tasks, "posterior", steps, is_context=False)


def _updating(learner: Pearl) -> Work:
    return lambda: learner.gradient_step(*learner.sample(learner.meta_batch()))
