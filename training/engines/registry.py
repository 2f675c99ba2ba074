"""The engines by name, made of what a command line says about hosts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sim2real.contract.errors import BadInput
from sim2real.contract.require import WHERE
from training.engines.engine import Engine
from training.engines.local import LocalEngine
from training.engines.ray_cluster import RayEngine
from training.engines.slurm import SlurmEngine


@dataclass(frozen=True, kw_only=True)
class Hosts:
    """Where trainings run."""

    processes: int
    """trainings at a time on this machine"""
    minutes: int
    """until Slurm stops a job, which is then queued again"""
    folder: Path
    """for files of submitit's"""
    address: str
    """of a Ray cluster that is there; empty: one is started"""


def engine_on(name: str, hosts: Hosts) -> Engine:
    """Raises `BadInput` for what is not installed, and for an address that goes to no cluster."""
    if hosts.address and name != "ray":
        expected = "none but with Ray"
        raise BadInput(WHERE, "--address", found=hosts.address, expected=expected)
    return ENGINES[name](hosts)


def _local(hosts: Hosts) -> Engine:
    return LocalEngine(hosts.processes)


def _slurm(hosts: Hosts) -> Engine:
    return SlurmEngine(hosts.folder, minutes=hosts.minutes)


def _stand_in(hosts: Hosts) -> Engine:
    return SlurmEngine(hosts.folder, minutes=hosts.minutes, cluster="debug")


def _ray(hosts: Hosts) -> Engine:
    return RayEngine(processes=hosts.processes, address=hosts.address)


ENGINES: Mapping[str, Callable[[Hosts], Engine]] = {
    "local": _local,
    "slurm": _slurm,
    "ray": _ray,
    "debug": _stand_in,
}
