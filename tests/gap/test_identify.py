"""Parameters that were put into a simulated robot are found again, within their intervals."""

from __future__ import annotations

import numpy as np
import pytest

from sim2real.gap.excitation import Excitation, Script
from sim2real.hardware.physics_model import load_physics_model
from tests.gap.conftest import simulated_motion, wander
from training.gap.identify import FitOptions, identify, student_t_95
from training.gap.unknowns import HAND, OBJECT, SEARCH, Unknowns, with_dynamics
from training.worlds.dynamics import CUSTOM_NUMERICS, VARIATIONS

PERIOD_S = 0.02


@pytest.fixture(scope="module")
def base(spec):
    return load_physics_model(spec, custom_numerics=CUSTOM_NUMERICS)


def excited(spec, base, dynamics, *, seed: int = 0):
    """A run of steps and swings, read at 50 Hz; seeds differ in how far joints go."""
    script = Script(
        amplitude_rad=0.1 + 0.002 * (seed % 20), num_steps=3, hold_s=0.4, swing_hz=(1.5,)
    )
    excitation = Excitation(spec, script, spec.joint_array("home_rad"))
    count = int(excitation.duration_s / PERIOD_S)
    goals = np.stack([excitation.goal(step * PERIOD_S) for step in range(count)])
    mj_model = with_dynamics(base, dynamics)
    motion = simulated_motion(spec, goals, mj_model, period_s=PERIOD_S, seed=seed)
    return motion.cut(int(2.4 / PERIOD_S), len(motion.time_s) - 1)


def drawn(rng, names):
    """Dynamics as a family draws them; no delay beyond the period of the readings."""
    dynamics = {name: VARIATIONS[name].sample(rng) for name in names}
    if "action_delay" in dynamics:
        dynamics["action_delay"] = (float(rng.integers(0, 8)),)
    return dynamics


def covers(fit, name, truth):
    found = fit.parameters[name]
    return np.array([low <= x <= high for low, x, high in zip(found.low, truth, found.high)])


@pytest.mark.slow
def test_the_hands_parameters_are_within_their_intervals_nearly_always(spec, base):
    """95 % intervals: of 8 x 6 values two or three are missed by chance."""
    hits = []
    for seed in range(8):
        truth = drawn(np.random.default_rng(seed), HAND)
        motion = excited(spec, base, truth, seed=seed)
        fit = identify([motion], HAND, spec, base, FitOptions(max_windows=60))
        hits += [covers(fit, name, truth[name]) for name in HAND]
        for name in HAND:
            np.testing.assert_allclose(
                fit.parameters[name].estimate, truth[name], rtol=0.03, atol=0.1, err_msg=name
            )
        assert fit.rmse_after_rad < 0.001 < fit.rmse_before_rad
    assert np.concatenate(hits).mean() >= 0.85


@pytest.mark.slow
def test_the_valves_parameters_are_found_where_it_was_turned(spec, base):
    """To a few percent; intervals of what shows in contacts only are somewhat too narrow."""
    names, hits = (*HAND, *OBJECT), []
    for seed in (3, 4, 5):
        rng = np.random.default_rng(seed)
        truth = drawn(rng, names)
        model = with_dynamics(base, truth)
        motions = [
            simulated_motion(spec, wander(spec, rng, 60, 0.05), model, period_s=0.05, seed=number)
            for number in range(8)
        ]
        assert max(np.ptp(motion.object_position_rad) for motion in motions) > 0.2
        fit = identify(motions, names, spec, base, FitOptions())
        for name in names:
            np.testing.assert_allclose(
                fit.parameters[name].estimate, truth[name], rtol=0.15, atol=0.1, err_msg=name
            )
        hits += [covers(fit, name, truth[name]) for name in names]
    assert np.concatenate(hits).mean() >= 0.7


@pytest.mark.slow
def test_what_a_recording_does_not_show_has_no_narrow_interval(spec, base):
    """A valve that nobody touched says nothing about its damping."""
    names = (*HAND, "valve_damping")
    motion = excited(spec, base, {"joint_friction": (0.03,)})

    fit = identify([motion], names, spec, base, FitOptions(max_windows=30))

    found, search = fit.parameters["valve_damping"], SEARCH["valve_damping"]
    assert found.low[0] == pytest.approx(search.low)
    assert found.high[0] == pytest.approx(search.high)
    assert fit.parameters["joint_friction"].high[0] < 0.035


def test_too_few_windows_identify_nothing(spec, base):
    motion = excited(spec, base, {}).cut(0, 60)

    with pytest.raises(ValueError, match="windows for 6 unknowns"):
        identify([motion], HAND, spec, base, FitOptions())


def test_unknowns_go_there_and_back():
    unknowns = Unknowns((*HAND, *OBJECT))
    values = drawn(np.random.default_rng(0), unknowns.names)

    restored = unknowns.values(unknowns.vector(values))

    assert restored.keys() == values.keys()
    for name, value in values.items():
        np.testing.assert_allclose(restored[name], value, rtol=1e-9)
    assert unknowns.size == 9
    assert (unknowns.bounds[0] < unknowns.start).all()
    assert (unknowns.start < unknowns.bounds[1]).all()


def test_quantiles_of_students_t_are_those_of_the_table():
    for freedom, expected in ((4, 2.776), (10, 2.228), (30, 2.042), (1000, 1.962)):
        assert student_t_95(freedom) == pytest.approx(expected, rel=0.01)
