"""The loop that owns the hand: its order, its clock, and every way out of it."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim2real.contract.joint_io import Command
from sim2real.hardware.robot import Phase, RobotFault
from sim2real.runtime.control_loop import STAGES, ControlLoop, ControlTick, LoopStopped
from sim2real.runtime.safety import Rung
from tests.runtime.scripted_robot import (
    HOME,
    MS,
    READ_NS,
    WRITE_NS,
    InstantRobot,
    ScriptedRobot,
    answering,
    loop_over,
    silent,
    stay,
)

PERIOD_NS = 10 * MS
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def robot() -> ScriptedRobot:
    return ScriptedRobot()


def active(robot: ScriptedRobot, answer=stay, **options) -> ControlLoop:
    loop = loop_over(robot, answer, **options)
    loop.activate()
    robot.pass_ms(100)  # at rest for long enough to take a whole step
    robot.calls.clear()
    return loop


def ticks(loop: ControlLoop, count: int) -> list[ControlTick]:
    return [loop.run_tick() for _ in range(count)]


# ---- one tick ----------------------------------------------------------------------------------


def test_a_tick_tells_when_everything_happened(robot):
    seen = []
    loop = active(robot, on_tick=seen.append)

    first, second = ticks(loop, 2)

    assert seen == [first, second]
    assert second.number == first.number + 1
    assert second.deadline_ns == first.deadline_ns + PERIOD_NS
    assert second.started_ns == second.deadline_ns
    assert second.read_done_ns == second.started_ns + READ_NS
    assert second.reading_ns == second.started_ns + READ_NS // 2
    assert second.written_ns == second.read_done_ns + WRITE_NS
    assert second.answers_ns == second.reading_ns
    assert (second.rung, second.cause, second.num_missed) == (Rung.RUN, "", 0)
    np.testing.assert_array_equal(second.applied_rad, HOME)
    assert loop.latency["age"].max == READ_NS // 2 + WRITE_NS
    assert {name: loop.latency[name].count for name in STAGES} == {
        **dict.fromkeys(STAGES, 2),
        "period": 1,
    }


def test_a_state_says_what_was_applied_since_the_one_before(robot):
    loop = active(robot, answering(lambda ns: Command(stamp_ns=ns, position_rad=HOME + 0.0101)))

    first, second = ticks(loop, 2)

    assert first.state.is_following
    np.testing.assert_array_equal(first.state.applied_rad, HOME)
    assert first.state.applied_answers_ns == 0
    np.testing.assert_array_equal(second.state.applied_rad, HOME + 0.0101)
    assert second.state.applied_answers_ns == first.reading_ns


def test_what_was_written_and_not_taken_was_not_applied(robot):
    loop = active(robot, answering(lambda ns: Command(stamp_ns=ns, position_rad=HOME + 0.02)))
    robot.lost_writes = 1

    _, lost, taken = ticks(loop, 3)

    np.testing.assert_array_equal(lost.state.applied_rad, HOME)
    assert lost.state.applied_answers_ns == 0
    assert taken.state.applied_answers_ns == lost.reading_ns


def test_a_write_that_fails_is_counted_and_claims_nothing(robot):
    loop = active(robot)
    ticks(loop, 1)
    robot.breaks["write"] = silent("write")
    failed = loop.run_tick()
    del robot.breaks["write"]

    after = loop.run_tick()

    assert (failed.written_ns, failed.answers_ns, failed.applied_rad) == (0, 0, None)
    assert failed.fault.cause == "silent"
    assert loop.counters["write_silent"] == 1
    assert after.state.applied_answers_ns == 0
    assert after.rung is Rung.RUN


def test_a_hand_without_torque_is_read_and_not_moved(robot):
    loop = loop_over(robot, stay)

    tick = ticks(loop, 3)[-1]

    assert not tick.state.is_following
    assert tick.state.applied_rad is None
    assert tick.rung is Rung.TORQUE_OFF
    assert set(robot.calls) == {"read"}


@pytest.mark.parametrize(("read_ms", "wait_ms"), [(2, 5), (6, 2), (9, 0)])
def test_answers_are_waited_for_until_goals_must_be_out(robot, read_ms, wait_ms):
    waits = []

    def answer(state, cutoff_ns):
        waits.append(cutoff_ns - robot.now_ns)

    loop = active(robot, answer)
    robot.read_ns = read_ms * MS
    loop.run_tick()

    assert waits == [wait_ms * MS]


# ---- deadlines ---------------------------------------------------------------------------------


def test_a_slow_answer_misses_deadlines_and_shifts_none(robot):
    delays_ms = iter([0, 25, 0, 0, 0])

    def answer(state, cutoff_ns):
        robot.pass_ms(next(delays_ms))
        return stay(state, cutoff_ns)

    loop = active(robot, answer)
    seen = ticks(loop, 5)

    first_ns = seen[0].deadline_ns
    assert [tick.num_missed for tick in seen] == [0, 0, 1, 0, 0]
    assert [(tick.deadline_ns - first_ns) // PERIOD_NS for tick in seen] == [0, 1, 3, 4, 5]
    assert all((tick.deadline_ns - first_ns) % PERIOD_NS == 0 for tick in seen)
    assert loop.counters["missed"] == 1
    assert loop.counters["late_answer"] == 1
    assert loop.latency["lateness"].max == 8 * MS
    assert seen[4].started_ns == seen[4].deadline_ns


# ---- reading fails -----------------------------------------------------------------------------


def test_a_failed_reading_is_counted_and_nobody_is_asked(robot):
    asked = []

    def answer(state, cutoff_ns):
        asked.append(state)
        return stay(state, cutoff_ns)

    loop = active(robot, answer)
    ticks(loop, 2)
    robot.breaks["read"] = silent("read")

    tick = loop.run_tick()

    assert (tick.state, tick.health, tick.reading_ns) == (None, None, 0)
    assert tick.fault.cause == "silent"
    assert tick.rung is Rung.RUN, "one lost reading is not yet stale"
    assert len(asked) == 2
    assert loop.counters["read_silent"] == 1
    assert "no answer to read" in loop.errors["read_silent"]
    del robot.breaks["read"]
    assert loop.run_tick().state.applied_answers_ns == asked[1].reading.stamp_ns


def rungs_of(seen: list[ControlTick]) -> list[Rung]:
    return list(dict.fromkeys(tick.rung for tick in seen))


def test_readings_that_stay_away_lead_down_to_torque_off(robot):
    loop = active(robot)
    ticks(loop, 2)
    robot.breaks["read"] = silent("read")

    seen = ticks(loop, 60)

    assert rungs_of(seen) == [Rung.RUN, Rung.HOLD, Rung.LIMP, Rung.TORQUE_OFF]
    assert seen[-1].cause == "stale_reading"
    assert robot.phase is Phase.READY
    assert loop.counters["read_silent"] == 60


def test_a_policy_that_falls_silent_leads_down_to_torque_off_and_only_a_request_up(robot):
    answers = [True] * 3 + [False] * 60

    loop = active(robot, lambda state, cutoff: stay(state, cutoff) if answers.pop(0) else None)
    seen = ticks(loop, 63)

    assert rungs_of(seen) == [Rung.RUN, Rung.HOLD, Rung.LIMP, Rung.TORQUE_OFF]
    assert seen[-1].cause == "late_command"
    assert not seen[-1].state.is_following
    assert robot.calls.count("deactivate") == 1
    answers += [True] * 5
    assert rungs_of(ticks(loop, 3)) == [Rung.TORQUE_OFF]
    loop.activate()
    assert loop.run_tick().rung is Rung.RUN


def test_standing_by_is_not_falling_silent(robot):
    answers = [True] * 4 + [False] * 100
    loop = active(robot, lambda state, cutoff: stay(state, cutoff) if answers.pop(0) else None)
    ticks(loop, 4)

    loop.stand_by()
    seen = ticks(loop, 100)

    assert rungs_of(seen) == [Rung.HOLD]
    assert {tick.cause for tick in seen} == {"no_command"}
    assert seen[-1].state.is_following
    assert seen[-1].state.applied_answers_ns == 0
    assert not loop.ladder.events


def test_whoever_answers_may_say_that_no_more_will_come(robot):
    def answer(state, cutoff_ns):
        if loop.latency["tick"].count < 3:
            return stay(state, cutoff_ns)
        loop.stand_by()
        return None

    loop = active(robot, answer)

    assert rungs_of(ticks(loop, 60)) == [Rung.RUN, Rung.HOLD]
    assert not loop.ladder.events


# ---- answers -----------------------------------------------------------------------------------


def test_an_answer_that_fails_is_no_command_and_counted(robot):
    fails = iter([False, True, False] + [True] * 60)

    def answer(state, cutoff_ns):
        if next(fails):
            raise ValueError("the policy broke down")
        return stay(state, cutoff_ns)

    loop = active(robot, answer)

    assert rungs_of(ticks(loop, 3)) == [Rung.RUN]
    assert loop.counters["answer_failed"] == 1
    assert loop.errors["answer_failed"] == "ValueError: the policy broke down"
    seen = ticks(loop, 60)
    assert rungs_of(seen) == [Rung.RUN, Rung.HOLD, Rung.LIMP, Rung.TORQUE_OFF]
    assert loop.counters["answer_failed"] == 61


def test_a_listener_that_fails_disturbs_nothing(robot):
    def listen(tick):
        raise OSError("disk full")

    loop = active(robot, on_tick=listen)

    assert rungs_of(ticks(loop, 5)) == [Rung.RUN]
    assert loop.counters["on_tick_failed"] == 5
    assert loop.errors["on_tick_failed"] == "OSError: disk full"


@pytest.mark.parametrize(
    ("cause", "offset_ms", "joints"),
    [("misshapen", 0, 8), ("ahead", 1, 9), ("reordered", -30, 9)],
)
def test_what_is_no_answer_is_not_followed(robot, cause, offset_ms, joints):
    normal = True

    def answer(state, cutoff_ns):
        if normal:
            return stay(state, cutoff_ns)
        stamp_ns = state.reading.stamp_ns + offset_ms * MS
        return Command(stamp_ns=stamp_ns, position_rad=np.full(joints, 0.1))

    loop = active(robot, answer)
    good = ticks(loop, 2)[-1]
    normal = False

    tick = loop.run_tick()

    assert loop.counters[cause] == 1
    np.testing.assert_array_equal(tick.applied_rad, HOME)
    assert tick.answers_ns == good.reading_ns


def test_an_answer_that_comes_late_is_used_at_the_next_tick_if_it_still_lives(robot):
    held = []

    def answer(state, cutoff_ns):
        held.append(
            Command(
                stamp_ns=state.reading.stamp_ns,
                position_rad=HOME + 0.001 * len(held),
                lifespan_s=0.03,
            )
        )
        return held[-2] if len(held) > 1 else None

    loop = active(robot, answer)
    seen = ticks(loop, 5)

    assert [tick.answers_ns for tick in seen[1:]] == [tick.reading_ns for tick in seen[:-1]]
    assert loop.counters["late_answer"] == 4
    assert not loop.counters["expired"]


def test_an_answer_that_comes_after_its_life_is_not_used(robot):
    commands = []

    def answer(state, cutoff_ns):
        commands.append(
            Command(stamp_ns=state.reading.stamp_ns, position_rad=HOME + 0.01, lifespan_s=0.015)
        )
        return commands[-3] if len(commands) > 2 else None

    loop = active(robot, answer)
    seen = ticks(loop, 6)

    assert not any(tick.answers_ns for tick in seen)
    assert loop.counters["expired"] == 4
    assert seen[-1].cause == "late_command"
    np.testing.assert_array_equal(robot.goal, HOME)


turns = st.tuples(
    st.integers(0, 3),  # how many readings ago the one was that is answered
    st.sampled_from([0, 1, 6, 15, 45]),  # ms that the answer takes
    st.sampled_from([None, 0.004, 0.012, 0.05, 9.0]),  # s that it lives
    st.sampled_from(["answer", "nothing", "raise", "no reading"]),
)


@given(st.lists(turns, min_size=5, max_size=50))
def test_no_command_is_executed_past_its_lifespan(script):
    robot, stamps, given_ = ScriptedRobot(), [], {}

    def answer(state, cutoff_ns):
        ago, delay_ms, lifespan_s, what = script[len(stamps) % len(script)]
        stamps.append(state.reading.stamp_ns)
        robot.pass_ms(delay_ms)
        if what == "raise":
            raise RuntimeError("no answer")
        if what != "answer":
            return None
        stamp_ns = stamps[max(len(stamps) - 1 - ago, 0)]
        command = Command(
            stamp_ns=stamp_ns, position_rad=HOME + 1e-4 * len(stamps), lifespan_s=lifespan_s
        )
        given_[tuple(command.position_rad)] = command
        return command

    loop = active(robot, answer)
    robot.written.clear()
    for *_, what in script:
        robot.breaks = {"read": silent("read")} if what == "no reading" else {}
        tick = loop.run_tick()
        if tick.rung is Rung.RUN and tick.written_ns:
            assert tick.answers_ns in stamps

    for written_ns, command in robot.written:
        executed = given_.get(tuple(command.position_rad))
        if executed is not None and command.stamp_ns:
            allowed_s = loop.ladder.lifespan_s(executed)
            assert written_ns - executed.stamp_ns <= allowed_s * 1e9
    assert loop.counters["past_lifespan"] == 0


def test_a_write_that_takes_longer_than_a_command_lives_is_counted(robot):
    loop = active(robot)
    slow = robot.write

    def write(command):
        robot.pass_ms(120)
        slow(command)

    robot.write = write
    loop.run_tick()

    assert loop.counters["past_lifespan"] == 1


# ---- torque: last on, first off ----------------------------------------------------------------


def test_torque_comes_on_by_request_only_and_goes_off_by_request(robot):
    loop = loop_over(robot, stay)
    ticks(loop, 2)
    assert "activate" not in robot.calls

    loop.activate()
    assert loop.run_tick().rung is Rung.RUN
    loop.deactivate()

    assert robot.phase is Phase.READY
    assert loop.run_tick().rung is Rung.TORQUE_OFF
    loop.deactivate()
    assert robot.calls.count("deactivate") == 1


def test_torque_that_cannot_come_on_stays_off(robot):
    loop = loop_over(robot, stay)
    robot.breaks["activate"] = RobotFault("far_pose", "move the joints by hand")

    with pytest.raises(RobotFault, match="far_pose"):
        loop.activate()

    assert loop.run_tick().rung is Rung.TORQUE_OFF


def test_torque_without_a_first_reading_goes_off_again(robot):
    loop = loop_over(robot, stay)
    robot.breaks["read"] = silent("read")

    with pytest.raises(RobotFault, match="silent"):
        loop.activate()

    assert robot.phase is Phase.READY
    assert loop.ladder.rung is Rung.TORQUE_OFF


def test_torque_off_that_is_not_confirmed_silences_the_bus_until_it_is_opened_anew(robot):
    loop = active(robot)
    ticks(loop, 2)
    robot.breaks["deactivate"] = silent("torque off")

    with pytest.raises(RobotFault, match="silent"):
        loop.deactivate()

    assert robot.phase is Phase.SILENT
    assert loop.run_tick().rung is Rung.SILENT
    del robot.breaks["deactivate"]
    loop.call(robot.connect)
    assert loop.run_tick().rung is Rung.TORQUE_OFF
    loop.activate()
    assert loop.run_tick().rung is Rung.RUN


def test_a_job_that_silences_the_bus_is_noticed(robot):
    loop = active(robot)
    ticks(loop, 2)

    loop.call(robot.quarantine)

    assert loop.ladder.rung is Rung.SILENT
    assert loop.ladder.events["silenced"] == 1
    robot.calls.clear()
    loop.run_tick()
    assert not {"write", "go_limp", "deactivate"} & set(robot.calls)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("a bug"), SystemExit(3)])
@pytest.mark.parametrize("where", ["read", "write", "go_limp"])
def test_on_an_error_of_the_loop_torque_goes_off_before_anything_else(robot, error, where):
    loop = active(robot)
    ticks(loop, 2)
    if where == "go_limp":
        robot.breaks["read"] = silent("read")
        while loop.run_tick().rung < Rung.HOLD:
            pass
    robot.breaks[where] = error

    with pytest.raises(type(error)):
        ticks(loop, 60)

    failed_at = robot.calls.index(where) if where == "go_limp" else -2
    assert robot.calls[failed_at:] == [where, "deactivate"]
    assert robot.phase is Phase.READY


def test_an_interrupt_within_an_answer_turns_torque_off(robot):
    def answer(state, cutoff_ns):
        raise KeyboardInterrupt

    loop = active(robot, answer)

    with pytest.raises(KeyboardInterrupt):
        loop.run_tick()

    assert robot.calls[-1] == "deactivate"


def test_stop_turns_torque_off_in_lock_step_too(robot):
    with active(robot) as loop:
        ticks(loop, 2)

    assert robot.phase is Phase.READY
    loop.stop()
    assert robot.calls.count("deactivate") == 1


def test_a_stop_that_is_not_confirmed_silences_the_bus(robot):
    loop = active(robot)
    robot.breaks["deactivate"] = silent("torque off")

    loop.stop()

    assert robot.phase is Phase.SILENT
    assert loop.counters["stop_silent"] == 1
    assert loop.ladder.rung is Rung.SILENT


def test_recovery_needs_servos_that_can(robot):
    loop = loop_over(robot, stay)
    with pytest.raises(RobotFault, match="not_recoverable"):
        loop.recover(["finger1_top"])

    robot.recover = lambda names: robot.calls.append(f"recover {names}")
    robot.recovery = robot
    loop.recover(["finger1_top"])

    assert robot.calls[-1] == "recover ('finger1_top',)"


# ---- others at the robot -----------------------------------------------------------------------


def test_after_others_moved_the_hand_it_stays_where_they_left_it(robot):
    loop = active(robot, answering(lambda ns: None))
    ticks(loop, 3)
    there = HOME + 0.3

    def place() -> str:
        for _ in range(20):
            robot.pass_ms(10)
            robot.write(Command(stamp_ns=0, position_rad=there))
        return "placed"

    assert loop.call(place) == "placed"
    seen = ticks(loop, 20)

    np.testing.assert_array_equal(seen[0].state.applied_rad, there)
    assert seen[0].state.applied_answers_ns == 0
    for tick in seen:
        np.testing.assert_array_equal(tick.applied_rad, there)
        assert tick.cause == "no_command"
    assert not loop.ladder.events


def test_what_a_job_raises_is_raised_where_it_was_asked_for(robot):
    loop = active(robot)

    with pytest.raises(RobotFault, match="object_not_turned"):
        loop.call(lambda: (_ for _ in ()).throw(RobotFault("object_not_turned", "stuck")))

    assert loop.run_tick().rung is Rung.RUN


def test_looking_does_not_interrupt_a_policy(robot):
    loop = active(robot)
    before = ticks(loop, 3)[-1]

    assert loop.call(lambda: robot.phase, moves=False) is Phase.ACTIVE

    assert loop.run_tick().state.applied_answers_ns == before.reading_ns


def test_nobody_moves_the_hand_within_a_tick(robot):
    def answer(state, cutoff_ns):
        loop.call(lambda: None)

    loop = active(robot, answer)
    loop.run_tick()

    assert "LoopStopped" in loop.errors["answer_failed"]


# ---- on its thread -----------------------------------------------------------------------------


@pytest.fixture
def running():
    robot = InstantRobot()
    loop = ControlLoop(robot, rate_hz=500.0, answer=stay)
    loop.start()
    yield robot, loop
    robot.breaks.clear()
    loop.stop()


def until(condition, timeout_s: float = 30.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.001)


def test_everything_at_the_robot_happens_on_one_thread(running):
    robot, loop = running
    names: list[str] = []

    def ask() -> None:
        names.extend(
            loop.call(lambda: threading.current_thread().name, moves=False) for _ in range(20)
        )

    askers = [threading.Thread(target=ask) for _ in range(4)]
    loop.activate()
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    loop.stand_by()
    loop.deactivate()

    assert names == ["control loop"] * 80
    assert robot.threads == {"control loop"}
    with pytest.raises(LoopStopped, match="own thread"):
        loop.run_tick()
    with pytest.raises(LoopStopped, match="already"):
        loop.start()


def test_a_stopped_loop_has_turned_torque_off_and_can_start_again(running):
    robot, loop = running
    loop.activate()
    until(lambda: loop.latency["age"].count > 3)

    loop.stop()
    loop.stop()

    assert robot.phase is Phase.READY
    assert robot.calls[-1] == "deactivate"
    assert not loop.is_running
    loop.start()
    loop.activate()
    assert loop.is_running


@pytest.mark.realtime
def test_a_long_job_is_busy_and_misses_nothing(running):
    _, loop = running
    loop.activate()

    before = loop.counters["missed"]
    loop.call(lambda: time.sleep(0.2))

    assert loop.counters["busy"] >= 99
    assert loop.counters["missed"] - before < 99, "the machine's own are few"


def test_a_loop_that_breaks_turns_torque_off_and_says_why(running):
    robot, loop = running
    loop.activate()
    robot.breaks["read"] = ZeroDivisionError("a bug")
    until(lambda: loop.failure is not None)
    until(lambda: not loop.is_running)

    assert robot.phase is Phase.READY
    assert loop.counters["loop_failed"] == 1
    with pytest.raises(LoopStopped):
        loop.call(lambda: None)
    with pytest.raises(LoopStopped, match="a bug"):
        loop.stop()
    loop.stop()


def test_nobody_waits_for_a_loop_that_ends(running):
    _, loop = running
    entered, release = threading.Event(), threading.Event()
    outcomes: list[type[BaseException]] = []

    def block() -> None:
        entered.set()
        release.wait(30.0)

    def ask() -> None:
        try:
            loop.call(lambda: None)
        except LoopStopped as error:
            outcomes.append(type(error))

    blocker = threading.Thread(target=lambda: loop.call(block))
    blocker.start()
    assert entered.wait(30.0)
    waiting = threading.Thread(target=ask)
    waiting.start()
    until(lambda: loop._jobs)
    stopper = threading.Thread(target=loop.stop)
    stopper.start()
    until(lambda: loop._is_stopping)
    release.set()
    for thread in (blocker, waiting, stopper):
        thread.join(30.0)

    assert outcomes == [LoopStopped]


def test_an_answer_that_hangs_is_not_waited_for_for_ever(running):
    _, loop = running
    release = threading.Event()
    loop._answer = lambda state, cutoff: release.wait(30.0) and None

    with pytest.raises(LoopStopped, match="hangs"):
        loop.stop(timeout_s=0.1)

    release.set()


def test_stopping_from_within_ends_after_the_tick(running):
    robot, loop = running
    loop.activate()
    loop._on_tick = lambda tick: loop.stop()
    until(lambda: not loop.is_running)

    assert robot.phase is Phase.READY


def test_a_program_that_just_ends_turns_torque_off():
    script = """
import tests.runtime.scripted_robot as scripted
from sim2real.runtime.control_loop import ControlLoop
robot = scripted.ScriptedRobot()
robot.deactivate = lambda: print("torque off", flush=True)
loop = ControlLoop(robot, rate_hz=100.0, answer=lambda state, cutoff: None)
loop.start()
loop.activate()
raise SystemExit("forgot to stop")
"""
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, timeout=120
    )

    assert ended.stdout == "torque off\n"
    assert "forgot to stop" in ended.stderr
