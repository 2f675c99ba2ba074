"""Which dynamics explain a recording: least squares on what open-loop replays leave over.

Motions are cut into windows, each replayed from its own first reading, so that errors cannot pile
up. MuJoCo's own solver fits (`mujoco.minimize`, the one under `mujoco.sysid`): it asks for all
columns of a Jacobian at once, which one batch of simulations answers.

`mujoco.sysid` itself takes parameters of a model's file, a goal per sample and white residuals;
here are a delay finer than a physics step, and residuals that hang together: rounding, a slipped
contact. So intervals are from a jackknife over windows, which holds for any noise within a window.

What no value of the unknowns can explain is not in the intervals: the remaining error shows it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import mujoco
import numpy as np
from mujoco import minimize
from numpy.typing import NDArray

from sim2real.contract.robot_spec import RobotSpec
from sim2real.gap.motion import Motion
from sim2real.gap.replay import Replayer
from training.gap.unknowns import DELAY, Unknowns, with_dynamics
from training.worlds.dynamics import variations_for

Float = NDArray[np.floating]

STEP = 0.1
"""of central differences, in the units of the fit: wide, because a contact that comes a little
earlier or later makes an error jump, and what a fit needs is the trend across such jumps"""
ROBUST_RAD = 0.05
"""an error beyond this counts for little: a fingertip slipped, in one of the two worlds"""
MIN_SENSITIVITY = 1e-5
"""root mean square change of a residual per unit of the fit, below which nothing is known"""
RECENT_S, MIN_WAY_RAD = 0.1, 0.01
"""a joint has a way to go where its goal moved as far as this, in a window or shortly before"""


@dataclass(frozen=True, kw_only=True)
class FitOptions:
    """How windows are cut and fitted."""

    window_s: float = 0.3
    """length of a window"""
    max_windows: int = 80
    """more are thinned out evenly"""
    max_iterations: int = 12


@dataclass(frozen=True, kw_only=True)
class Identified:
    """One variation, element by element, with a 95 % interval."""

    estimate: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Fit:
    """What was identified, and how well it explains the recording."""

    parameters: Mapping[str, Identified]
    num_windows: int
    rmse_before_rad: float
    """of the replays with the model as its file describes it"""
    rmse_after_rad: float
    """of the replays with what was identified: what remains is noise and misfit"""


def identify(
    motions: Sequence[Motion],
    names: Sequence[str],
    spec: RobotSpec,
    base: mujoco.MjModel,
    options: FitOptions,
    known: Mapping[str, tuple[float, ...]] | None = None,
) -> Fit:
    """The values of the named variations under which replays come closest to the motions.

    `base` is the robot as its model file describes it, `known` dynamics are taken as given. Raises
    `ValueError` for too few windows.
    """
    problem = _Problem(
        motions,
        Unknowns(names, variations_for(spec)),
        spec,
        base,
        options,
        known or {},
    )
    unknowns = problem.unknowns
    before = problem.errors(unknowns.nominal[:, None])[:, 0]
    vector, _ = minimize.least_squares(
        unknowns.start,
        problem.residuals,
        bounds=unknowns.bounds,
        jacobian=lambda at, _: problem.jacobian(at),
        max_iter=options.max_iterations,
        mu_factor=4.0,
        mu_max=1e4,
        xtol=1e-3,
        verbose=minimize.Verbosity.SILENT,
    )
    half = problem.half_widths(vector)
    ends = [np.clip(vector + sign * half, *unknowns.bounds) for sign in (-1.0, 1.0)]
    estimate, low, high = (unknowns.values(end) for end in (vector, *ends))
    after = problem.errors(vector[:, None])[:, 0]
    return Fit(
        parameters={
            name: Identified(estimate=estimate[name], low=low[name], high=high[name])
            for name in unknowns.names
        },
        num_windows=problem.num_windows,
        rmse_before_rad=_rms(before),
        rmse_after_rad=_rms(after),
    )


class _Problem:
    """Residuals of all windows for many values of the unknowns at once."""

    def __init__(
        self,
        motions: Sequence[Motion],
        unknowns: Unknowns,
        spec: RobotSpec,
        base: mujoco.MjModel,
        options: FitOptions,
        known: Mapping[str, tuple[float, ...]],
    ) -> None:
        self._windows = _thinned(motions, options)
        self.unknowns, self._spec, self._base, self._known = unknowns, spec, base, known
        if self.num_windows <= unknowns.size:
            raise ValueError(f"{self.num_windows} windows for {unknowns.size} unknowns")
        self._replayers: dict[int, Replayer] = {}
        self._counts = [_what_counts(window) for window in self._windows]
        sizes = [int(counts.sum()) for counts in self._counts]
        self._owner = np.repeat(np.arange(self.num_windows), sizes)

    @property
    def num_windows(self) -> int:
        """W"""
        return len(self._windows)

    def errors(self, vectors: Float) -> Float:
        """(R, B) simulated minus measured positions for (P, B) values of the unknowns, rad."""
        windows = self._windows
        count = vectors.shape[1]
        values = [self.unknowns.values(vectors[:, column]) for column in range(count)]
        models, delays = zip(*map(self._model, values))
        if count not in self._replayers:
            num_simulations = count * self.num_windows
            self._replayers[count] = Replayer(self._spec, num_simulations, self._base)
        replayed = self._replayers[count].play(
            [*windows] * count,
            [model for model in models for _ in windows],
            np.repeat(delays, self.num_windows),
        )
        errors = [
            np.column_stack(
                [
                    one.position_rad - window.position_rad,
                    one.object_position_rad - window.object_position_rad,
                ]
            )[1:][counts]
            for one, window, counts in zip(replayed, [*windows] * count, self._counts * count)
        ]
        return np.concatenate(errors).reshape(count, -1).T

    def _model(self, values: Mapping[str, tuple[float, ...]]) -> tuple[mujoco.MjModel, float]:
        """The compiled model and its delay, s."""
        dynamics = {**self._known, **values}
        delay_s = dynamics.get(DELAY, (0.0,))[0] * float(self._base.opt.timestep)
        return with_dynamics(self._base, dynamics), delay_s

    def residuals(self, vectors: Float) -> Float:
        """The errors without units; beyond `ROBUST_RAD` they grow ever more slowly."""
        return _softened(self.errors(vectors) / ROBUST_RAD)

    def jacobian(self, vector: Float) -> Float:
        """(R, P) central differences of the residuals, one-sided at a bound."""
        steps, here = STEP * np.eye(self.unknowns.size), vector.reshape(-1, 1)
        bounds = [bound[:, None] for bound in self.unknowns.bounds]
        ahead, behind = np.clip(here + steps, *bounds), np.clip(here - steps, *bounds)
        found = self.residuals(np.concatenate([ahead, behind], axis=1))
        after, before = np.split(found, 2, axis=1)
        return np.asarray((after - before) / np.diag(ahead - behind))

    def half_widths(self, vector: Float) -> Float:
        """(P,) of 95 % intervals in the units of the fit; infinite where nothing bounds it."""
        jacobian, residual = self.jacobian(vector), self.residuals(vector[:, None])[:, 0]
        is_seen = np.sqrt(np.mean(jacobian**2, axis=0)) > MIN_SENSITIVITY
        half = np.full(len(vector), np.inf)
        half[is_seen] = self._jackknife(jacobian[:, is_seen], residual)
        return half

    def _jackknife(self, jacobian: Float, residual: Float) -> Float:
        """From (R, Q) derivatives and (R,) residuals: how far the solution of the linearised
        problem moves as one window after the other is left out.
        """
        information = jacobian.T @ jacobian
        moves = []
        for window in range(self.num_windows):
            rows = self._owner == window
            own, error = jacobian[rows], residual[rows]
            rest = np.linalg.pinv(information - own.T @ own, hermitian=True)
            moves.append(rest @ (own.T @ error))
        freedom = self.num_windows - jacobian.shape[1]
        spread = (self.num_windows - 1) / self.num_windows * np.sum(np.square(moves), axis=0)
        return np.asarray(student_t_95(freedom) * np.sqrt(spread))


def _thinned(motions: Sequence[Motion], options: FitOptions) -> list[Motion]:
    """The windows that are compared."""
    windows = [window for motion in motions for window in motion.windows(options.window_s)]
    count = min(len(windows), options.max_windows)
    return [windows[index] for index in np.linspace(0, len(windows) - 1, count).astype(int)]


def _what_counts(window: Motion) -> NDArray[np.bool_]:
    """(T - 1, J + 1) which readings of a window are compared: of joints that have a way to go.

    A joint that rests shows one place over and over, rounded by its encoder in one direction: with
    enough of that a fit explains the rounding.
    """
    recent = window.goal_time_s > -RECENT_S
    first = window.goals_at(np.array([-RECENT_S]))
    goals = np.concatenate([first, window.goal_rad[recent]])
    moves = np.ptp(goals, axis=0) > MIN_WAY_RAD
    return np.tile(np.append(moves, True), (len(window.time_s) - 1, 1))


def student_t_95(freedom: int) -> float:
    """The 97.5 % point of Student's t (Abramowitz and Stegun 26.7.5), within 1 % from 4 on."""
    z = 1.959963984540054
    terms = (
        z,
        (z**3 + z) / 4.0,
        (5.0 * z**5 + 16.0 * z**3 + 3.0 * z) / 96.0,
        (3.0 * z**7 + 19.0 * z**5 + 17.0 * z**3 - 15.0 * z) / 384.0,
    )
    return float(sum(term / freedom**power for power, term in enumerate(terms)))


def _softened(residual: Float) -> Float:
    """sign(r) sqrt(2 (sqrt(1 + r^2) - 1)): its square is the pseudo-Huber loss, twice."""
    loss = 2.0 * (np.sqrt(1.0 + residual**2) - 1.0)
    return np.asarray(np.sign(residual) * np.sqrt(loss))


def _rms(errors: Float) -> float:
    return math.sqrt(float(np.mean(errors**2)))
