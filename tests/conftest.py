"""What several folders of tests share: bundles with random weights, exported once."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def exported_bundles(tmp_path_factory) -> Callable[[str], Path]:
    """A bundle with small random networks by kind of adaptation; not to be written to."""
    # Imported late: most tests need neither torch nor its exporter.
    from training.export.untrained import untrained_parts, write_untrained_bundle
    from training.families.valve import VALVE_TURN

    folder = tmp_path_factory.mktemp("bundles")

    def exported(kind: str) -> Path:
        bundle = folder / kind
        if not bundle.exists():
            parts = untrained_parts(
                VALVE_TURN.scene,
                kind=kind,  # type: ignore[arg-type]
                hidden_sizes=(32, 32),
                encoder_hidden_sizes=(32, 32),
                hidden_size=16,
            )
            write_untrained_bundle(bundle, parts)
        return bundle

    return exported


@pytest.fixture
def bundle_copy(exported_bundles, tmp_path) -> Path:
    """A Gaussian-belief bundle of one's own, to damage."""
    return Path(shutil.copytree(exported_bundles("gaussian_belief"), tmp_path / "bundle"))
