"""A script moves one joint at a time, within the robot's limits, and leaves the valve alone."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim2real.cli import main
from sim2real.contract.errors import BadInput
from sim2real.emulator.faults import Fault
from sim2real.evaluation.hands import lock_step_hand
from sim2real.gap.excitation import Excitation, Script
from sim2real.gap.excite import ExcitationStopped, excite
from sim2real.gap.side import read_side
from sim2real.gap.step_response import joint_responses
from sim2real.hardware.robot import Phase
from sim2real.recording.background import BackgroundRecording
from sim2real.recording.metadata import RecordingMetadata
from sim2real.recording.writer import Recording
from tests.gap.recorded import SHORT, SPEC, TASKS, record_script
from training.benches.bench_tasks import bench_task
from training.benches.emulate import dynamics_of
from training.families.valve import VALVE_TURN

HOME = SPEC.joint_array("home_rad")


@settings(max_examples=30)
@given(
    amplitude=st.floats(0.01, 3.0),
    num_steps=st.integers(0, 6),
    start=st.floats(-2.0, 2.0),
)
def test_goals_stay_within_the_limits_whatever_is_asked(amplitude, num_steps, start):
    script = Script(amplitude_rad=amplitude, num_steps=num_steps)
    excitation = Excitation(SPEC, script, HOME + start)

    goals = np.stack([excitation.goal(t) for t in np.arange(0.0, excitation.duration_s + 1, 0.05)])

    assert (goals >= SPEC.joint_array("lower_rad") - 1e-12).all()
    assert (goals <= SPEC.joint_array("upper_rad") + 1e-12).all()
    np.testing.assert_array_equal(goals[-1], HOME)


def test_one_joint_moves_at_a_time_and_every_joint_does():
    script = Script()
    excitation = Excitation(SPEC, script, HOME)
    times = np.arange(0.0, excitation.duration_s, 0.01)

    away = np.stack([excitation.goal(t) for t in times]) != HOME

    assert away.sum(axis=1).max() == 1
    assert away.any(axis=0).all()


def test_the_way_to_home_is_slow():
    excitation = Excitation(SPEC, Script(), SPEC.joint_array("lower_rad"))
    goals = np.stack([excitation.goal(t) for t in np.arange(0.0, 2.5, 0.01)])

    speed = np.abs(np.diff(goals, axis=0)).max() / 0.01

    assert speed < 0.5 * SPEC.joint_array("max_velocity_rad_s").min()


@pytest.mark.parametrize(
    "wrong",
    [
        {"amplitude_rad": 0.0},
        {"hold_s": 0.0},
        {"swing_hz": (0.0,)},
        {"approach_s": float("nan")},
        {"num_steps": -1},
        {"num_steps": 0, "swing_hz": ()},
    ],
)
def test_a_script_that_cannot_be_run_is_refused(wrong):
    option = next(iter(wrong)) if len(wrong) == 1 else "swing_hz"
    with pytest.raises(BadInput, match=f"--{option.replace('_', '-')}"):
        dataclasses.replace(Script(), **wrong)


def test_a_recorded_script_shows_steps_of_every_joint_and_a_valve_at_rest(tmp_path):
    side = read_side(record_script(tmp_path / "script.mcap", "simulated"))

    (motion,) = side.excited
    assert motion.key.task == TASKS[0].name
    assert np.ptp(motion.object_position_rad) == 0.0
    assert all(joint_responses(side.excited))
    assert side.tasks[TASKS[0].name]["valve_friction"] == TASKS[0].parameters["valve_friction"]


def test_a_servo_that_gives_up_stops_the_script_with_torque_off(tmp_path):
    hand, line = lock_step_hand(SPEC, 50.0, dynamics_of(TASKS[0]))
    line.inject(Fault(kind="overload", servo=11, start_s=8.0))
    plan = bench_task(VALVE_TURN.scene, TASKS[0], 0).plan(0)
    recording = Recording(tmp_path / "s.mcap", RecordingMetadata.of(SPEC, robot="emulated"))

    stops = pytest.raises(ExcitationStopped, match="hardware_error")
    with BackgroundRecording(recording) as background, stops:
        excite(hand, SPEC, SHORT, plan, background)

    assert hand.robot.phase is Phase.CLOSED
    assert (tmp_path / "s.mcap").exists()


def test_the_verb_records_a_simulated_hand(tmp_path, capsys):
    out = tmp_path / "script.mcap"

    arguments = ["--num-steps", "1", "--hold-s", "0.1", "--swing-hz", "5", "--rate", "20"]
    assert main(["excite", str(out), *arguments]) == 0

    assert "9 joints" in capsys.readouterr().out
    assert read_side(out).robot == "simulated"


def test_the_verb_refuses_a_real_hand_without_a_port_and_a_port_without_one(tmp_path, capsys):
    out = str(tmp_path / "script.mcap")

    assert main(["excite", out, "--robot", "serial"]) == 2
    assert main(["excite", out, "--port", "/dev/ttyUSB0", "--unit", "x"]) == 2

    assert capsys.readouterr().err.count("\n") == 2
