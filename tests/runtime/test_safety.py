"""Every rung of the safety ladder fires, and nothing ever passes that the limits forbid."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim2real.contract.joint_io import Command, Reading
from sim2real.contract.robot_spec import load_robot_spec
from sim2real.hardware.robot import Health, Phase, RobotFault
from sim2real.runtime.safety import (
    MAX_IGNORED_GOALS,
    RATE_HEADROOM,
    TORQUE_OFF_AFTER_S,
    Decision,
    Rung,
    SafetyLadder,
    SafetyLimits,
    enact,
    goal_was_taken,
    health_problem,
    limit_command,
    reading_problem,
)

SPEC = load_robot_spec()
LIMITS = SafetyLimits.of(SPEC)
HOME = SPEC.joint_array("home_rad")
J = len(HOME)
MS = 1_000_000
PERIOD_MS = 50


def reading(at_ms: float, position: Any = HOME, **fields: Any) -> Reading:
    values: dict[str, Any] = {
        "stamp_ns": round(at_ms * MS),
        "sequence": 1,
        "position_rad": np.array(position),
        "velocity_rad_s": np.zeros(J),
        "current_ma": np.zeros(J),
        "object_position_rad": np.array(0.0),
        "object_velocity_rad_s": np.array(0.0),
    }
    return Reading(**{**values, **fields})


def health(goal: Any = HOME, **fields: Any) -> Health:
    values: dict[str, Any] = {
        "stamp_ns": 0,
        "temperature_c": np.full(J, 40.0),
        "voltage_v": np.full(J, 12.0),
        "hardware_error": np.zeros(J, np.int64),
        "torque_enabled": np.ones(J, np.bool_),
        "watchdog_tripped": np.zeros(J, np.bool_),
        "goal_position_rad": np.array(goal),
    }
    return Health(**{**values, **fields})


def command(at_ms: float, position: Any = HOME, lifespan_s: float | None = None) -> Command:
    return Command(
        stamp_ns=round(at_ms * MS), position_rad=np.array(position), lifespan_s=lifespan_s
    )


def one_joint(value: float, joint: int = 4, rest: float = 0.0) -> np.ndarray[Any, Any]:
    values = np.full(J, rest)
    values[joint] = value
    return values


class Hand:
    """A ladder with a clock and a hand that takes every goal."""

    def __init__(self) -> None:
        self.ladder, self.now_ms = SafetyLadder(LIMITS), 1000.0
        self.period_ms: float = PERIOD_MS
        self.goal = HOME
        self.ladder.start(self.now_ns, reading(self.now_ms))

    @property
    def now_ns(self) -> int:
        return round(self.now_ms * MS)

    def tick(self, desired: Any = HOME, **change: Any) -> Decision:
        """One control period with a fresh reading and command, except for what `change` says."""
        self.now_ms += self.period_ms
        inputs: dict[str, Any] = {
            "reading": reading(self.now_ms),
            "health": health(self.goal),
            "command": command(self.now_ms, desired),
        }
        decision = self.ladder.decide(self.now_ns, **{**inputs, **change})
        self.goal = self.goal if decision.applied_rad is None else decision.applied_rad
        return decision

    def nothing(self) -> Decision:
        return self.tick(reading=None, health=None, command=None)


@pytest.fixture
def hand() -> Hand:
    return Hand()


# Rung 1: clip and rate limit.

anything = st.one_of(
    st.floats(-10, 10), st.sampled_from([1e300, -1e300, float("inf"), float("-inf")])
)
within_range = st.lists(st.floats(0, 1), min_size=J, max_size=J).map(
    lambda shares: LIMITS.lower_rad + np.array(shares) * (LIMITS.upper_rad - LIMITS.lower_rad)
)


@given(st.lists(anything, min_size=J, max_size=J), within_range, st.floats(-1, 100))
def test_applied_is_within_range_and_rate_whatever_is_desired(
    desired: list[float], previous: Any, elapsed_s: float
) -> None:
    applied = limit_command(np.array(desired), previous, elapsed_s, LIMITS)
    assert (applied >= LIMITS.lower_rad).all()
    assert (applied <= LIMITS.upper_rad).all()
    longest = min(max(elapsed_s, 0), LIMITS.stale_after_s) * LIMITS.max_velocity_rad_s
    assert (np.abs(applied - previous) <= RATE_HEADROOM * longest + 1e-12).all()


@given(within_range, st.lists(st.floats(-1, 1), min_size=J, max_size=J))
def test_an_allowed_command_passes_unchanged(previous: Any, steps: list[float]) -> None:
    allowed = np.clip(previous + 0.2 * np.array(steps), LIMITS.lower_rad, LIMITS.upper_rad)
    np.testing.assert_array_equal(limit_command(allowed, previous, 0.05, LIMITS), allowed)


def test_a_command_too_far_away_is_limited_and_counted(hand: Hand) -> None:
    decision = hand.tick(desired=LIMITS.upper_rad + 5)
    assert decision.rung is Rung.RUN
    assert decision.is_limited
    assert hand.ladder.events["limited"] == 1
    assert not hand.tick(desired=decision.applied_rad).is_limited


def test_a_fast_loop_applies_the_whole_step_of_a_slow_policy(hand: Hand) -> None:
    hand.period_ms, there = 10, HOME + 0.39  # 4 rad/s allow 0.4 in a policy's period of 100 ms
    for _ in range(10):
        hand.tick(command=None)
    for step in range(6):
        here = HOME if step % 2 else there
        for tick in range(10):
            asked = command(hand.now_ms + 10, here, lifespan_s=0.2) if tick == 0 else None
            decision = hand.tick(command=asked)
            assert decision.rung is Rung.RUN
            assert not decision.is_limited
            np.testing.assert_array_equal(decision.applied_rad, here)
    assert not hand.ladder.events


@given(
    st.lists(
        st.tuples(st.sampled_from([2, 10, 50, 130]), st.one_of(st.none(), st.floats(-1.5, 1.5))),
        min_size=2,
        max_size=30,
    )
)
def test_over_any_stretch_goals_move_no_faster_than_allowed(
    ticks: list[tuple[int, float | None]],
) -> None:
    hand, path = Hand(), []
    for period_ms, joint in ticks:
        hand.period_ms = period_ms
        asked = None if joint is None else command(hand.now_ms + period_ms, HOME + joint)
        path.append((hand.now_ms + period_ms, hand.tick(command=asked).applied_rad))
    applied = [(at_ms, goal) for at_ms, goal in path if goal is not None]
    for index, (began_ms, start) in enumerate(applied):
        for ended_ms, end in applied[index:]:
            seconds = (ended_ms - began_ms) * 1e-3 + LIMITS.stale_after_s
            reach = RATE_HEADROOM * LIMITS.max_velocity_rad_s * seconds
            assert (np.abs(end - start) <= reach + 1e-9).all()


# Rung 2: stale reading or late command: hold.


def test_a_stale_reading_holds_where_the_joints_were(hand: Hand) -> None:
    here = HOME + 0.1
    hand.tick(reading=reading(hand.now_ms + PERIOD_MS, here))
    first = hand.nothing()
    decision = hand.tick(reading=None, health=None)
    assert first.rung is Rung.RUN, "one lost reading is not yet stale"
    hand.now_ms += 10
    decision = hand.tick(reading=None, health=None)
    assert decision.rung is Rung.HOLD
    assert decision.reason is not None
    assert decision.reason.cause == "stale_reading"
    np.testing.assert_allclose(decision.applied_rad, here)
    assert hand.ladder.events["stale_reading"] == 1


def test_a_late_command_holds_and_a_timely_one_resumes(hand: Hand) -> None:
    hand.tick()
    hand.tick(command=None)
    hand.tick(command=None)
    decision = hand.tick(command=command(hand.now_ms - 150, HOME + 1))
    assert decision.rung is Rung.HOLD
    assert decision.reason is not None
    assert decision.reason.cause == "late_command"
    assert hand.tick().rung is Rung.RUN


def test_a_command_lives_as_long_as_it_says_and_no_longer_than_the_robot_allows(hand: Hand) -> None:
    hand.period_ms = 10
    for lifespan_s, expected_s in ((None, 0.1), (0.05, 0.05), (0.2, 0.2), (5.0, 0.3)):
        given = command(hand.now_ms + 10, HOME + 0.01, lifespan_s)
        hand.tick(command=given)
        while (decision := hand.tick(command=None)).rung is Rung.RUN:
            age_ms = hand.now_ms - given.stamp_ns / MS
            assert age_ms < expected_s * 1e3
            assert decision.command is given
        assert hand.now_ms - given.stamp_ns / MS == pytest.approx(expected_s * 1e3)
        assert decision.reason is not None
        assert decision.reason.cause == "late_command"
        assert decision.command is None
    assert decision.rung is Rung.HOLD


@pytest.mark.parametrize("lifespan_s", [0.0, -1.0, float("nan")])
def test_a_command_without_a_life_cannot_be_made(lifespan_s: float) -> None:
    with pytest.raises(ValueError, match="lifespan_s"):
        command(0, HOME, lifespan_s)


def test_after_others_moved_the_hand_it_holds_the_goals_that_it_is_found_with(hand: Hand) -> None:
    hand.tick(desired=HOME + 0.05)
    there = HOME + one_joint(0.1)

    hand.ladder.regain(hand.now_ns)

    assert hand.nothing().applied_rad is None, "nobody knows yet where the goals are"
    hand.goal = there
    decision = hand.tick(command=None, reading=reading(hand.now_ms + PERIOD_MS, HOME + 0.2))
    np.testing.assert_array_equal(decision.applied_rad, there)
    assert (decision.rung, decision.reason and decision.reason.cause) == (Rung.HOLD, "no_command")
    assert not hand.ladder.events["goal_ignored"]
    assert hand.tick(desired=there + 0.1).rung is Rung.RUN


def test_a_hand_that_nobody_finds_again_goes_limp(hand: Hand) -> None:
    hand.tick()
    hand.ladder.regain(hand.now_ns)
    rungs = [hand.nothing().rung for _ in range(8)]
    assert rungs[0] is Rung.HOLD
    assert Rung.LIMP in rungs


def test_a_command_that_is_not_finite_holds(hand: Hand) -> None:
    hand.tick()
    decision = hand.tick(desired=one_joint(np.nan))
    assert (decision.rung, decision.reason and decision.reason.cause) == (Rung.HOLD, "bad_command")
    assert np.isfinite(decision.applied_rad).all()


def test_waiting_for_a_first_command_holds_for_as_long_as_readings_come(hand: Hand) -> None:
    for _ in range(100):
        decision = hand.tick(command=None)
        assert (decision.rung, decision.reason and decision.reason.cause) == (
            Rung.HOLD,
            "no_command",
        )
    hand.tick()
    hand.ladder.stand_by()
    for _ in range(100):
        assert hand.tick(command=None).rung is Rung.HOLD
    assert not hand.ladder.events


# Rung 3: it stays so, or a limit is exceeded: limp.


def test_staleness_that_lasts_goes_limp_in_the_stated_time(hand: Hand) -> None:
    hand.tick()
    measured_ms = hand.now_ms
    while (decision := hand.nothing()).rung < Rung.LIMP:
        assert hand.now_ms - measured_ms <= LIMITS.limp_after_s * 1e3
    assert hand.now_ms - measured_ms == LIMITS.limp_after_s * 1e3 + PERIOD_MS
    assert decision.applied_rad is None


def test_commands_that_stop_coming_go_limp_too(hand: Hand) -> None:
    hand.tick()
    rungs = [hand.tick(command=None).rung for _ in range(12)]
    assert rungs[0] is Rung.RUN
    assert Rung.HOLD in rungs
    assert rungs[-1] is Rung.TORQUE_OFF


BAD_READINGS: dict[str, dict[str, Any]] = {
    "not_finite": {"current_ma": one_joint(np.nan)},
    "position": {"position_rad": one_joint(3.0, rest=0.5)},
    "velocity": {"velocity_rad_s": one_joint(-9.5)},
    "current": {"current_ma": one_joint(-1501)},
    "position_jump": {"position_rad": HOME + one_joint(-0.75)},
}
BAD_HEALTH: dict[str, dict[str, Any]] = {
    "hardware_error": {"hardware_error": one_joint(0x20).astype(np.int64)},
    "watchdog_tripped": {"watchdog_tripped": one_joint(1).astype(np.bool_)},
    "torque_lost": {"torque_enabled": ~one_joint(1).astype(np.bool_)},
    "temperature": {"temperature_c": one_joint(70.5)},
    "voltage": {"voltage_v": one_joint(9.9, rest=12.0)},
}


@pytest.mark.parametrize("cause", BAD_READINGS)
def test_a_measurement_beyond_its_limit_goes_limp_at_once(hand: Hand, cause: str) -> None:
    hand.tick()
    decision = hand.tick(reading=reading(hand.now_ms + PERIOD_MS, **BAD_READINGS[cause]))
    assert decision.rung is Rung.LIMP
    assert decision.reason is not None
    assert decision.reason.cause == cause
    assert SPEC.joint_names[4] in decision.reason.joints
    assert hand.ladder.events[cause] == 1


@pytest.mark.parametrize("cause", BAD_HEALTH)
def test_a_servo_in_bad_condition_goes_limp_at_once(hand: Hand, cause: str) -> None:
    hand.tick()
    decision = hand.tick(health=health(hand.goal, **BAD_HEALTH[cause]))
    assert decision.rung is Rung.LIMP
    assert decision.reason is not None
    assert decision.reason.cause == cause
    assert decision.reason.joints == (SPEC.joint_names[4],)


def test_values_at_their_limits_are_allowed() -> None:
    at_limits = reading(
        0,
        LIMITS.upper_rad,
        velocity_rad_s=np.full(J, -LIMITS.max_measured_velocity_rad_s),
        current_ma=np.full(J, LIMITS.max_measured_current_ma),
    )
    assert reading_problem(at_limits, None, LIMITS) is None
    assert health_problem(health(temperature_c=np.full(J, 70.0)), LIMITS) is None
    assert health_problem(health(voltage_v=np.full(J, LIMITS.min_voltage_v)), LIMITS) is None


@pytest.mark.parametrize("field", ["temperature_c", "voltage_v"])
def test_a_condition_that_is_not_a_number_is_not_a_good_one(field: str) -> None:
    assert health_problem(health(**{field: one_joint(np.nan, rest=12.0)}), LIMITS) is not None


def test_goals_that_servos_do_not_take_are_tolerated_once_and_not_for_ever(hand: Hand) -> None:
    hand.tick()
    elsewhere = health(HOME + one_joint(0.1))
    assert not goal_was_taken(elsewhere, HOME)
    assert hand.tick(health=elsewhere).rung is Rung.RUN
    hand.tick()
    for _ in range(MAX_IGNORED_GOALS - 1):
        assert hand.tick(health=elsewhere).rung is Rung.RUN
    decision = hand.tick(health=elsewhere)
    assert decision.rung is Rung.LIMP
    assert decision.reason is not None
    assert decision.reason.cause == "goal_ignored"
    assert decision.reason.joints == (SPEC.joint_names[4],)


# Rungs 4 and 5: torque off, then silence.


class Recorder:
    """A robot that notes what it is told; the verbs in `broken` fail."""

    spec, phase = SPEC, Phase.ACTIVE

    def __init__(self, *broken: str) -> None:
        self.broken, self.calls = broken, []

    def __getattr__(self, verb: str) -> Any:
        def call(*arguments: Any) -> None:
            self.calls.append(verb)
            if verb in self.broken:
                raise RobotFault("silent", "no answer")
            if verb in ("deactivate", "quarantine"):
                self.phase = Phase.READY if verb == "deactivate" else Phase.SILENT

        return call


def descend(hand: Hand, robot: Recorder, ticks: int = 12) -> list[Rung]:
    hand.tick()
    rungs = []
    for _ in range(ticks):
        decision = hand.nothing()
        enact(decision, robot, hand.ladder, hand.now_ns)  # type: ignore[arg-type]
        rungs.append(hand.ladder.rung)
    return rungs


def test_limp_is_followed_by_torque_off_and_the_way_is_kept(hand: Hand) -> None:
    robot = Recorder()
    rungs = descend(hand, robot)
    assert rungs == sorted(rungs)
    assert rungs[-1] is Rung.TORQUE_OFF
    order = [verb for verb in ("write", "go_limp", "deactivate") if verb in robot.calls]
    assert order == ["write", "go_limp", "deactivate"]
    assert robot.calls.index("deactivate") > robot.calls.index("go_limp")
    assert robot.calls.count("deactivate") == 1
    assert "quarantine" not in robot.calls
    first_limp, first_off = rungs.index(Rung.LIMP), rungs.index(Rung.TORQUE_OFF)
    assert (first_off - first_limp) * PERIOD_MS == TORQUE_OFF_AFTER_S * 1e3


def test_a_stop_that_is_not_confirmed_silences_the_bus(hand: Hand) -> None:
    robot = Recorder("go_limp", "deactivate")
    assert descend(hand, robot)[-1] is Rung.SILENT
    assert robot.calls[-1] == "quarantine"
    assert hand.ladder.events["silent"] > 0
    at_silence = robot.calls.index("quarantine")
    assert set(robot.calls[at_silence:]) == {"quarantine"}


def test_a_failed_write_does_not_end_the_loop(hand: Hand) -> None:
    robot = Recorder("write")
    enact(hand.tick(), robot, hand.ladder, hand.now_ns)  # type: ignore[arg-type]
    assert hand.ladder.events["silent"] == 1


def test_only_an_explicit_start_leads_up_again(hand: Hand) -> None:
    descend(hand, Recorder())
    reason = hand.ladder.reason
    for _ in range(50):
        decision = hand.tick()
        assert decision.rung is Rung.TORQUE_OFF
        assert decision.applied_rad is None
        assert decision.reason is reason
    hand.ladder.start(hand.now_ns, reading(hand.now_ms))
    hand.goal = HOME
    assert hand.tick().rung is Rung.RUN


def test_before_any_start_nothing_is_applied() -> None:
    ladder = SafetyLadder(LIMITS)
    decision = ladder.decide(0, reading(0), health(), command(0))
    assert decision.rung is Rung.TORQUE_OFF
    assert decision.applied_rad is None


ticks = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "desired": st.lists(
                st.one_of(anything, st.just(float("nan"))), min_size=J, max_size=J
            ).map(np.array),
            "command": st.none(),
            "reading": st.none(),
            "health": st.none(),
        },
    ),
    max_size=40,
)


@given(ticks)
def test_whatever_happens_limits_hold_and_the_latched_way_leads_down(
    changes: list[dict[str, Any]],
) -> None:
    hand, applied, rung = Hand(), HOME, Rung.HOLD
    changed_ms = hand.now_ms
    for change in changes:
        decision = hand.tick(**change)
        if rung >= Rung.LIMP:
            assert decision.rung >= rung
        if decision.applied_rad is not None:
            assert decision.rung <= Rung.HOLD
            assert (decision.applied_rad >= LIMITS.lower_rad).all()
            assert (decision.applied_rad <= LIMITS.upper_rad).all()
            rested_s = min((hand.now_ms - changed_ms) * 1e-3, LIMITS.stale_after_s)
            step = RATE_HEADROOM * LIMITS.max_velocity_rad_s * rested_s
            assert (np.abs(decision.applied_rad - applied) <= step + 1e-12).all()
            if (decision.applied_rad != applied).any():
                applied, changed_ms = decision.applied_rad, hand.now_ms
        rung = decision.rung


def test_limits_are_those_of_the_spec() -> None:
    for field in dataclasses.fields(SPEC.safety):
        if field.name != "bus_watchdog_s":
            assert getattr(LIMITS, field.name) == getattr(SPEC.safety, field.name)
