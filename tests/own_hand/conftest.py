"""Untrained bundles of hands that are not the claw, exported once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sim2real.contract.robot_spec import load_robot_spec
from sim2real.runtime.kinds.registry import KINDS, REHEARSED, kind_of


@pytest.fixture(scope="session")
def bundle_on(tmp_path_factory) -> Callable[[Path], Path]:
    """A bundle for the pose with small random networks, by the robot's path or name."""
    from training.export.untrained import untrained_parts, write_untrained_bundle
    from training.families.registry import claw_family

    folder = tmp_path_factory.mktemp("own-bundles")

    def exported(robot: Path) -> Path:
        bundle = folder / robot.name
        if not bundle.exists():
            spec = load_robot_spec(robot)
            parts = untrained_parts(
                claw_family("pose_dynamics", "test", spec).scene,
                settings=KINDS[kind_of(REHEARSED).name].examples[0],
                hidden_sizes=(16, 16),
                encoder_hidden_sizes=(16, 16),
            )
            write_untrained_bundle(bundle, parts, "pose_dynamics", spec)
        return bundle

    return exported
