"""What an evaluation measures: the first line of its journal, and in every recording of it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from sim2real.contract.errors import BadInput
from sim2real.contract.strict import build


@dataclass(frozen=True, kw_only=True)
class Header:
    """An evaluation that goes on has the same, commit apart."""

    bundle_name: str
    bundle_digest: str
    robot: str
    """simulated, emulated or serial"""
    num_trials: int
    num_episodes: int
    seed: int
    tasks: Mapping[str, Mapping[str, tuple[float, ...]]]
    """what defines them, by name, in order"""
    not_available: Mapping[str, str]
    """conditions that are not measured, and why"""
    provenance: Mapping[str, str]
    """recipe, task set, robot.yaml, unit, other bundles"""
    git_commit: str
    """of the code that began it"""

    def to_json(self) -> str:
        """One line, lossless."""
        return json.dumps(dataclasses.asdict(self), allow_nan=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str, where: str) -> Self:
        """Raises `BadInput` for anything else."""
        try:
            document: Any = json.loads(text)
        except json.JSONDecodeError as error:
            raise BadInput(where, "header", found=error.msg, expected="JSON") from None
        return build(cls, document, where, "header")

    def require_same(self, begun: Header, where: str) -> None:
        """Raise `BadInput`, naming what differs, unless `begun` is the same evaluation."""
        for field in dataclasses.fields(self):
            found, wanted = getattr(self, field.name), getattr(begun, field.name)
            if field.name != "git_commit" and found != wanted:
                raise BadInput(
                    where,
                    field.name,
                    found=found,
                    expected=f"{wanted!r}, as it was begun",
                    remedy="repeat its options, or choose another --out",
                )
