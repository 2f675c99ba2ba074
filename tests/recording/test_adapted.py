"""What was learnt in a trial is kept beside its bundle, and is of use on no other."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sim2real.contract.errors import BadInput
from sim2real.recording.adapted import adapted, read_adapted
from sim2real.runtime.bundle import read_bundle
from sim2real.runtime.policy_runner import PolicyRunner, TrialLabels
from tests.recording.conftest import SPEC


@pytest.fixture
def kept(session, exported_bundles, tmp_path):
    """A bundle that took a step after two episodes, a third one, and the file of it."""
    folder = exported_bundles("gradient")
    one = session(folder)
    one.begin_trial()
    for seed in (1, 2, 3):
        one.run_episode(seed)
    memory = one.runner.memory
    one.close()
    out = tmp_path / "kept.adapted.json"
    adapted(folder, one.recording.path, out)
    return folder, out, memory


def test_ab1_it_is_what_was_learnt_to_the_bit(kept):
    folder, out, memory = kept
    bundle = read_bundle(folder)
    runner = PolicyRunner(bundle, SPEC)
    runner.begin_trial(
        seed=5,
        first_episode=2,
        labels=TrialLabels(robot="simulated", task="t", condition="adapted", trial=0),
    )
    before = runner.controller.belief.digest
    runner.memory = read_adapted(out, bundle)

    assert memory["parameters"].size > 0  # a step was taken
    assert runner.controller.belief.digest != before
    assert runner.memory.keys() == memory.keys()
    for name, values in memory.items():
        np.testing.assert_array_equal(runner.memory[name], values)
    document = json.loads(out.read_text())
    assert document["bundle_digest"] == bundle.digest
    assert document["num_episodes"] == 3
    assert document["num_transitions"] == memory["num_transitions"][0]
    assert len(document["recording_sha256"]) == 64


def test_ab2_on_another_base_it_is_refused_in_one_line(kept, exported_bundles):
    _, out, _ = kept
    other = read_bundle(exported_bundles("gradient", 1))

    with pytest.raises(BadInput, match="bundle_digest") as refused:
        read_adapted(out, other)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("change", [{"schema_version": 2}, {"memory": {"a": ["b"]}}, {"x": 1}])
def test_ab2_a_file_that_is_something_else_is_refused(kept, change: dict, tmp_path: Path):
    folder, out, _ = kept
    damaged = tmp_path / "damaged.json"
    damaged.write_text(json.dumps(json.loads(out.read_text()) | change))

    with pytest.raises(BadInput):
        read_adapted(damaged, read_bundle(folder))


def test_ab3_a_recording_of_another_bundle_is_refused(kept, exported_bundles, tmp_path):
    _, out, _ = kept
    recording = out.parent / "session.mcap"
    with pytest.raises(BadInput, match="an episode of bundle"):
        adapted(exported_bundles("gradient", 1), recording, tmp_path / "other.json")
    assert not (tmp_path / "other.json").exists()
