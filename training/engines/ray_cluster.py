"""Ray: a cluster of this machine's cores that ends with the command, or one that is there.

Trainings are tasks. One whose worker or node was killed is begun again elsewhere by Ray and goes on
from its checkpoint, so run directories have to be where all nodes find them.
"""

from __future__ import annotations

import os
import socket
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
_STORE_BYTES = 80 * 2**20
"""nothing but exit codes is handed around; Ray takes no less"""


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
        try:
            self._ray.init(
                **({"address": address} if address else {"address": "local", **own}),
                log_to_driver=False,
                logging_level="error",
                configure_logging=True,
            )
        except Exception as error:  # of many kinds
            raise WorkFailed(f"Ray does not start or answer: {error}") from error
        cores = int(self._ray.cluster_resources().get("CPU", 1))
        self.width = cores if address else processes
        task = self._ray.remote(max_retries=NUM_RETRIES, retry_exceptions=False)
        self._train = task(_train)

    def submit(self, training: Training) -> RayJob:
        options = {"num_cpus": training.threads, "name": f"{training.recipe} {training.seed}"}
        there = replace(training, directory=training.directory.absolute())
        return RayJob(self._ray, self._train.options(**options).remote(there))

    def close(self) -> None:
        self._ray.shutdown()


class RayJob:
    """A task."""

    def __init__(self, ray: Any, result: Any) -> None:
        self._ray, self._result = ray, result

    def ended(self) -> int | None:
        done, _ = self._ray.wait([self._result], timeout=0)
        if not done:
            return None
        try:
            code = int(self._ray.get(self._result))
        except Exception:  # cancelled, or lost more often than it was to be begun again
            return LOST
        return LOST if code < 0 else code

    def interrupt(self) -> None:
        self._ray.cancel(self._result, recursive=False)


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
