"""The controller: what it acts on, what it believes, what it does when something is wrong."""

from __future__ import annotations

import sys
import tracemalloc
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim2real.contract.belief import MIN_VARIANCE, GaussianBelief
from sim2real.contract.errors import BadInput
from sim2real.contract.joint_io import Reading
from sim2real.contract.robot_spec import load_robot_spec
from sim2real.runtime.bundle import read_bundle
from sim2real.runtime.controller import Controller, NoEpisode
from sim2real.runtime.evidence import Rejection
from sim2real.runtime.golden import READING_FIELDS, read_golden
from sim2real.runtime.kinds.gaussian_belief import GaussianBeliefAdaptation
from sim2real.runtime.kinds.recurrent_belief import RecurrentBeliefAdaptation

SPEC = load_robot_spec()
HOME = SPEC.joint_array("home_rad")
PERIOD_NS = 100_000_000


def goal(_elapsed_s: float) -> np.ndarray:
    return np.array([0.5])


@pytest.fixture(scope="module")
def bundle(exported_bundles):
    return read_bundle(exported_bundles())


@pytest.fixture(scope="module")
def readings(bundle):
    """Readings without end at the control rate: those of the golden vectors, over and over."""
    columns = read_golden(bundle.files["golden.npz"], bundle.manifest, "golden.npz")

    def reading(tick: int) -> Reading:
        row = {name: columns[name][tick % 200] for name in READING_FIELDS[2:]}
        return Reading(stamp_ns=tick * PERIOD_NS, sequence=tick, **row)

    return reading


def begun(bundle, *, seed: int = 0, **options) -> Controller:
    controller = Controller(bundle, SPEC, **options)
    controller.begin_trial(seed=seed)
    controller.begin_episode(goal=goal, target_rad=HOME)
    return controller


def memory_of(controller: Controller) -> dict[str, list[float]]:
    return {name: value.tolist() for name, value in controller.memory.items()}


# ---- acting ------------------------------------------------------------------------------------


def test_equal_readings_give_equal_commands(bundle, readings):
    first, second = begun(bundle), begun(bundle)

    for tick in range(30):
        one, two = first.step(readings(tick)), second.step(readings(tick))
        np.testing.assert_array_equal(one.position_rad, two.position_rad)
        assert one.stamp_ns == two.stamp_ns == tick * PERIOD_NS


def test_targets_stay_within_range_and_rate(bundle, readings):
    controller, previous = begun(bundle), HOME
    action_map = bundle.manifest.action

    for tick in range(60):
        target = controller.step(readings(tick)).position_rad
        assert (target >= np.array(action_map.lower_rad) - 1e-12).all()
        assert (target <= np.array(action_map.upper_rad) + 1e-12).all()
        assert (np.abs(target - previous) <= np.array(action_map.max_step_rad) + 1e-12).all()
        previous = target
    assert np.abs(previous - HOME).max() > 0.1  # it did move


def test_nothing_moves_before_an_episode_begins(bundle, readings):
    controller = Controller(bundle, SPEC)

    with pytest.raises(NoEpisode):
        controller.step(readings(0))
    with pytest.raises(ValueError, match="target_rad"):
        controller.begin_episode(goal=goal, target_rad=HOME[:-1])
    with pytest.raises(ValueError, match="target_rad"):
        controller.begin_episode(goal=goal, target_rad=np.full(9, np.nan))


def test_a_reading_that_is_not_finite_stops_the_tick(bundle, readings):
    controller = begun(bundle)
    controller.step(readings(0))
    broken = replace(readings(1), position_rad=np.full(9, np.nan))

    with pytest.raises(ValueError, match="not finite"):
        controller.step(broken)


def test_a_policy_that_broke_down_commands_nothing(bundle, readings):
    controller = Controller(bundle, SPEC)
    controller.begin_trial(seed=0, first_episode=1)
    broken = {
        "precision": np.full(5, 1e-300),
        "weighted_mean": np.full(5, 1e300),
        "num_transitions": np.array([1.0]),
    }
    with pytest.raises(ValueError, match="float32"):
        controller.memory = broken
    # Should one come about all the same:
    controller._adaptation._belief = GaussianBelief(**broken | {"num_transitions": 1})
    controller.begin_episode(goal=goal, target_rad=HOME)

    with (
        np.errstate(over="ignore", invalid="ignore"),
        pytest.raises(ValueError, match="action is not finite"),
    ):
        controller.step(readings(0))


@pytest.mark.parametrize(
    ("tick", "late_by_s", "cause"),
    [
        (20, 0.11, Rejection.STALE),
        (19, 0.0, Rejection.DUPLICATE),
        (12, 0.0, Rejection.REORDERED),
    ],
)
def test_an_unusable_reading_holds_the_command_and_touches_no_belief(
    bundle, readings, tick, late_by_s, cause
):
    controller = begun(bundle)
    for earlier in range(20):
        command = controller.step(readings(earlier))
    before, latest = memory_of(controller), controller.latest

    reading = readings(tick)
    held = controller.step(reading, reading.stamp_ns + round(late_by_s * 1e9))

    np.testing.assert_array_equal(held.position_rad, command.position_rad)
    assert held.stamp_ns == command.stamp_ns  # its age shows that it answers an older reading
    assert memory_of(controller) == before
    assert controller.latest is latest
    assert controller.rejections[cause] == 1
    assert controller.num_accepted == 19


def test_a_late_reading_is_acted_on_but_is_no_evidence(bundle, readings):
    controller = begun(bundle)
    controller.step(readings(0))
    controller.step(readings(1))
    before = memory_of(controller)

    command = controller.step(readings(3))

    assert command.stamp_ns == 3 * PERIOD_NS
    assert memory_of(controller) == before
    assert controller.rejections[Rejection.LATE] == 1
    controller.step(readings(4))
    assert memory_of(controller) != before


@given(data=st.data())
@settings(max_examples=40)
def test_whatever_the_bus_does_the_belief_is_that_of_clean_transitions(bundle, readings, data):
    """Readings are repeated, swapped, dropped and delayed; the factors are still those of pairs."""
    stream = data.draw(st.lists(st.integers(0, 12), min_size=2, max_size=25))
    ages_ns = data.draw(st.lists(st.sampled_from([0, 90, 110]), min_size=25, max_size=25))
    controller, used, pairs = begun(bundle), [], 0

    for tick, age_ms in zip(stream, ages_ns, strict=False):
        before = memory_of(controller)
        controller.step(readings(tick), readings(tick).stamp_ns + age_ms * 1_000_000)
        is_usable = age_ms <= 100 and (not used or tick > used[-1])
        is_pair = is_usable and bool(used) and tick == used[-1] + 1
        assert (memory_of(controller) != before) == is_pair
        pairs += is_pair
        if is_usable:
            used.append(tick)
    assert controller.num_accepted == controller.belief.num_transitions == pairs
    assert sum(controller.rejections.values()) == len(stream) - pairs


def test_evidence_never_reaches_across_episodes(bundle, readings):
    controller = begun(bundle)
    for tick in range(3):
        controller.step(readings(tick))
    controller.begin_episode(goal=goal, target_rad=HOME)
    before = memory_of(controller)

    controller.step(readings(3))

    assert memory_of(controller) == before
    assert controller.rejections[Rejection.EPISODE_BOUNDARY] == 2
    controller.step(readings(4))
    assert controller.num_accepted == 3


def test_the_last_step_of_an_episode_is_evidence_too(bundle, readings):
    controller = begun(bundle)
    controller.step(readings(0))

    tick = controller.end_episode(readings(1))

    assert tick.rejection is None
    assert tick.number == 1
    assert controller.num_accepted == 1
    assert controller.evidence_stamp_ns == PERIOD_NS
    assert controller.end_episode(readings(1)) is None
    assert controller.rejections[Rejection.DUPLICATE] == 1


# ---- desired and applied -----------------------------------------------------------------------


class ContextLog:
    """What enters the belief."""

    def __init__(self, monkeypatch, adaptation=GaussianBeliefAdaptation):
        self.rows: list[np.ndarray] = []
        observe = adaptation.observe

        def logged(adapting, row):
            self.rows.append(row.copy())
            observe(adapting, row)

        monkeypatch.setattr(adaptation, "observe", logged)

    def actions(self, bundle) -> np.ndarray:
        size = bundle.manifest.observation.layout.size
        return np.array(self.rows)[:, size : size + bundle.manifest.action.size]


def test_context_holds_what_the_filter_let_through(bundle, readings, monkeypatch):
    log = ContextLog(monkeypatch)

    def half_as_far(desired, previous, _reading):
        return previous + 0.5 * (desired - previous)

    controller, previous = begun(bundle, command_filter=half_as_far), HOME
    applied = []
    for tick in range(5):
        target = controller.step(readings(tick)).position_rad
        applied.append((target - previous) / np.array(bundle.manifest.action.max_step_rad))
        previous = target
        desired = controller.latest.desired_rad
        assert np.abs(desired - target).max() > 0.01

    np.testing.assert_allclose(log.actions(bundle), applied[:-1], atol=1e-6)


def test_a_reported_command_replaces_the_intended_one(bundle, readings, monkeypatch):
    log, controller = ContextLog(monkeypatch), begun(bundle)
    controller.step(readings(0))

    controller.report_applied(HOME)  # somebody held the hand still

    np.testing.assert_array_equal(controller.latest.applied_rad, HOME)
    controller.step(readings(1))
    np.testing.assert_array_equal(log.actions(bundle), np.zeros((1, 9)))


@pytest.mark.parametrize("applied", [None, HOME + 1.0])
def test_what_no_action_leads_to_is_no_evidence(bundle, readings, applied):
    controller = begun(bundle)
    controller.step(readings(0))

    controller.report_applied(applied)

    assert controller.latest.applied_action is None
    controller.step(readings(1))
    assert controller.rejections[Rejection.FILTERED] == 1
    assert controller.num_accepted == 0
    controller.step(readings(2))
    assert controller.num_accepted == 1


# ---- believing ---------------------------------------------------------------------------------


def encoded(bundle, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    encoder = bundle.models()["encoder"]
    factors = []
    for row in rows:
        encoder.inputs["context_row"][0] = row
        encoder.run()
        factors.append((encoder.outputs["mean"][0].copy(), encoder.outputs["variance"][0].copy()))
    mean, variance = map(np.array, zip(*factors, strict=True))
    return mean.astype(np.float64), variance.astype(np.float64)


def test_the_running_belief_is_the_batch_product_after_10000_transitions(
    bundle, readings, monkeypatch
):
    log, controller = ContextLog(monkeypatch), begun(bundle)

    for tick in range(10_001):
        controller.step(readings(tick))

    mean, variance = encoded(bundle, np.array(log.rows))
    precision = 1.0 / np.maximum(variance, MIN_VARIANCE)
    belief = controller.belief
    assert belief.num_transitions == len(log.rows) == 10_000
    np.testing.assert_allclose(belief.variance, 1.0 / precision.sum(0), atol=1e-5, rtol=1e-6)
    expected = (mean * precision).sum(0) / precision.sum(0)
    np.testing.assert_allclose(belief.mean, expected, atol=1e-5)


def conditions(controller: Controller, readings, ticks: range) -> np.ndarray:
    seen = []
    for tick in ticks:
        controller.step(readings(tick))
        seen.append(controller.latest.shown)
    return np.array(seen)


def test_a_sample_is_held_for_an_episode_and_drawn_anew_for_the_next(bundle, readings):
    controller = begun(bundle)
    first = conditions(controller, readings, range(10))
    controller.begin_episode(goal=goal, target_rad=HOME)
    second = conditions(controller, readings, range(10, 20))

    assert (first == first[0]).all()
    assert (second == second[0]).all()
    assert (first[0] != second[0]).any()
    np.testing.assert_array_equal(first, conditions(begun(bundle), readings, range(10)))
    assert (first[0] != conditions(begun(bundle, seed=1), readings, range(1))).any()


def test_exploring_episodes_draw_from_the_prior_whatever_is_believed(bundle, readings):
    sure = {
        "precision": np.full(5, 1e6),
        "weighted_mean": np.full(5, 3e6),
        "num_transitions": np.array([10.0]),
    }

    def latent(num_exploration_episodes: int) -> np.ndarray:
        settings = replace(bundle.settings(), num_exploration_episodes=num_exploration_episodes)
        controller = Controller(bundle, SPEC, settings=settings)
        controller.begin_trial(seed=0, first_episode=1)
        controller.memory = sure
        controller.begin_episode(goal=goal, target_rad=HOME)
        return conditions(controller, readings, range(1))[0]

    np.testing.assert_allclose(latent(1), 3.0, atol=0.01)
    _, of_second = np.random.default_rng(0).standard_normal((2, 5))
    np.testing.assert_array_equal(latent(2), of_second.astype(np.float32))


def test_other_sources_of_the_latent(bundle, readings):
    def with_source(**changes):
        return replace(bundle.settings(), **changes)

    mean = begun(bundle, settings=with_source(latent_source="mean"))
    seen = conditions(mean, readings, range(5))
    np.testing.assert_array_equal(seen[0], np.zeros(5))
    np.testing.assert_allclose(seen[4], mean.belief.mean, atol=1e-6)

    periodic = with_source(latent_source="periodic_sample", resample_every_ticks=3)
    seen = conditions(begun(bundle, settings=periodic), readings, range(7))
    changed = (np.diff(seen, axis=0) != 0).any(axis=1)
    assert changed.tolist() == [False, False, True, False, False, True]


@pytest.mark.parametrize("source", ["episode_sample", "periodic_sample", "mean"])
@pytest.mark.parametrize("resumed_at", [1, 3])
def test_a_resumed_trial_draws_the_latents_of_an_uninterrupted_one(
    bundle, readings, source, resumed_at
):
    length = bundle.manifest.episode_length
    chosen = replace(
        bundle.settings(),
        latent_source=source,
        resample_every_ticks=4 if source == "periodic_sample" else 0,
    )

    def episode(controller: Controller, number: int) -> np.ndarray:
        controller.begin_episode(goal=goal, target_rad=HOME)
        first = number * (length + 1)
        seen = conditions(controller, readings, range(first, first + length))
        controller.end_episode(readings(first + length))
        return seen

    whole = Controller(bundle, SPEC, settings=chosen)
    whole.begin_trial(seed=7)
    for number in range(resumed_at):
        episode(whole, number)
    resumed = Controller(bundle, SPEC, settings=chosen)
    resumed.begin_trial(seed=7, first_episode=resumed_at)
    resumed.memory = whole.memory

    for number in range(resumed_at, resumed_at + 2):
        expected = episode(whole, number)
        np.testing.assert_array_equal(episode(resumed, number), expected)
    assert memory_of(resumed) == memory_of(whole)


def test_what_was_held_only_for_part_of_the_period_is_no_evidence(bundle, readings, monkeypatch):
    log, controller = ContextLog(monkeypatch), begun(bundle)
    controller.step(readings(0))

    controller.report_applied(HOME, is_steady=False)

    assert controller.latest.applied_action is None
    np.testing.assert_array_equal(controller.latest.applied_rad, HOME)
    controller.step(readings(1))
    assert controller.rejections[Rejection.FILTERED] == 1
    step = np.array(bundle.manifest.action.max_step_rad)
    assert (np.abs(controller.latest.desired_rad - HOME) <= step + 1e-12).all()
    assert not log.rows


def test_a_frozen_belief_stays_and_a_new_trial_forgets(bundle, readings):
    controller = begun(bundle)
    conditions(controller, readings, range(5))
    controller.is_frozen = True
    before = memory_of(controller)
    conditions(controller, readings, range(5, 9))

    assert memory_of(controller) == before
    assert controller.rejections[Rejection.FROZEN] == 4
    assert controller.belief.kl_from_prior > 0

    controller.begin_trial(seed=0)
    belief = controller.belief
    assert belief.num_transitions == 0
    assert belief.kl_from_prior == 0.0
    np.testing.assert_array_equal(belief.variance, np.ones(5))


def test_a_memory_can_be_carried_to_another_controller(every_bundle, readings):
    bundle = read_bundle(every_bundle)
    first = begun(bundle)
    for tick in range(8):
        first.step(readings(tick))
    second = begun(bundle)

    second.memory = first.memory

    assert memory_of(second) == memory_of(first)
    np.testing.assert_array_equal(second.belief.mean, first.belief.mean)
    memory = dict(first.memory)
    name = next(iter(memory))
    with pytest.raises(ValueError, match=f"memory: {name}"):
        second.memory = {**memory, name: np.zeros(99)}
    with pytest.raises(ValueError, match="memory"):
        second.memory = {}


def test_a_recurrent_belief_lasts_a_trial_and_is_told_where_episodes_end(
    exported_bundles, readings, monkeypatch
):
    bundle = read_bundle(exported_bundles("recurrent_belief"))
    log = ContextLog(monkeypatch, RecurrentBeliefAdaptation)
    controller = begun(bundle)
    np.testing.assert_array_equal(conditions(controller, readings, range(1)), np.zeros((1, 16)))
    conditions(controller, readings, range(1, 4))
    controller.end_episode(readings(4))
    at_the_end = controller.belief.mean
    controller.begin_episode(goal=goal, target_rad=HOME)

    np.testing.assert_array_equal(conditions(controller, readings, range(5, 6))[0], at_the_end)
    assert np.abs(at_the_end).max() > 0
    assert [row[-1] for row in log.rows] == [0.0, 0.0, 0.0, 1.0]
    controller.begin_trial(seed=0)
    np.testing.assert_array_equal(controller.belief.mean, np.zeros(16))


# ---- time and memory ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def full_size(tmp_path_factory):
    """PEARL's networks: a policy of 3 x 300, an encoder of 3 x 200."""
    from training.export.untrained import untrained_draft, untrained_parts
    from training.families.valve import VALVE_TURN

    return untrained_draft(untrained_parts(VALVE_TURN.scene)).as_bundle()


def calls_in_tick(controller: Controller, reading: Reading) -> Counter[str]:
    """What a tick calls, and how often: its work, whoever else uses the processor meanwhile."""
    calls: Counter[str] = Counter()

    def count(frame: Any, event: str, called: Any) -> None:
        if event == "call":
            calls[frame.f_code.co_qualname] += 1
        elif event == "c_call":
            calls[called.__qualname__] += 1

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        controller.step(reading)
    finally:
        sys.setprofile(before)
    return calls


def test_a_tick_takes_as_many_steps_after_10000_transitions(full_size, readings):
    """In time: `taskbelief bench controller`. Steps on ever larger arrays: the next test."""
    experienced, fresh = begun(full_size), begun(full_size)
    for tick in range(10_000):
        experienced.step(readings(tick))
    for tick in range(200):
        fresh.step(readings(tick))
    assert (experienced.num_accepted, fresh.num_accepted) == (9_999, 199)

    for tick in range(200):
        late = calls_in_tick(experienced, readings(10_000 + tick))
        assert late == calls_in_tick(fresh, readings(200 + tick))
        assert 0 < late.total() < 1_000


def test_ticks_do_not_let_memory_grow(bundle, readings):
    controller = begun(bundle)
    for tick in range(500):
        controller.step(readings(tick))
    tracemalloc.start()
    try:
        for tick in range(500, 1_000):
            controller.step(readings(tick))
        before = tracemalloc.take_snapshot()
        for tick in range(1_000, 5_000):
            controller.step(readings(tick))
        after = tracemalloc.take_snapshot()
    finally:
        tracemalloc.stop()

    ours = [tracemalloc.Filter(True, "*/sim2real/*")]
    grown = after.filter_traces(ours).compare_to(before.filter_traces(ours), "filename")
    assert sum(difference.size_diff for difference in grown) < 1_000


MEMORY = {
    "precision": np.full(5, 2.0),
    "weighted_mean": np.full(5, 0.4),
    "num_transitions": np.array([3.0]),
}


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"num_transitions": np.array([-5.0])}, "num_transitions: found -5.0, expected a whole"),
        ({"num_transitions": np.array([2.5])}, "a whole number"),
        ({"num_transitions": np.array([1e18])}, "a whole number"),
        ({"precision": np.full(5, -1.0)}, "above zero once there is evidence"),
        ({"precision": np.zeros(5)}, "above zero once there is evidence"),
        ({"precision": np.full(5, -1.0), "num_transitions": np.zeros(1)}, "never below"),
        ({"precision": np.full(5, 1e-45)}, "finite"),
        ({"precision": np.full(4, 1.0)}, "found '4 numbers', expected 5 numbers"),
        ({"weighted_mean": np.full(5, np.nan)}, "finite numbers"),
        ({"weighted_mean": np.full(5, 1e300)}, "fit float32"),
        ({"hidden": np.zeros(5)}, "names: found"),
    ],
    ids=str,
)
def test_a_memory_that_means_nothing_is_refused_and_nothing_has_changed(bundle, changed, told):
    controller = Controller(bundle, SPEC)
    controller.memory = MEMORY

    with pytest.raises(BadInput) as refused:
        controller.memory = MEMORY | changed

    assert told in str(refused.value)
    for name, value in MEMORY.items():
        np.testing.assert_array_equal(controller.memory[name], value)
