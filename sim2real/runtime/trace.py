"""The trace: what the controller saw, believed and did, tick by tick, in memory of a fixed size.

A ring of preallocated columns: appending copies numbers and allocates nothing that stays. It is
written to disk after the run, never during it.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from sim2real.contract.errors import BadInput
from sim2real.contract.joint_io import Reading
from sim2real.contract.manifest import Manifest
from sim2real.runtime.adaptation import Belief
from sim2real.runtime.controller import Tick
from sim2real.runtime.evidence import Rejection

_CAUSES = ("", *Rejection)
"""index 0 is evidence"""
_READING_FIELDS = tuple(field.name for field in fields(Reading))


@dataclass(frozen=True, kw_only=True, eq=False)
class Trace:
    """The ticks of a run in order; axis 0 of every column is the tick."""

    bundle_digest: str
    columns: Mapping[str, NDArray[Any]]

    def __len__(self) -> int:
        return len(self.columns["stamp_ns"])

    def causes(self) -> dict[str, int]:
        """How many readings were rejected, by cause."""
        counts = np.bincount(self.columns["rejection"], minlength=len(_CAUSES))
        return {cause: int(counts[index]) for index, cause in enumerate(_CAUSES) if index}


class TraceRing:
    """Keeps the latest `capacity` ticks."""

    def __init__(self, manifest: Manifest, *, capacity: int, bundle_digest: str = "") -> None:
        if capacity < 1:
            raise ValueError(f"capacity {capacity}: at least one tick")
        self._capacity, self._digest, self._count = capacity, bundle_digest, 0
        self._columns: dict[str, NDArray[Any]] = {
            name: np.zeros((capacity, *shape), dtype)
            for name, (dtype, shape) in _layout(manifest).items()
        }

    def append(
        self, tick: Tick, belief: Belief, *, started_ns: int = 0, finished_ns: int = 0
    ) -> None:
        """Note one tick; `started_ns` and `finished_ns` enclose its computation on the host."""
        row, columns = self._count % self._capacity, self._columns
        for name in _READING_FIELDS:
            columns[name][row] = getattr(tick.reading, name)
        columns["started_ns"][row] = started_ns
        columns["finished_ns"][row] = finished_ns
        columns["episode"][row] = tick.episode
        columns["number"][row] = tick.number
        columns["rejection"][row] = 0 if tick.rejection is None else _CAUSES.index(tick.rejection)
        columns["observation"][row] = tick.observation
        columns["reward"][row] = tick.reward
        columns["is_success"][row] = tick.is_success
        columns["condition"][row] = tick.condition
        columns["action"][row] = tick.action
        unknown = tick.applied_action is None
        columns["applied_action"][row] = np.nan if unknown else tick.applied_action
        columns["desired_rad"][row] = tick.desired_rad
        columns["applied_rad"][row] = tick.applied_rad
        columns["belief_mean"][row] = belief.mean
        columns["belief_variance"][row] = belief.variance
        columns["num_transitions"][row] = belief.num_transitions
        columns["kl_from_prior"][row] = belief.kl_from_prior
        self._count += 1

    def trace(self) -> Trace:
        """A copy of what is kept, oldest first."""
        kept = min(self._count, self._capacity)
        rows = np.arange(self._count - kept, self._count) % self._capacity
        columns = {name: column[rows] for name, column in self._columns.items()}
        return Trace(bundle_digest=self._digest, columns=columns)


def _layout(manifest: Manifest) -> dict[str, tuple[type, tuple[int, ...]]]:
    """Type and shape of every column, the tick's axis left out."""
    joints, one = (manifest.action.size,), ()
    believed = (manifest.adaptation.latent_size or manifest.adaptation.hidden_size,)
    return {
        "stamp_ns": (np.int64, one),
        "sequence": (np.int64, one),
        "position_rad": (np.float64, joints),
        "velocity_rad_s": (np.float64, joints),
        "current_ma": (np.float64, joints),
        "object_position_rad": (np.float64, one),
        "object_velocity_rad_s": (np.float64, one),
        "started_ns": (np.int64, one),
        "finished_ns": (np.int64, one),
        "episode": (np.int64, one),
        "number": (np.int64, one),
        "rejection": (np.int8, one),
        "observation": (np.float32, (manifest.observation.layout.size,)),
        "reward": (np.float32, one),
        "is_success": (np.bool_, one),
        "condition": (np.float32, believed),
        "action": (np.float32, joints),
        "applied_action": (np.float32, joints),
        "desired_rad": (np.float64, joints),
        "applied_rad": (np.float64, joints),
        "belief_mean": (np.float64, believed),
        "belief_variance": (np.float64, (manifest.adaptation.latent_size,)),
        "num_transitions": (np.int64, one),
        "kl_from_prior": (np.float64, one),
    }


def write_trace(path: Path, trace: Trace) -> None:
    """Save as npz: beside the target, then renamed over it."""
    buffer = io.BytesIO()
    columns = {**trace.columns, "bundle_digest": np.array(trace.bundle_digest)}
    np.savez_compressed(buffer, allow_pickle=False, **columns)
    beside = path.with_name(path.name + ".part")
    path.parent.mkdir(parents=True, exist_ok=True)
    beside.write_bytes(buffer.getvalue())
    beside.replace(path)


def read_trace(path: Path) -> Trace:
    """Read a saved trace. Raises `BadInput` for anything else."""
    try:
        with np.load(path, allow_pickle=False) as file:
            columns = {name: file[name] for name in file.files}
        digest = str(columns.pop("bundle_digest"))
        if len({len(column) for column in columns.values()}) != 1 or "stamp_ns" not in columns:
            raise ValueError("columns of different lengths")
    except (OSError, ValueError, KeyError, TypeError, BadZipFile) as error:
        raise BadInput(str(path), "file", found=str(error), expected="a trace") from None
    return Trace(bundle_digest=digest, columns=columns)
