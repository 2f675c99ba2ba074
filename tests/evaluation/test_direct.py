"""A session in one process: what the loops add changes no result, and no fault goes unnoticed."""

from __future__ import annotations

import json
from contextlib import contextmanager

import numpy as np
import pytest

from sim2real.contract.robot_spec import load_robot_spec
from sim2real.emulator.faults import Fault
from sim2real.evaluation.direct import open_direct
from sim2real.evaluation.evaluate import Evaluation
from sim2real.evaluation.from_recordings import recompute_results
from sim2real.evaluation.hands import simulated_hand
from sim2real.evaluation.journal import Journal
from sim2real.evaluation.protocol import TrialProtocol
from sim2real.evaluation.recorder import RecordingPlace
from sim2real.evaluation.results import results_document
from sim2real.evaluation.session import EpisodeFault
from sim2real.hardware.robot import Phase
from sim2real.hardware.simulated import SimulatedRobot
from sim2real.runtime.bundle import read_bundle
from sim2real.runtime.controller import Controller
from sim2real.runtime.policy_runner import TrialLabels
from tests.evaluation.conftest import EmulatedBench
from tests.evaluation.fakes import header
from training.benches.bench_tasks import bench_task
from training.export.untrained import untrained_draft, untrained_parts
from training.families.registry import FAMILIES
from training.tasks.task_set import draw_task_set

SPEC = load_robot_spec()
PROTOCOL = TrialProtocol(num_episodes=2)


def labels(task, condition: str = "adapted", robot: str = "simulated") -> TrialLabels:
    return TrialLabels(robot=robot, task=task.name, condition=condition, trial=0)


def plain_trial(bundle, task, protocol):
    """The same without loop, ladder, runner or recording: controller and robot alone."""
    controller = Controller(bundle, SPEC)
    robot = SimulatedRobot(
        SPEC, control_period_s=bundle.manifest.control_period_s, mj_model=task.make_model()
    )
    seeds = protocol.episode_seeds()
    controller.begin_trial(seed=protocol.latent_seed(task.name))
    with robot:
        robot.activate()
        for seed in seeds:
            plan, outcomes = task.plan(seed), {}
            robot.place(plan.joint_rad, plan.valve_rad, plan.noise)
            controller.begin_episode(goal=plan.goal, target_rad=robot.target_rad)
            for _ in range(bundle.manifest.episode_length):
                command = controller.step(robot.read())
                outcomes[controller.latest.number] = controller.latest
                robot.write(command)
            last = controller.end_episode(robot.read())
            ticks = [*list(outcomes.values())[1:], last]
            yield sum(tick.reward for tick in ticks), ticks[-1].is_success, controller.memory


@pytest.mark.parametrize(
    "name", ["valve_turn", "valve_turn_dynamics", "valve_screw_full", "pose_dynamics"]
)
def test_the_loops_change_no_result_of_a_simulated_hand(name):
    family = FAMILIES[name]
    parts = untrained_parts(family.scene, hidden_sizes=(32, 32), encoder_hidden_sizes=(32, 32))
    bundle = untrained_draft(parts, name).as_bundle()
    task = bench_task(
        family.scene, draw_task_set(family, seed=3, num_train=1, num_test=1).test[0], row=0
    )
    seeds, latent_seed = PROTOCOL.episode_seeds(), PROTOCOL.latent_seed(task.name)
    expected = plain_trial(bundle, task, PROTOCOL)

    period = bundle.manifest.control_period_s
    with simulated_hand(SPEC, task, period) as hand, open_direct(hand, bundle, SPEC) as session:
        session.begin_trial(seed=latent_seed, labels=labels(task))
        for seed, (reward, is_success, memory) in zip(seeds, expected, strict=True):
            outcome = session.run_episode(task.plan(seed))

            assert outcome.total_reward == reward
            assert outcome.is_success == is_success
            for part, value in memory.items():
                np.testing.assert_array_equal(session.memory[part], value)
        tally = session.take_tally()
    length = bundle.manifest.episode_length
    assert tally.evidence["accepted"] == length
    assert not tally.safety_events


def simulated_evaluation(bundle, tasks, folder):
    head = header(tasks, num_episodes=PROTOCOL.num_episodes)
    place = RecordingPlace(folder=folder, header=head)

    @contextmanager
    def open_session(task, one):
        period = one.manifest.control_period_s
        with (
            simulated_hand(SPEC, task, period) as hand,
            open_direct(hand, one, SPEC, place) as session,
        ):
            yield session

    return Evaluation(
        robot="simulated",
        tasks=tasks,
        bundles={"evaluated": bundle},
        protocol=PROTOCOL,
        open_session=open_session,
        journal=Journal(head),
    )


def recomputed(folder):
    return json.loads(json.dumps(recompute_results(folder)))


def test_results_can_be_computed_from_the_recordings_alone(bundle, tasks, recordings):
    evaluation = simulated_evaluation(bundle, tasks[:2], recordings)

    assert evaluation.run()

    records, head = evaluation.journal.records, evaluation.journal.header
    document = results_document(head, records)
    assert recomputed(recordings) == json.loads(json.dumps(document))
    assert document["recordings"] == sorted(path.name for path in recordings.iterdir())


def test_every_kind_of_bundle_is_evaluated_and_recorded(every_bundle, tasks, recordings):
    evaluation = simulated_evaluation(read_bundle(every_bundle), tasks[:2], recordings)

    assert evaluation.run()

    records = evaluation.journal.records
    assert recomputed(recordings)["per_task"] == json.loads(
        json.dumps(results_document(evaluation.journal.header, records)["per_task"])
    )


def test_an_emulated_hand_starts_where_it_is_told_and_lets_every_step_count(
    bundle, tasks, recordings
):
    head = header(tasks, num_episodes=1, robot="emulated")
    bench = EmulatedBench(place=RecordingPlace(folder=recordings, header=head))
    plan = tasks[0].plan(5)

    with bench.open(tasks[0], bundle) as session:
        session.begin_trial(seed=0, labels=labels(tasks[0], robot="emulated"))
        outcome = session.run_episode(plan)
        tally = session.take_tally()
        assert session.recording in {
            path.name.removesuffix(".part") for path in recordings.iterdir()
        }

    assert outcome.outcome == "completed"
    assert tally.evidence == {"accepted": bundle.manifest.episode_length, "episode_boundary": 1}
    assert not tally.safety_events
    assert {"read", "age", "compute"} <= set(tally.latency_ns)
    assert not any(servo.torque_is_on for servo in bench.lines[0].servos)
    (record,) = recomputed(recordings)["per_task"][:1]
    assert record["episodes"][0]["return"] == outcome.total_reward


FAULTS = {
    "unplugged": (Fault(kind="unplugged"), "stale_reading"),
    "overload": (Fault(kind="overload", servo=21), "hardware_error"),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_in_an_episode_stops_the_hand_and_is_recorded(bundle, tasks, recordings, kind):
    fault, cause = FAULTS[kind]
    head = header(tasks, num_episodes=2, robot="emulated")
    bench = EmulatedBench(
        fault=fault, after_steps=40, place=RecordingPlace(folder=recordings, header=head)
    )
    evaluation = Evaluation(
        robot="emulated",
        tasks=tasks[:1],
        bundles={"evaluated": bundle},
        protocol=PROTOCOL,
        open_session=bench.open,
        journal=Journal(head),
    )

    assert not evaluation.run()

    completed, failed = evaluation.journal.records
    assert (completed.outcome, completed.num_steps) == ("completed", 30)
    assert failed.outcome == "fault"
    assert failed.reason.startswith(cause)
    assert failed.num_steps < 30
    assert bench.sessions[0].loop.robot.phase is Phase.CLOSED
    line = bench.lines[0]
    line.advance_to(line.now + 1.0)
    assert not any(servo.torque_is_on and not servo.watchdog_tripped for servo in line.servos)
    document = results_document(head, evaluation.journal.records)
    assert document["faults"][0]["reason"] == failed.reason
    assert recomputed(recordings) == json.loads(json.dumps(document))

    bench.fault = None
    assert evaluation.run()
    document = results_document(head, evaluation.journal.records)
    assert recomputed(recordings) == json.loads(json.dumps(document))
    assert document["interventions"] == 1
    assert document["conditions"]["adapted"]["tasks"] == 1


def test_servos_that_latched_an_error_are_rebooted_where_that_is_asked_for(bundle, tasks):
    bench = EmulatedBench(fault=Fault(kind="overload", servo=21), after_steps=5, keeps_hand=True)
    with bench.open(tasks[0], bundle) as session:
        session.begin_trial(seed=0, labels=labels(tasks[0], robot="emulated"))
        with pytest.raises(EpisodeFault, match="hardware_error"):
            session.run_episode(tasks[0].plan(0))

    with pytest.raises(EpisodeFault, match="hardware_error"), bench.open(tasks[0], bundle):
        pytest.fail("torque came on over a latched error")

    bench.may_recover = True
    with bench.open(tasks[0], bundle) as session:
        session.begin_trial(seed=0, labels=labels(tasks[0], robot="emulated"))
        assert session.run_episode(tasks[0].plan(0)).outcome == "completed"


def test_a_policy_that_breaks_down_ends_the_episode_with_torque_off(bundle, tasks, monkeypatch):
    bench = EmulatedBench()
    with bench.open(tasks[0], bundle) as session:
        session.begin_trial(seed=0, labels=labels(tasks[0], robot="emulated"))
        controller, step = session.runner.controller, session.runner.controller.step
        calls = []

        def broken(*arguments):
            calls.append(1)
            if len(calls) == 10:
                raise ValueError("the policy's action is not finite")
            return step(*arguments)

        monkeypatch.setattr(controller, "step", broken)
        with pytest.raises(EpisodeFault, match="not finite"):
            session.run_episode(tasks[0].plan(0))

        assert session.loop.robot.phase is Phase.READY
        assert not any(servo.torque_is_on for servo in bench.lines[0].servos)


def test_a_valve_that_does_not_turn_is_named_before_anything_is_learnt(bundle, tasks, recordings):
    head = header(tasks, num_episodes=1, robot="emulated")
    bench = EmulatedBench(place=RecordingPlace(folder=recordings, header=head))
    with bench.open(tasks[0], bundle) as session:
        session.begin_trial(seed=0, labels=labels(tasks[0], robot="emulated"))
        bench.lines[0].inject(Fault(kind="stuck_joint", servo=50))
        plan = tasks[0].plan(0)
        with pytest.raises(EpisodeFault, match=r"object_not_turned.*valve"):
            session.run_episode(plan)
        assert int(session.memory["num_transitions"][0]) == 0

    (fault,) = recomputed(recordings)["faults"]
    assert "object_not_turned [valve]" in fault["reason"]
