"""What several folders of tests share: bundles with random weights, exported once."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from sim2real.runtime.kinds.registry import KINDS, REHEARSED, kind_of

# How long an example takes says how busy the machine is, and nothing else.
settings.register_profile("taskbelief", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("taskbelief")

ADAPTING = kind_of(REHEARSED).name
EXAMPLES = [(name, number) for name, kind in KINDS.items() for number in range(len(kind.examples))]


@pytest.fixture(scope="session")
def exported_bundles(tmp_path_factory) -> Callable[[str], Path]:
    """A bundle with small random networks by kind of adaptation, by default one that adapts, and
    number of the kind's example; not to be written to."""
    # Imported late: most tests need neither torch nor its exporter.
    from training.export.untrained import untrained_parts, write_untrained_bundle
    from training.families.valve import VALVE_TURN

    folder = tmp_path_factory.mktemp("bundles")

    def exported(kind: str = ADAPTING, example: int = 0) -> Path:
        bundle = folder / f"{kind}-{example}"
        if not bundle.exists():
            parts = untrained_parts(
                VALVE_TURN.scene,
                settings=KINDS[kind].examples[example],
                hidden_sizes=(32, 32),
                encoder_hidden_sizes=(32, 32),
            )
            write_untrained_bundle(bundle, parts)
        return bundle

    return exported


@pytest.fixture(scope="session")
def seeing_bundle(tmp_path_factory) -> Path:
    """A bundle that adapts and sees through the palm camera; not to be written to."""
    from dataclasses import replace

    from sim2real.contract.camera import load_cameras
    from sim2real.runtime.bundle import write_bundle
    from training.export.untrained import untrained_draft, untrained_parts
    from training.families.valve import VALVE_TURN

    scene = VALVE_TURN.scene
    scene = replace(scene, camera=load_cameras(scene.spec)["palm"])
    parts = untrained_parts(scene, hidden_sizes=(32, 32), encoder_hidden_sizes=(32, 32))
    draft = untrained_draft(parts, scene=scene)
    folder = tmp_path_factory.mktemp("seeing") / "bundle"
    write_bundle(folder, draft.manifest, draft.files)
    return folder


@pytest.fixture(params=EXAMPLES, ids=lambda example: f"{example[0]}-{example[1]}")
def every_bundle(request, exported_bundles) -> Path:
    """Bundles of all that all kinds of adaptation can do, one after the other."""
    return Path(exported_bundles(*request.param))


@pytest.fixture
def bundle_copy(exported_bundles, tmp_path) -> Path:
    """A bundle of one's own that adapts, to damage."""
    return Path(shutil.copytree(exported_bundles(), tmp_path / "bundle"))
