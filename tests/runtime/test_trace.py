"""A trace keeps the latest ticks in memory of a fixed size and survives the disk."""

from __future__ import annotations

import numpy as np
import pytest

from sim2real.contract.errors import BadInput
from sim2real.contract.robot_spec import load_robot_spec
from sim2real.runtime.bundle import read_bundle
from sim2real.runtime.controller import Controller
from sim2real.runtime.evidence import Rejection
from sim2real.runtime.golden import read_golden, recorded_reading
from sim2real.runtime.trace import TraceRing, read_trace, write_trace

SPEC = load_robot_spec()


@pytest.fixture(params=["none", "gaussian_belief", "recurrent_belief"])
def bundle(request, exported_bundles):
    return read_bundle(exported_bundles(request.param))


def recorded(bundle, *, capacity: int, num_ticks: int) -> tuple[TraceRing, list]:
    columns = read_golden(bundle.files["golden.npz"], bundle.manifest, "golden.npz")
    controller, ticks = Controller(bundle, SPEC), []
    controller.begin_episode(
        goal=lambda _: columns["goal"][0], target_rad=SPEC.joint_array("home_rad")
    )
    ring = TraceRing(bundle.manifest, capacity=capacity, bundle_digest=bundle.digest)
    for row in range(num_ticks):
        controller.step(recorded_reading(columns, row))
        if row == 3:
            controller.report_applied(None)
        ring.append(controller.latest, controller.belief, started_ns=row, finished_ns=row + 7)
        ticks.append(controller.latest)
    return ring, ticks


def test_every_tick_is_kept_as_it_was(bundle):
    ring, ticks = recorded(bundle, capacity=100, num_ticks=20)

    trace = ring.trace()

    assert len(trace) == 20
    columns = trace.columns
    for name in ("observation", "condition", "action", "desired_rad", "applied_rad"):
        np.testing.assert_array_equal(columns[name], [getattr(tick, name) for tick in ticks])
    for name in ("sequence", "position_rad", "current_ma", "object_position_rad"):
        np.testing.assert_array_equal(
            columns[name], [getattr(tick.reading, name) for tick in ticks]
        )
    assert np.isnan(columns["applied_action"][3]).all()
    assert not np.isnan(columns["applied_action"][4]).any()
    assert columns["finished_ns"].tolist() == list(range(7, 27))
    assert columns["num_transitions"][-1] == (
        0 if bundle.manifest.adaptation.kind == "none" else 18
    )
    assert trace.causes()[Rejection.EPISODE_BOUNDARY] == 1
    assert trace.causes()[Rejection.FILTERED] == 1


def test_a_full_ring_forgets_the_oldest(bundle):
    ring, ticks = recorded(bundle, capacity=8, num_ticks=20)

    trace = ring.trace()

    stamps = [tick.reading.stamp_ns for tick in ticks[-8:]]
    assert trace.columns["stamp_ns"].tolist() == stamps


def test_it_survives_the_disk(bundle, tmp_path):
    trace = recorded(bundle, capacity=8, num_ticks=5)[0].trace()

    write_trace(tmp_path / "run" / "trace.npz", trace)
    restored = read_trace(tmp_path / "run" / "trace.npz")

    assert restored.bundle_digest == bundle.digest
    assert restored.columns.keys() == trace.columns.keys()
    for name, column in trace.columns.items():
        np.testing.assert_array_equal(restored.columns[name], column)
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["trace.npz"]


def test_other_files_are_no_trace(tmp_path):
    (tmp_path / "trace.npz").write_bytes(b"something else")
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    for name in ("trace.npz", "other.npz", "missing.npz"):
        with pytest.raises(BadInput, match="a trace"):
            read_trace(tmp_path / name)
