"""Trials and episodes over whatever readings come: what is done, believed, told and refused."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim2real.contract.joint_io import Command, Reading
from sim2real.hardware.simulated import SimulatedRobot
from sim2real.runtime.bundle import read_bundle
from sim2real.runtime.control_loop import ControlLoop
from sim2real.runtime.controller import Controller, Tick
from sim2real.runtime.evidence import Rejection
from sim2real.runtime.hand_state import HandState
from sim2real.runtime.policy_runner import NotNow, PolicyRunner, TrialLabels
from sim2real.skills.goal import GoalSignal
from tests.runtime.scripted_robot import HOME, MS, SPEC, J, ScriptedRobot, loop_over

PERIOD_MS = 100
GOAL = GoalSignal.fixed([0.5])
LABELS = TrialLabels(robot="simulated", task="test/0", condition="adapted", trial=2)


@pytest.fixture(scope="module")
def bundle(exported_bundles):
    return read_bundle(exported_bundles())


class Watched(PolicyRunner):
    """A runner whose every word is kept."""

    def __init__(self, bundle) -> None:
        self.starts, self.steps, self.outcomes, self.told = [], [], [], []
        super().__init__(
            bundle,
            SPEC,
            on_step=lambda step: (self.steps.append(step), self.told.append("step")),
            on_episode_end=lambda end: (self.outcomes.append(end), self.told.append("end")),
            on_episode_start=lambda start: (self.starts.append(start), self.told.append("start")),
        )

    def begin(self, *, seed: int = 0, **options) -> None:
        self.begin_trial(seed=seed, labels=LABELS, **options)
        self.begin_episode(goal=GOAL, seed=11)


@pytest.fixture
def runner(bundle) -> Watched:
    return Watched(bundle)


class Feed:
    """Readings of a hand that applies every command at once, unless told otherwise."""

    def __init__(self, runner: PolicyRunner, interval_ms: int = PERIOD_MS) -> None:
        self.runner, self.interval_ms = runner, interval_ms
        self.now_ms, self.sequence = 1000, 0
        self.applied, self.answers_ns = HOME.copy(), 0
        self.states: list[tuple[HandState, int]] = []

    def reading(self) -> Reading:
        phase = self.now_ms / 300.0 + np.arange(J)
        return Reading(
            stamp_ns=self.now_ms * MS,
            sequence=self.sequence,
            position_rad=HOME + 0.05 * np.sin(phase),
            velocity_rad_s=0.1 * np.cos(phase),
            current_ma=np.zeros(J),
            object_position_rad=np.array(0.01 * self.sequence),
            object_velocity_rad_s=np.array(0.1),
        )

    def state(self, **changes) -> HandState:
        """The next state."""
        self.now_ms += self.interval_ms
        self.sequence += 1
        state = HandState(
            reading=self.reading(),
            applied_rad=self.applied,
            applied_answers_ns=self.answers_ns,
            is_following=True,
        )
        return replace(state, **changes)

    def give(self, state: HandState, *, age_ms: int = 3, follow: bool = True) -> Command | None:
        now_ns = state.reading.stamp_ns + age_ms * MS
        self.states.append((state, now_ns))
        command = self.runner.take(state, now_ns)
        if command is not None and follow:
            self.applied, self.answers_ns = command.position_rad, command.stamp_ns
        return command

    def next(self, **changes) -> Command | None:
        return self.give(self.state(**changes))


# ---- on a robot --------------------------------------------------------------------------------


def place(robot: SimulatedRobot, seed: int) -> None:
    rng = np.random.default_rng(seed)
    robot.place(HOME + rng.uniform(-0.05, 0.05, J), 0.0, rng)


def ticks_of_the_controller(bundle, seeds) -> list[Tick]:
    """The plain loop: read, step, write."""
    controller, ticks = Controller(bundle, SPEC), []
    controller.begin_trial(seed=5)
    with SimulatedRobot(SPEC, control_period_s=0.1) as robot:
        robot.activate()
        for seed in seeds:
            place(robot, seed)
            controller.begin_episode(goal=GOAL, target_rad=robot.target_rad)
            for _ in range(bundle.manifest.episode_length):
                robot.write(controller.step(robot.read()))
                ticks.append(controller.latest)
            ticks.append(controller.end_episode(robot.read()))
    return ticks


def on_the_loop(runner: PolicyRunner, seeds, *, first_episode: int = 0, memory=None) -> ControlLoop:
    """The same through control loop and runner."""
    with SimulatedRobot(SPEC, control_period_s=0.1) as robot:

        def answer(state, _cutoff_ns):
            return runner.take(state, robot.now_ns())

        with ControlLoop(robot, rate_hz=10.0, answer=answer, clock_ns=robot.now_ns) as loop:
            loop.activate()
            runner.begin_trial(seed=5, first_episode=first_episode, labels=LABELS)
            if memory is not None:
                runner.memory = memory
            for seed in seeds:
                loop.call(lambda seed=seed: place(robot, seed))
                runner.begin_episode(goal=GOAL, seed=seed)
                while runner.is_running:
                    loop.run_tick()
                loop.stand_by()
    return loop


EXACT = ("observation", "shown", "action", "applied_rad", "desired_rad")


def test_an_episode_through_loop_and_runner_is_the_controllers_vector_for_vector(bundle, runner):
    seeds = (1, 2, 3)
    expected = ticks_of_the_controller(bundle, seeds)

    loop = on_the_loop(runner, seeds)

    assert len(runner.steps) == len(expected)
    for step, tick in zip(runner.steps, expected, strict=True):
        for name in EXACT:
            np.testing.assert_array_equal(getattr(step.tick, name), getattr(tick, name))
        assert step.tick.reward == tick.reward
        assert step.tick.rejection == tick.rejection
    length = bundle.manifest.episode_length
    for episode, outcome in enumerate(runner.outcomes):
        ticks = [tick for tick in expected if tick.episode == episode and tick.number > 0]
        assert len(ticks) == length == outcome.num_steps
        assert outcome.total_reward == sum(tick.reward for tick in ticks)
        assert outcome.is_success == ticks[-1].is_success
        assert outcome.success_fraction == np.mean([tick.is_success for tick in ticks])
        assert (outcome.outcome, outcome.reason) == ("completed", "")
        assert outcome.episode == episode
        assert outcome.num_transitions == (episode + 1) * length
    assert not loop.ladder.events
    assert loop.counters["past_lifespan"] == 0


def test_a_trial_resumed_in_its_middle_repeats_exactly(bundle):
    whole, first, resumed = Watched(bundle), Watched(bundle), Watched(bundle)
    on_the_loop(whole, (1, 2, 3))
    on_the_loop(first, (1, 2))

    on_the_loop(resumed, (3,), first_episode=2, memory=first.memory)

    assert resumed.outcomes[-1] == whole.outcomes[-1]
    for one, other in zip(resumed.steps, whole.steps[-len(resumed.steps) :], strict=True):
        np.testing.assert_array_equal(one.tick.shown, other.tick.shown)
        np.testing.assert_array_equal(one.tick.action, other.tick.action)
        np.testing.assert_array_equal(one.belief.mean, other.belief.mean)


def test_a_loop_at_ten_times_the_policys_rate_applies_whole_steps_and_feeds_every_one(
    bundle, runner
):
    robot = ScriptedRobot()
    seen = []
    loop = loop_over(
        robot,
        lambda state, cutoff_ns: runner.take(state, robot.now_ns),
        on_tick=seen.append,
    )
    loop.activate()
    for _ in range(12):
        loop.run_tick()
    runner.begin()
    while runner.is_running:
        loop.run_tick()

    length = bundle.manifest.episode_length
    assert runner.outcomes[0].outcome == "completed"
    assert runner.outcomes[0].num_transitions == length
    assert not any(tick.decision.is_limited for tick in seen)
    assert not loop.ladder.events
    stamps = [step.tick.reading.stamp_ns for step in runner.steps]
    np.testing.assert_allclose(np.diff(stamps), PERIOD_MS * MS)
    moved = np.abs(np.diff([step.tick.applied_rad for step in runner.steps], axis=0)).max()
    assert moved > 0.05, "the policy takes steps that a hundredth of a second would not allow"


# ---- trials and episodes -----------------------------------------------------------------------


def test_what_is_asked_at_the_wrong_moment_is_refused_and_changes_nothing(runner):
    with pytest.raises(NotNow, match="no trial"):
        runner.begin_episode(goal=GOAL, seed=0)
    with pytest.raises(NotNow, match="no episode"):
        runner.end_episode("why not")
    runner.begin()
    for ask in (
        lambda: runner.begin_episode(goal=GOAL, seed=0),
        lambda: runner.begin_trial(seed=0, labels=LABELS),
        lambda: setattr(runner, "memory", runner.memory),
    ):
        with pytest.raises(NotNow, match="an episode runs"):
            ask()
    assert runner.is_running
    assert Feed(runner).next() is not None


def test_a_goal_of_another_skill_is_refused(runner):
    runner.begin_trial(seed=0, labels=LABELS)

    with pytest.raises(ValueError, match="found '3 numbers', expected 1"):
        runner.begin_episode(goal=GoalSignal.fixed(np.zeros(3)), seed=0)

    assert not runner.is_running


def test_without_an_episode_nothing_is_commanded(runner):
    feed = Feed(runner)
    runner.begin_trial(seed=0, labels=LABELS)

    assert [feed.next() for _ in range(3)] == [None] * 3
    assert not runner.told


def test_a_start_says_all_that_is_needed_to_compute_the_episode_again(bundle, runner):
    runner.begin_trial(seed=7, first_episode=1, labels=LABELS)
    memory = {
        "precision": np.full(5, 4.0),
        "weighted_mean": np.full(5, 2.0),
        "num_transitions": np.array([3.0]),
    }
    runner.memory, runner.is_frozen = memory, True

    announced = runner.begin_episode(goal=GOAL, seed=11)
    assert announced.target_rad is None
    assert not runner.starts
    Feed(runner).next(applied_rad=HOME + 0.02)

    (start,) = runner.starts
    assert (start.bundle_name, start.bundle_digest) == (bundle.manifest.name, bundle.digest)
    assert (start.robot, start.task, start.condition) == ("simulated", "test/0", "adapted")
    assert (start.trial, start.episode, start.trial_seed, start.episode_seed) == (2, 1, 7, 11)
    assert start.num_steps == bundle.manifest.episode_length
    assert start.goal is GOAL
    assert start.is_frozen
    np.testing.assert_array_equal(start.target_rad, HOME + 0.02)
    assert {name: list(value) for name, value in start.memory.items()} == {
        name: list(value) for name, value in memory.items()
    }
    assert runner.told == ["start", "step"]


def test_goals_that_nobody_knows_are_taken_to_be_where_the_joints_are(runner):
    feed = Feed(runner)
    runner.begin()
    state = feed.state(applied_rad=None)
    feed.give(state)

    np.testing.assert_array_equal(runner.starts[0].target_rad, state.reading.position_rad)


def test_a_command_lives_for_two_control_periods(runner):
    runner.begin()

    assert Feed(runner).next().lifespan_s == pytest.approx(0.2)


def test_the_reading_after_the_last_step_ends_the_episode(bundle, runner):
    feed, length = Feed(runner), bundle.manifest.episode_length
    runner.begin()

    commands = [feed.next() for _ in range(length + 1)]

    assert commands[-1] is None
    assert all(command is not None for command in commands[:-1])
    assert not runner.is_running
    assert [step.is_last for step in runner.steps] == [False] * length + [True]
    assert runner.steps[-1].previous_applied_action is not None
    assert runner.steps[0].previous_applied_action is None
    assert runner.told == ["start", *["step"] * (length + 1), "end"]
    assert runner.outcomes[0].num_transitions == length
    assert feed.next() is None


def test_a_step_tells_what_was_believed_and_how_old_it_was(runner):
    feed = Feed(runner)
    runner.begin()
    feed.next()
    feed.next()

    first, second = runner.steps
    assert (first.evidence_age_s, first.belief.num_transitions) == (-1.0, 0)
    assert second.evidence_age_s == second.reading_age_s == pytest.approx(0.003)
    assert second.belief.num_transitions == 1
    assert second.rejections[Rejection.EPISODE_BOUNDARY] == 1
    np.testing.assert_array_equal(second.previous_applied_action, first.tick.action.clip(-1, 1))
    assert second.compute_s > 0.0
    assert (second.labels, second.trial) == (LABELS, 0)


def test_an_unusable_last_reading_is_waited_out(bundle, runner):
    feed, length = Feed(runner), bundle.manifest.episode_length
    runner.begin()
    for _ in range(length):
        feed.next()

    assert feed.give(feed.state(), age_ms=150) is None
    assert runner.is_running
    feed.next()

    (outcome,) = runner.outcomes
    assert outcome.outcome == "completed"
    assert outcome.num_steps == length
    assert outcome.num_transitions == length - 1


def test_an_episode_can_be_ended_before_its_time(runner):
    feed = Feed(runner)
    runner.begin()
    for _ in range(4):
        feed.next()

    runner.end_episode("somebody pressed a button")

    (outcome,) = runner.outcomes
    assert (outcome.outcome, outcome.reason) == ("aborted", "somebody pressed a button")
    assert outcome.num_steps == 4
    rewards = [step.tick.reward for step in runner.steps if step.tick.number > 0]
    assert outcome.total_reward == sum(rewards)
    assert feed.next() is None


def test_an_episode_that_ended_before_its_first_reading_has_not_been_one(runner):
    feed = Feed(runner)
    runner.begin()
    runner.end_episode("changed my mind")
    assert runner.outcomes[0].num_steps == 0
    assert runner.outcomes[0].success_fraction == 0.0

    runner.begin_episode(goal=GOAL, seed=1)
    feed.next()

    assert runner.starts[0].episode == 0
    assert runner.steps[0].tick.episode == 0


def test_frozen_nothing_is_evidence(runner):
    feed = Feed(runner)
    runner.begin()
    runner.is_frozen = True
    for _ in range(4):
        feed.next()

    assert runner.steps[-1].belief.num_transitions == 0
    assert runner.steps[-1].rejections[Rejection.FROZEN] == 3
    assert runner.steps[-1].is_frozen


# ---- readings as they come ---------------------------------------------------------------------


@pytest.mark.parametrize("cause", [Rejection.DUPLICATE, Rejection.REORDERED, Rejection.STALE])
def test_an_unusable_reading_commands_nothing_new_and_is_counted(runner, cause):
    feed = Feed(runner)
    runner.begin()
    earlier = feed.state()
    feed.give(earlier)
    feed.next()
    latest = feed.state()
    feed.give(latest)
    before = runner.steps[-1]

    if cause is Rejection.DUPLICATE:
        command = feed.give(latest)
    elif cause is Rejection.REORDERED:
        command = feed.give(earlier)
    else:
        command = feed.give(feed.state(), age_ms=150)

    assert command is None
    assert runner.controller.rejections[cause] == 1
    assert runner.steps[-1] is before
    feed.next()
    lost = cause is Rejection.STALE  # then two periods lie between
    assert runner.controller.num_accepted == (2 if lost else 3)


def test_a_stale_first_reading_is_not_where_an_episode_begins(runner):
    feed = Feed(runner)
    runner.begin()

    assert feed.give(feed.state(), age_ms=150) is None
    assert not runner.starts
    assert runner.controller.rejections[Rejection.STALE] == 1
    assert feed.next() is not None
    assert runner.starts


def test_readings_between_turns_are_watched_and_not_acted_on(bundle, runner):
    feed = Feed(runner, interval_ms=10)
    for _ in range(3):
        feed.next()
    runner.begin()

    commands = [feed.next() for _ in range(101)]

    acted = [index for index, command in enumerate(commands) if command is not None]
    assert acted == list(range(0, 101, 10))
    assert runner.controller.num_accepted == 10
    assert runner.counters["out_of_turn"] == 90


@given(data=st.data())
@settings(max_examples=30)
def test_evidence_is_what_was_applied_for_a_whole_period_and_nothing_else(bundle, data):
    """The hand holds, loses goals and limits them at any of ten readings per period."""
    runner = Watched(bundle)
    feed = Feed(runner, interval_ms=10)
    feed.next()
    feed.next()
    runner.begin()
    disturbed = data.draw(st.sets(st.integers(1, 100), max_size=6))
    for number in range(101):
        change = {}
        if number in disturbed:
            change = data.draw(
                st.sampled_from(
                    [
                        {"applied_rad": None, "applied_answers_ns": 0},
                        {"applied_answers_ns": 0},
                        {"applied_rad": HOME + 0.123},
                    ]
                )
            )
        feed.next(**change)
    # Within the tolerance after its reading a command may still be on its way.
    bad = {-(-number // 10) for number in disturbed if (number - 1) % 10 >= 2}
    assert runner.controller.num_accepted == 10 - len(bad)
    assert runner.controller.rejections[Rejection.FILTERED] == len(bad)


def test_a_limited_command_is_evidence_of_what_was_applied(runner):
    feed = Feed(runner)
    runner.begin()
    command = feed.next()
    halfway = (HOME + command.position_rad) / 2

    feed.next(applied_rad=halfway)

    action = runner.steps[1].previous_applied_action
    np.testing.assert_allclose(action, runner.steps[0].tick.action.clip(-1, 1) / 2, atol=1e-6)
    assert runner.controller.num_accepted == 1
    np.testing.assert_array_equal(runner.controller.latest.reading.stamp_ns, feed.now_ms * MS)


def test_after_a_hold_the_policy_goes_on_from_the_goals_that_are_there(bundle, runner):
    feed = Feed(runner)
    runner.begin()
    feed.next()
    held = HOME - 0.1

    command = feed.next(applied_rad=held, applied_answers_ns=0)

    assert runner.controller.rejections[Rejection.FILTERED] == 1
    assert runner.steps[1].previous_applied_action is None
    step = np.array(bundle.manifest.action.max_step_rad)
    assert (np.abs(command.position_rad - held) <= step + 1e-9).all()


# ---- what goes wrong ---------------------------------------------------------------------------


def test_a_hand_that_does_not_follow_ends_the_episode_as_a_fault(runner):
    feed = Feed(runner)
    runner.begin()
    feed.next()
    feed.next()

    assert feed.next(is_following=False) is None

    (outcome,) = runner.outcomes
    assert outcome.outcome == "fault"
    assert "not followed" in outcome.reason
    assert outcome.num_steps == 2


def test_also_where_the_last_measurement_is_all_that_it_shows(runner):
    """A simulated hand without torque stands still in time."""
    feed = Feed(runner)
    runner.begin()
    state = feed.state()
    feed.give(state)

    feed.give(replace(state, is_following=False))

    assert runner.outcomes[0].outcome == "fault"


def test_news_that_were_overtaken_end_nothing(runner):
    feed = Feed(runner)
    runner.begin()
    earlier = feed.state(is_following=False)
    feed.next()

    feed.give(earlier)

    assert runner.is_running


def test_a_policy_that_breaks_down_ends_the_episode_as_a_fault(runner):
    feed = Feed(runner)
    runner.begin()
    feed.next()
    state = feed.state()
    broken = replace(state.reading, position_rad=np.full(J, np.nan))

    assert feed.give(replace(state, reading=broken)) is None

    (outcome,) = runner.outcomes
    assert outcome.outcome == "fault"
    assert "not finite" in outcome.reason


def test_readings_that_stay_away_end_the_episode_as_a_fault(runner):
    feed = Feed(runner)
    runner.begin()
    feed.next()
    heard_ms = feed.now_ms + 3

    for after_ms in range(0, 301, 10):
        runner.check((heard_ms + after_ms) * MS)
        assert runner.counters["no_reading"] == (after_ms > 200)
    assert runner.is_running
    runner.check((heard_ms + 310) * MS)

    (outcome,) = runner.outcomes
    assert (outcome.outcome, outcome.reason) == ("fault", "no reading for 0.31 s")
    runner.check((heard_ms + 900) * MS)
    assert len(runner.outcomes) == 1


def test_a_first_reading_that_never_comes_ends_the_episode_too(runner):
    runner.begin()
    runner.check(5_000 * MS)
    runner.check(5_400 * MS)

    assert runner.outcomes[0].outcome == "fault"


def test_the_same_measurement_over_and_over_is_silence(runner):
    feed = Feed(runner)
    runner.begin()
    state = feed.state()
    feed.give(state)
    for after_ms in range(0, 400, 10):
        now_ns = state.reading.stamp_ns + after_ms * MS
        runner.take(state, now_ns)
        runner.check(now_ns)

    assert runner.outcomes[0].outcome == "fault"


def test_a_gap_is_counted_once_and_forgiven(runner):
    feed = Feed(runner)
    runner.begin()
    feed.next()
    for after_ms in (0, 210, 220, 230):
        runner.check((feed.now_ms + after_ms + 3) * MS)
    feed.now_ms += 200
    feed.next()

    assert runner.counters["no_reading"] == 1
    assert runner.is_running
    assert runner.controller.rejections[Rejection.LATE] == 1


# ---- others ------------------------------------------------------------------------------------


@given(st.lists(st.sampled_from(["", "hold", "lost", "twice", "old", "late"]), max_size=25))
@settings(max_examples=20)
def test_a_replay_of_the_states_is_the_same_vector_for_vector(bundle, happenings):
    live = Watched(bundle)
    feed = Feed(live)
    live.begin(seed=3)
    for what in [*happenings, *[""] * bundle.manifest.episode_length]:
        state = feed.state()
        if what == "lost":
            continue
        if what == "hold":
            state = replace(state, applied_rad=HOME, applied_answers_ns=0)
        feed.give(state, age_ms=150 if what == "late" else 3)
        if what == "twice":
            feed.give(state)
        if what == "old" and len(feed.states) > 1:
            feed.give(feed.states[-2][0])

    replayed = Watched(bundle)
    replayed.begin(seed=3)
    for state, now_ns in feed.states:
        replayed.take(state, now_ns)

    assert len(replayed.steps) == len(live.steps) > 0
    for one, other in zip(replayed.steps, live.steps, strict=True):
        for name in EXACT:
            np.testing.assert_array_equal(getattr(one.tick, name), getattr(other.tick, name))
        np.testing.assert_array_equal(one.belief.mean, other.belief.mean)
        assert one.rejections == other.rejections


def test_listeners_may_ask_back_and_hear_things_in_their_order(bundle):
    told = []

    def on_step(step):
        told.append(f"step {step.tick.episode}.{step.tick.number}")
        if step.tick.number == 2:
            runner.end_episode("enough")

    def on_end(outcome):
        told.append(f"end {outcome.episode}")
        if outcome.episode == 0:
            runner.begin_episode(goal=GOAL, seed=0)

    runner = PolicyRunner(bundle, SPEC, on_step=on_step, on_episode_end=on_end)
    runner.begin_trial(seed=0, labels=LABELS)
    runner.begin_episode(goal=GOAL, seed=0)
    feed = Feed(runner)
    for _ in range(8):
        feed.next()

    steps = ["step 0.0", "step 0.1", "step 0.2", "end 0", "step 1.0", "step 1.1", "step 1.2"]
    assert told == [*steps, "end 1"]


class NappingRobot(ScriptedRobot):
    """Its own time, in which a thread of its own leaves the others room."""

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        time.sleep(0.001)


def test_an_episode_that_another_thread_ends_waits_for_nobody(bundle):
    """The listener asks the loop, whose thread asks the runner: that must not lock.

    Over a robot whose time passes by itself a busy machine makes readings late, and the hand stops.
    """
    robot = NappingRobot()
    ended = threading.Event()
    loop: ControlLoop

    def on_end(_outcome):
        loop.call(lambda: None, moves=False)
        ended.set()

    runner = PolicyRunner(bundle, SPEC, on_episode_end=on_end)
    runner._num_steps = 2**62  # its time flies: no episode shall end by itself
    loop = loop_over(robot, lambda state, _cutoff: runner.take(state, state.reading.stamp_ns))
    loop.start()
    loop.activate()
    runner.begin_trial(seed=0, labels=LABELS)
    for _ in range(5):
        ended.clear()
        runner.begin_episode(goal=GOAL, seed=0)
        ender = threading.Thread(target=runner.end_episode, args=("from elsewhere",), daemon=True)
        ender.start()
        assert ended.wait(60.0)
        ender.join(60.0)
    loop.stop()


# ---- between episodes --------------------------------------------------------------------------


class SlowLearner:
    """What a kind does with a whole episode, for as long as a test wants it to."""

    def __init__(self, runner: PolicyRunner, monkeypatch) -> None:
        self.began, self.may_end, self.threads = threading.Event(), threading.Event(), []
        monkeypatch.setattr(runner.controller._adaptation, "end_episode", self)

    def __call__(self) -> None:
        self.threads.append(threading.current_thread())
        self.began.set()
        assert self.may_end.wait(10.0)


def run_whole_episode(feed: Feed) -> None:
    while feed.runner.is_running:
        feed.next()


def test_what_is_learnt_from_an_episode_keeps_no_reading_waiting(runner, monkeypatch):
    learner, feed = SlowLearner(runner, monkeypatch), Feed(runner)
    runner.begin()
    run_whole_episode(feed)
    assert not learner.threads  # not in the tick that ended it

    learning = threading.Thread(target=runner.adapt)
    learning.start()
    assert learner.began.wait(10.0)
    for _ in range(5):
        assert feed.next() is None  # answered at once, though somebody learns
    runner.check(feed.now_ms * MS)
    beginning = threading.Thread(target=lambda: runner.begin_episode(goal=GOAL, seed=12))
    beginning.start()
    beginning.join(0.2)
    assert beginning.is_alive() and not runner.is_running  # the next one waits for it

    learner.may_end.set()
    beginning.join(10.0)
    learning.join(10.0)
    assert runner.is_running
    assert feed.next() is not None
    assert learner.threads == [learning]  # once


@pytest.mark.parametrize("ask", ["begin_episode", "memory", "set_memory"])
def test_whoever_goes_on_finds_it_learnt(runner, monkeypatch, ask):
    learner, feed = SlowLearner(runner, monkeypatch), Feed(runner)
    learner.may_end.set()
    runner.begin()
    memory = runner.memory
    run_whole_episode(feed)

    if ask == "begin_episode":
        runner.begin_episode(goal=GOAL, seed=12)
    elif ask == "memory":
        assert runner.memory
    else:
        runner.memory = memory

    assert len(learner.threads) == 1


def test_nothing_is_learnt_from_an_episode_that_runs(runner, monkeypatch):
    learner = SlowLearner(runner, monkeypatch)
    runner.begin()
    Feed(runner).next()

    with pytest.raises(NotNow, match="an episode runs"):
        runner.adapt()

    assert runner.memory  # may be looked at meanwhile
    assert not learner.threads
