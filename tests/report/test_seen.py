"""The strip shows the very pixels that entered the eye."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from sim2real.contract.robot_spec import load_robot_spec
from sim2real.evaluation.direct import open_direct
from sim2real.evaluation.hands import simulated_hand
from sim2real.evaluation.recorder import RecordingPlace
from sim2real.recording.episodes import episodes
from sim2real.recording.reader import read_recording
from sim2real.report.episode_trace import adapted_trials
from sim2real.report.recorded import read_recordings
from sim2real.report.seen import NUM_FRAMES, png, seen_figure
from sim2real.runtime.policy_runner import TrialLabels
from sim2real.runtime.verify import load_bundle
from tests.evaluation.fakes import header
from training.benches.bench_tasks import bench_task
from training.families.valve import VALVE_TURN
from training.tasks.task_set import draw_task_set

SPEC = load_robot_spec()


def test_a_png_is_its_pixels_to_the_bit():
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)

    np.testing.assert_array_equal(np.array(Image.open(io.BytesIO(png(pixels)))), pixels)
    np.testing.assert_array_equal(
        np.array(Image.open(io.BytesIO(png(pixels[:, :, ::-1])))), pixels[:, :, ::-1]
    )


@pytest.fixture
def recording(seeing_bundle, tmp_path):
    """Two episodes of a policy that sees, on the simulated hand."""
    bundle = load_bundle(seeing_bundle, SPEC)
    drawn = draw_task_set(VALVE_TURN, seed=3, num_train=1, num_test=1).test[0]
    task = bench_task(VALVE_TURN.scene, drawn, row=0)
    place = RecordingPlace(folder=tmp_path, header=header([task], num_episodes=2))
    camera, period_s = bundle.manifest.camera, bundle.manifest.control_period_s
    labels = TrialLabels(robot="simulated", task=task.name, condition="adapted", trial=0)
    with (
        simulated_hand(SPEC, task, period_s, camera) as hand,
        open_direct(hand, bundle, SPEC, place) as session,
    ):
        session.begin_trial(seed=7, labels=labels)
        for seed in (1, 2):
            session.run_episode(task.plan(seed))
        return tmp_path / session.recording


def test_a_strip_of_first_and_last_episode_beside_their_numbers(recording):
    trials = adapted_trials(read_recordings([recording]).traces)
    figure = seen_figure(trials)

    assert len(figure.panels) == 1
    shown = [
        base64.b64decode(found) for found in re.findall(r"base64,([^\"]+)", figure.panels[0].svg)
    ]
    assert len(shown) == 2 * NUM_FRAMES == len(figure.table.rows)
    found = list(episodes(read_recording(recording)))
    frames = [list(episode.frames.values()) for episode in found]
    for place, episode in ((0, 0), (NUM_FRAMES, 1)):  # the first of each
        pixels = np.array(Image.open(io.BytesIO(shown[place])))
        np.testing.assert_array_equal(pixels, frames[episode][0].pixels)
    last = np.array(Image.open(io.BytesIO(shown[-1])))
    np.testing.assert_array_equal(last, frames[1][-1].pixels)
    assert [row[1] for row in figure.table.rows] == [0] * NUM_FRAMES + [1] * NUM_FRAMES


def test_a_blind_policy_has_no_strip(recording):
    trials = adapted_trials(read_recordings([recording]).traces)
    for trial in trials.values():
        for index, trace in enumerate(trial):
            trial[index] = type(trace)(**{**vars(trace), "seen": ()})

    assert seen_figure(trials) is None
