"""Where a recording comes from, kept in the file itself."""

from __future__ import annotations

import dataclasses
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from sim2real.contract.robot_spec import RobotSpec
from sim2real.contract.strict import build
from sim2real.runtime.bundle import Bundle

RECORD = "taskbelief"
"""name of the MCAP metadata record that holds it"""
GAPS = "gaps"
"""name of the record that says, by topic, how many messages are missing; none where all are here"""
SCRIPT = "taskbelief_excitation"
"""name of the record that says which script a recording is of, and on which task"""


@dataclass(frozen=True, kw_only=True)
class RecordingMetadata:
    """What one has to know to make sense of a recording on another machine."""

    bundle_name: str
    """of the policy; empty where none was loaded"""
    bundle_digest: str
    """as `Bundle.digest`; empty where none was loaded"""
    robot: str
    """simulated, emulated or serial"""
    robot_name: str
    robot_fingerprint: str
    """of its robot.yaml"""
    unit: str
    """whose calibration it was; empty in simulation"""
    git_commit: str
    """of the code that ran; "unknown" outside a checkout"""
    recorded_at: str
    """when recording began, ISO 8601, UTC"""

    @classmethod
    def of(
        cls, spec: RobotSpec, *, robot: str, unit: str = "", bundle: Bundle | None = None
    ) -> Self:
        """Of a recording that begins now."""
        return cls(
            bundle_name="" if bundle is None else bundle.manifest.name,
            bundle_digest="" if bundle is None else bundle.digest,
            robot=robot,
            robot_name=spec.name,
            robot_fingerprint=spec.fingerprint,
            unit=unit,
            git_commit=git_commit(),
            recorded_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def as_dict(self) -> dict[str, str]:
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, str], where: str) -> Self:
        """Raises `BadInput` for a missing or an unknown entry."""
        return build(cls, dict(values), where, f"metadata {RECORD}")


def git_commit() -> str:
    """The commit of the code that runs, and whether it was changed since."""
    commit = _git("rev-parse", "HEAD")
    # Installed somewhere inside another project, this file is none of that project's.
    if commit is None or _git("ls-files", "--error-unmatch", Path(__file__).name) is None:
        return "unknown"
    changes = _git("status", "--porcelain", "--untracked-files=no")
    return commit if changes == "" else f"{commit} with local changes"


def _git(*words: str) -> str | None:
    command = ["git", "-C", str(Path(__file__).parent), *words]
    try:
        outcome = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return outcome.stdout.strip() if outcome.returncode == 0 else None
