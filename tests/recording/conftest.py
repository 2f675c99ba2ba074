"""What the tests of recordings share."""

from __future__ import annotations

import pytest

from sim2real.contract.robot_spec import load_robot_spec
from sim2real.recording.metadata import RecordingMetadata


@pytest.fixture(scope="session")
def metadata() -> RecordingMetadata:
    return RecordingMetadata.of(load_robot_spec(), robot="emulated", unit="emulated")
