"""Slurm, through submitit; and what submitit has for trying it without a cluster.

Run directories have to be on storage that all nodes share. What Slurm ends for its time, or for a
more important job, is queued again and goes on from its checkpoint.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sim2real.contract.errors import BadInput
from sim2real.contract.require import WHERE
from training.engines.engine import LOST
from training.engines.extra import installed
from training.engines.training import Training, completed

Cluster = Literal["slurm", "local", "debug"]
"""the cluster; processes that stand in for its jobs; or this very process, one after the other"""


class SlurmEngine:
    """Slurm gets all trainings at once, and decides when each of them runs."""

    def __init__(
        self, folder: Path, *, minutes: int, processes: int = 1, cluster: Cluster = "slurm"
    ) -> None:
        """`folder` is for submitit's files; `processes` are those of a stand-in at a time."""
        self.width = sys.maxsize if cluster == "slurm" else processes
        submitit = installed("submitit", extra="cluster")
        try:
            self._executor = submitit.AutoExecutor(folder=folder, cluster=cluster)
        except RuntimeError as error:  # it looks for srun
            expected = "a machine that can hand jobs to Slurm"
            raise BadInput(WHERE, "engine", found=str(error), expected=expected) from None
        self._minutes = minutes

    def submit(self, training: Training) -> SlurmJob:
        self._executor.update_parameters(
            name=f"taskbelief-{training.recipe}",
            timeout_min=self._minutes,
            cpus_per_task=training.threads,
        )
        return SlurmJob(self._executor.submit(Work(training=training)))

    def close(self) -> None:
        """Its jobs have ended or were cancelled."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """What a job does."""

    training: Training

    def __call__(self) -> int:
        return completed(self.training)

    def checkpoint(self) -> Any:
        """What is queued when Slurm takes the node away: the same, from where it will be."""
        return installed("submitit.helpers", extra="cluster").DelayedSubmission(self)


class SlurmJob:
    """A job of submitit's."""

    def __init__(self, job: Any) -> None:
        self._job = job

    def ended(self) -> int | None:
        if not self._job.done():
            return None
        try:
            code = int(self._job.result())
        except Exception:  # cancelled, killed, or a node that was lost: submitit has an error each
            return LOST
        return LOST if code < 0 else code

    def interrupt(self) -> None:
        self._job.cancel(check=False)
