"""What an evaluation measures: the first line of its journal, and in every recording of it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from sim2real.contract.errors import BadInput
from sim2real.contract.robot_spec import RobotSpec
from sim2real.contract.strict import build
from sim2real.contract.text_file import parse_json
from sim2real.evaluation.protocol import Condition
from sim2real.recording.metadata import git_commit
from sim2real.runtime.bundle import Bundle

ONE_TASK = "there is one task only"
TRUE_TASK_UNKNOWN = "it is told the true task, which is known in simulation only"


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

    @classmethod
    def of(
        cls,
        bundle: Bundle,
        spec: RobotSpec,
        *,
        tasks: Mapping[str, Mapping[str, tuple[float, ...]]],
        robot: str,
        unit: str,
        num_trials: int,
        num_episodes: int,
        seed: int,
        task_set_sha256: str,
        not_available: Mapping[Condition, str],
        robust: str = "",
        oracle: str = "",
    ) -> Self:
        """That of an evaluation which begins now; one task alone knows no wrong one."""
        wrong = {Condition.WRONG_TASK: ONE_TASK} if len(tasks) < 2 else {}
        return cls(
            bundle_name=bundle.manifest.name,
            bundle_digest=bundle.digest,
            robot=robot,
            num_trials=num_trials,
            num_episodes=num_episodes,
            seed=seed,
            tasks=tasks,
            not_available={name.value: why for name, why in {**wrong, **not_available}.items()},
            provenance={
                "recipe": bundle.manifest.provenance.recipe,
                "task_set_sha256": task_set_sha256,
                "trained_on_sha256": bundle.manifest.provenance.task_set_sha256,
                "robot_fingerprint": spec.fingerprint,
                "unit": unit,
                "robust": robust,
                "oracle": oracle,
            },
            git_commit=git_commit(),
        )

    def to_json(self) -> str:
        """One line, lossless."""
        return json.dumps(dataclasses.asdict(self), allow_nan=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str, where: str) -> Self:
        """Raises `BadInput` for anything else."""
        return build(cls, parse_json(text, where, "a header"), where, "header")

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
