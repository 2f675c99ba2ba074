"""A side is read from its recordings alone, and says the same as the results do."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from sim2real.contract.errors import BadInput
from sim2real.gap.motion import PairKey
from sim2real.gap.side import read_side
from sim2real.recording.messages import trial_result_message
from sim2real.recording.metadata import RecordingMetadata
from sim2real.recording.reader import read_recording
from sim2real.recording.received import episode_outcome_of
from sim2real.recording.records import Raw, records
from sim2real.recording.writer import Recording
from tests.gap.recorded import PROTOCOL, SPEC, TASKS


def test_outcomes_are_those_of_the_table_of_episodes(simulated_folder, simulated_side):
    with (simulated_folder / "episodes.csv").open() as file:
        rows = list(csv.DictReader(file))

    expected = {
        PairKey(
            row["task"],
            row["condition"],
            int(row["trial"]),
            int(row["episode"]),
            int(row["seed"]),
        ): float(row["return"])
        for row in rows
    }
    found = {key: outcome.total_reward for key, outcome in simulated_side.outcomes.items()}
    assert found == expected
    assert simulated_side.num_incomplete == 0


def test_every_episode_and_the_script_is_a_motion(simulated_side):
    assert len(simulated_side.acted) == len(simulated_side.outcomes)
    assert len(simulated_side.excited) == 1
    for motion in simulated_side.acted:
        assert motion.duration_s == pytest.approx(3.0)
        assert len(motion.time_s) == 31


def test_a_simulation_in_lock_step_is_known_by_its_times(simulated_side, emulated_side):
    assert simulated_side.is_lock_step
    assert not emulated_side.is_lock_step
    assert simulated_side.label == "simulation"
    assert emulated_side.label == "emulated bus"


def test_what_the_tasks_are_is_in_the_recording(simulated_side):
    for task in TASKS:
        assert simulated_side.tasks[task.name]["valve_friction"] == pytest.approx(
            task.parameters["valve_friction"]
        )


def test_a_belief_grows_over_a_whole_trial(simulated_side):
    assert len(simulated_side.beliefs) == len(TASKS)
    for path in simulated_side.beliefs.values():
        assert path.num_transitions[0] == 0
        assert path.num_transitions[-1] == 30 * PROTOCOL.num_episodes
        assert (np.diff(path.num_transitions) >= 0).all()
        assert path.mean.shape == path.variance.shape


def test_one_file_is_a_side_too(simulated_folder):
    file = simulated_folder / "recordings" / "test-1.adapted.0.mcap"

    side = read_side(file)

    assert {key.task for key in side.outcomes} == {"test/1"}


def test_an_empty_folder_is_bad_input(tmp_path):
    with pytest.raises(BadInput, match=r"files called \*\.mcap"):
        read_side(tmp_path)


def test_a_recording_in_which_nothing_moved_is_bad_input(tmp_path):
    metadata = RecordingMetadata.of(SPEC, robot="emulated")
    with Recording(tmp_path / "empty.mcap", metadata):
        pass

    with pytest.raises(BadInput, match="completed episodes"):
        read_side(tmp_path)


def test_a_hand_that_was_only_put_in_place_is_no_motion(simulated_folder, tmp_path):
    """As a trial leaves it that ends in a fault before its first episode."""
    whole = simulated_folder / "recordings" / "test-0.adapted.0.mcap"
    metadata = RecordingMetadata.of(SPEC, robot="simulated")
    with Recording(tmp_path / "placed.mcap", metadata) as copy:
        for record in records(whole):
            if isinstance(record, Raw):
                topic = record.channel.topic.strip("/")
                if topic in ("hand_reading", "control_tick"):
                    copy.write_cdr(topic, record.message.data, record.message.log_time)

    with pytest.raises(BadInput, match="completed episodes"):
        read_side(tmp_path)


def test_two_robots_in_one_folder_are_bad_input(simulated_folder, emulated_folder, tmp_path):
    for folder in (simulated_folder, emulated_folder):
        file = folder / "recordings" / "script.mcap"
        shutil.copy(file, tmp_path / f"{folder.name}.mcap")

    with pytest.raises(BadInput, match="emulated, simulated"):
        read_side(tmp_path)


def test_episodes_that_were_not_completed_are_counted_and_left_out(simulated_folder, tmp_path):
    """A recording whose last episode ended in a fault."""
    whole = simulated_folder / "recordings" / "test-0.adapted.0.mcap"
    results = read_recording(whole).messages("trial_result")
    with Recording(tmp_path / "fault.mcap", RecordingMetadata.of(SPEC, robot="simulated")) as copy:
        for record in records(whole):
            if not isinstance(record, Raw):
                continue
            topic, log_ns = record.channel.topic.strip("/"), record.message.log_time
            if topic == "trial_result":
                outcome = episode_outcome_of(next(results).message)
                is_last = outcome.episode == PROTOCOL.num_episodes - 1
                outcome = replace(outcome, outcome="fault" if is_last else "completed")
                copy.write(topic, trial_result_message(outcome, log_ns), log_ns)
            else:
                copy.write_cdr(topic, record.message.data, log_ns)

    side = read_side(tmp_path / "fault.mcap")

    assert side.num_incomplete == 1
    assert {key.episode for key in side.outcomes} == {0}
    assert len(side.motions) == 1


def test_results_are_not_read(simulated_folder, tmp_path):
    """Results that somebody edited change nothing."""
    folder = tmp_path / "edited"
    shutil.copytree(simulated_folder, folder)
    (folder / "results.json").write_text(json.dumps({"conditions": {}}))
    (folder / "episodes.csv").unlink()

    assert read_side(folder).outcomes == read_side(simulated_folder).outcomes
