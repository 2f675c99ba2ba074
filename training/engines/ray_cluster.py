"""Ray: a cluster of this machine's cores that ends with the command, or one that is there.

Trainings are tasks. One whose worker or node was killed is begun again elsewhere by Ray and goes on
from its checkpoint, so run directories have to be where all nodes find them. A cluster that ends
with the command has one node only: where Ray's own processes on it are killed, it is begun anew.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sim2real.contract.errors import BadInput, WorkFailed
from sim2real.contract.require import WHERE
from training.engines.engine import LOST
from training.engines.extra import installed
from training.engines.training import Training, completed

NUM_RETRIES = 5
"""of a task, when its worker is killed"""
_CONNECT_S = 5.0
_ASK_S = 1.0
"""between two looks at a cluster's own processes"""
_STORE_BYTES = 80 * 2**20
"""nothing but exit codes is handed around; Ray takes no less"""
Door = tuple[str, int]
"""host and port"""


class RayEngine:
    """Ray gets as many trainings at a time as it has cores, and decides where each of them runs."""

    def __init__(self, *, processes: int, address: str = "") -> None:
        """`processes` are the cores of a cluster that is started; `address` is that of another.

        Raises `BadInput` where Ray is not installed, and `WorkFailed` where it does not answer.
        """
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it asks nobody, and tells nobody
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # what a task sees stays
        self._ray = installed("ray", extra="ray")
        _require_somebody(address)
        own: dict[str, Any] = {"num_cpus": processes, "object_store_memory": _STORE_BYTES}
        own |= {"include_dashboard": False}
        self._where = {"address": address} if address else {"address": "local", **own}
        self._is_own, self._asked_at, self._was_there = not address, 0.0, True
        self._doors: Sequence[Door] = ()
        self.num_beginnings = 0
        self._connect()
        cores = int(self._ray.cluster_resources().get("CPU", 1))
        self.width = cores if address else processes

    def _connect(self) -> None:
        try:
            self._ray.init(
                **self._where, log_to_driver=False, logging_level="error", configure_logging=True
            )
        except Exception as error:  # of many kinds
            raise WorkFailed(f"Ray does not start or answer: {error}") from error
        self.num_beginnings += 1
        task = self._ray.remote(max_retries=NUM_RETRIES, retry_exceptions=False)
        self._train = task(_train)
        self._doors = self._own_doors() if self._is_own else ()

    def _own_doors(self) -> Sequence[Door]:
        """Where the two processes listen without which there is no cluster: GCS and raylet."""
        host, _, port = self._ray.get_runtime_context().gcs_address.rpartition(":")
        (node,) = self._ray.nodes()
        return (host, int(port)), (node["NodeManagerAddress"], node["NodeManagerPort"])

    def submit(self, training: Training) -> RayJob:
        if not all(map(_is_open, self._doors)):
            self._ray.shutdown()
            self._connect()
        options = {"num_cpus": training.threads, "name": f"{training.recipe} {training.seed}"}
        there = replace(training, directory=training.directory.absolute())
        return RayJob(self, self._ray, self._train.options(**options).remote(there))

    def is_there(self) -> bool:
        """Whether the cluster that it has begun still lives; Ray itself finds out in a minute.

        Other clusters have other keepers.
        """
        now = time.monotonic()
        if now - self._asked_at >= _ASK_S:
            self._asked_at, self._was_there = now, all(map(_is_open, self._doors))
        return self._was_there

    def close(self) -> None:
        self._ray.shutdown()


class RayJob:
    """A task."""

    def __init__(self, engine: RayEngine, ray: Any, result: Any) -> None:
        self._engine, self._ray, self._result = engine, ray, result
        self._beginning = engine.num_beginnings

    def ended(self) -> int | None:
        if not self._has_cluster():
            return LOST
        try:
            done, _ = self._ray.wait([self._result], timeout=0)
            if not done:
                return None
            code = int(self._ray.get(self._result))
        except Exception:  # cancelled, or lost more often than it was to be begun again
            return LOST
        return LOST if code < 0 else code

    def interrupt(self) -> None:
        if self._has_cluster():
            self._ray.cancel(self._result, recursive=False)

    def _has_cluster(self) -> bool:
        """The very one that it was handed to."""
        return self._beginning == self._engine.num_beginnings and self._engine.is_there()


def _is_open(door: Door) -> bool:
    try:
        socket.create_connection(door, timeout=_CONNECT_S).close()
    except OSError:
        return False
    return True


def _require_somebody(address: str) -> None:
    """Raise `BadInput` where nobody listens at HOST:PORT: Ray itself would ask for many minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdigit():
        return  # a word that Ray knows, such as `auto`
    try:
        socket.create_connection((host, int(port)), timeout=_CONNECT_S).close()
    except (OSError, OverflowError) as error:
        expected = "HOST:PORT of a Ray cluster"
        raise BadInput(
            WHERE, "--address", found=f"{address} ({error})", expected=expected
        ) from None


def _train(training: Training) -> int:
    """What a task does."""
    return completed(training)
