"""All trainings to their ends, by any engine; and everything saved when somebody stops it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from training.engines.engine import LOST, Engine, Job
from training.engines.training import FAILED, Training, alone_in

NUM_LOSSES = 3
"""times that a training may be lost before it counts as failed"""
_WAIT_S = 0.05


@dataclass(kw_only=True)
class Standing:
    """Where all trainings are."""

    waiting: list[Training]
    running: dict[Training, Job] = field(default_factory=dict)
    ended: dict[Training, int] = field(default_factory=dict)
    """with their exit codes"""


def drive(
    engine: Engine,
    trainings: Sequence[Training],
    watch: Callable[[Standing], object] = lambda _: None,
) -> Mapping[Training, int]:
    """Exit codes of all of them; `watch` is told where they are, many times a second.

    Where this is interrupted they are asked to stop, and waited for: they save what they have done.
    A training that was lost with its worker is handed over again. Closes the engine.
    """
    standing = Standing(waiting=list(trainings))
    losses = dict.fromkeys(trainings, 0)
    try:
        while standing.waiting or standing.running:
            while standing.waiting and len(standing.running) < engine.width:
                training = standing.waiting.pop(0)
                standing.running[training] = engine.submit(training)
            for training, code in _ended(standing):
                del standing.running[training]
                losses[training] += code == LOST
                if code == LOST and losses[training] < NUM_LOSSES:
                    standing.waiting.insert(0, training)
                else:
                    standing.ended[training] = FAILED if code == LOST else code
            watch(standing)
            time.sleep(_WAIT_S)
    except BaseException:
        _stop(standing.running)
        raise
    finally:
        engine.close()
    return standing.ended


def _ended(standing: Standing) -> list[tuple[Training, int]]:
    codes = ((training, job.ended()) for training, job in standing.running.items())
    return [(training, code) for training, code in codes if code is not None]


def _stop(running: Mapping[Training, Job]) -> None:
    """Ask all to stop; until the last has saved. An engine may give up its workers before that."""
    for job in running.values():
        job.interrupt()
    while any(job.ended() is None for job in running.values()):
        time.sleep(_WAIT_S)
    for training in running:
        with alone_in(training.directory):
            pass
