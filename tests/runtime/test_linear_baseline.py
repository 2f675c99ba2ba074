"""The baseline of policy gradients, fitted in float64."""

import numpy as np
import pytest

from sim2real.runtime.linear_baseline import LinearBaseline, features


def test_g4_features_are_those_of_the_literature() -> None:
    rows = features(np.array([[0.5, -30.0]], np.float32), np.array([50]))

    assert rows.dtype == np.float64
    np.testing.assert_allclose(rows, [[0.5, -10, 0.25, 100, 0.5, 0.25, 0.125, 1]])


def test_g4_fit_solves_the_ridge_regression() -> None:
    rng = np.random.default_rng(0)
    observation, step = rng.normal(size=(60, 3)).astype(np.float32), np.tile(np.arange(20), 3)
    returns = rng.normal(size=60)

    baseline = LinearBaseline.fitted(observation, step, returns, ridge=0.1)

    rows = features(observation, step)
    padded = np.concatenate([rows, np.sqrt(0.1) * np.eye(10)])
    expected, *_ = np.linalg.lstsq(padded, np.concatenate([returns, np.zeros(10)]), rcond=None)
    np.testing.assert_allclose(baseline.coefficients, expected, rtol=1e-8)
    np.testing.assert_allclose(baseline.values(observation, step), rows @ expected, rtol=1e-8)


def test_ridge_grows_until_singular_equations_can_be_solved() -> None:
    step = np.zeros(50, np.int64)  # constant columns: the equations have no single solution
    baseline = LinearBaseline.fitted(
        np.ones((50, 2), np.float32), step, np.full(50, 7.0), ridge=1e-17
    )

    values = baseline.values(np.ones((1, 2), np.float32), step[:1])
    np.testing.assert_allclose(values, 7.0, rtol=1e-3)


@pytest.mark.parametrize("spoilt", [np.nan, np.inf])
def test_what_is_not_finite_and_nothing_are_refused(spoilt: float) -> None:
    step = np.arange(4)
    with pytest.raises(ValueError, match="finite"):
        LinearBaseline.fitted(np.zeros((4, 1), np.float32), step, np.array([0, 1, spoilt, 2]))
    with pytest.raises(ValueError, match="finite"):
        LinearBaseline.fitted(np.full((4, 1), np.nan, np.float32), step, np.zeros(4))
    with pytest.raises(ValueError, match="got 0"):
        LinearBaseline.fitted(np.zeros((0, 1), np.float32), step[:0], np.zeros(0))
