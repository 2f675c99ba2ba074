"""The control loops of a row of servos: from goals and gains to a law of torque.

Everything is in each servo's own register frame (its ticks, its sign); `Plant` turns it into joint
torque. Facts: ROBOTIS e-manual (modes, gain divisors, profiles). Where the manual is silent the
choice is ours and says so: the unit of time of I, D and feed-forward gains is taken as the 1 ms of
the servo's own loop, and in mode 5 the PID output is a torque, worth what the same PWM counts would
give at standstill and nominal voltage: the gain that hardware_configs/dclaw/model.xml uses.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim2real.emulator.registers import TICKS_PER_TURN, Memory

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]

TICK_RAD = 2 * np.pi / TICKS_PER_TURN
VELOCITY_UNIT_RAD_S = 0.229 * 2 * np.pi / 60
VELOCITY_UNIT_TICKS_S = VELOCITY_UNIT_RAD_S / TICK_RAD
ACCELERATION_UNIT_TICKS_S2 = 214.577 / 3600 * TICKS_PER_TURN
FULL_PWM = 885
REVERSE, TIME_BASED, TORQUE_BY_GOAL = 1, 4, 8
"""bits of Drive Mode"""
POSITION_MODES = (3, 4, 5)
UNLIMITED = 1e12
"""a speed or an acceleration that no profile limits; finite, so that zero times it is zero"""
IN_POSITION_TICKS = 20
"""distance at which Moving Status says in-position; not documented, about two degrees"""
FOLLOWING_ERROR_TICKS = 400
"""distance from the trajectory at which Moving Status says following error; not documented"""


@dataclass(frozen=True, kw_only=True)
class MotorLine:
    """The motors' constants, (S,): torque = k / r (volt - k velocity); current = torque / kt."""

    k: Float
    """back-EMF constant, V s/rad, gear included"""
    r: Float
    """ohm"""
    torque_per_ampere: float
    """N m/A at the horn: below `k` because the gears lose torque"""
    nominal_voltage: float
    stiffness: Float
    """what a task makes of the position gain: 1 is nominal"""
    limit: Float
    """what a task makes of the current limit's torque: 1 is nominal"""


class TorqueLaw(NamedTuple):
    """Torque in the register frame until the next step, `torque - damping * velocity`, (S,)."""

    torque: Float
    damping: Float


class Motion:
    """Measured and wanted motion of S servos."""

    def __init__(self, memory: Memory, motors: MotorLine) -> None:
        self.memory, self.motors = memory, motors
        count = len(memory.table)
        self.raw_ticks: Float = np.zeros(count)
        """shaft angle that the encoder sees, before direction, turns and Homing Offset"""
        self.turn_ticks: Float = np.zeros(count)
        """whole turns that Present Position no longer counts"""
        self.velocity: Float = np.zeros(count)
        """ticks/s in the register frame"""
        self.stopped: Bool = np.zeros(count, bool)
        """halted by the Bus Watchdog, until a goal is accepted"""
        self.saturation: Float = np.zeros(count)
        """share of the output limit in use, 0 to 1"""
        self.goal_delay_steps = 0
        """physics steps from a goal to its effect, where a task's dynamics say so"""
        self._goals_under_way: deque[Float] = deque()
        self._hold: Float = np.zeros(count)
        self._trajectory: Float = np.zeros(count)
        self._trajectory_velocity: Float = np.zeros(count)
        self._acceleration: Float = np.zeros(count)
        self._integral: Float = np.zeros(count)
        self._velocity_integral: Float = np.zeros(count)
        self._max_velocity: Float = np.full(count, UNLIMITED)
        self._max_acceleration: Float = np.full(count, UNLIMITED)
        self._profile_type = np.zeros(count, np.uint8)
        self._present: Float = np.zeros(count)
        self.is_stale = True
        """registers of control were written since `refresh`"""

    # What instructions change, one servo at a time.

    def refresh(self) -> None:
        """Take over what was written to control registers."""
        m = self.memory
        self.is_stale = False
        mode = m["operating_mode"]
        self._direction = np.where(m["drive_mode"] & REVERSE, -1.0, 1.0)
        self._homing = m["homing_offset"].astype(float)
        self.enabled: Bool = m["torque_enable"] != 0
        self._is_position = (mode == 3) | (mode == 4) | (mode == 5)
        self._is_velocity, self._is_raw_pwm = mode == 1, mode == 16
        self._is_current_based = mode == 5
        self._regulates_current = (mode == 0) | (mode == 5)
        stiffness = self.motors.stiffness
        self._gains = {
            name: m[name] / divisor * (stiffness if name == "position_p_gain" else 1.0)
            for name, divisor in (
                ("position_p_gain", 128.0),
                ("position_i_gain", 65_536.0),
                ("position_d_gain", 16.0),
                ("feedforward_1st_gain", 4.0),
                ("feedforward_2nd_gain", 4.0),
                ("velocity_p_gain", 128.0),
                ("velocity_i_gain", 65_536.0),
            )
        }
        self._refresh_goals()

    def _refresh_goals(self) -> None:
        m, moves = self.memory, ~self.stopped
        self._goal = np.where(moves, m["goal_position"], self._hold)
        self._goal_velocity = np.where(moves, m["goal_velocity"], 0).astype(float)
        pwm_limit = m["pwm_limit"].astype(float)
        self._goal_pwm = np.clip(np.where(moves, m["goal_pwm"], 0), -pwm_limit, pwm_limit)
        self._pwm_max = np.where(
            self._is_raw_pwm, pwm_limit, np.minimum(np.abs(m["goal_pwm"]), pwm_limit)
        )
        limit = m["current_limit"].astype(float)
        goal = np.clip(m["goal_current"], -limit, limit) * m.control.current_unit_a
        self._goal_current = np.where(moves, goal, 0.0)
        self._current_max = np.abs(goal)

    def begin(self, servo: int) -> None:
        """Torque comes on: forget integrals and start from where the shaft is.

        The goal is one that the servo has had for long, whatever delays later ones.
        """
        self.stopped[servo] = False
        self._integral[servo] = self._velocity_integral[servo] = 0.0
        self._trajectory[servo] = self._present[servo]
        self._trajectory_velocity[servo] = 0.0
        for goals in self._goals_under_way:
            goals[servo] = self.memory["goal_position"][servo]
        self.plan(servo)

    def stop(self, servo: int) -> None:
        """Halt where the shaft is; profiles count as zero."""
        self.stopped[servo] = True
        self._hold[servo] = self._trajectory[servo] = self._present[servo]
        self._trajectory_velocity[servo] = 0.0
        self._max_velocity[servo] = self._max_acceleration[servo] = UNLIMITED
        self.is_stale = True

    def forget_turns(self, servo: int) -> None:
        """Present Position becomes the absolute angle within one turn (plus Homing Offset)."""
        m, raw = self.memory, float(self.raw_ticks[servo])
        angle = round(-raw if m["drive_mode"][servo] & REVERSE else raw)
        within_turn = angle % TICKS_PER_TURN
        self.turn_ticks[servo] = angle - within_turn
        self._present[servo] = within_turn + int(m["homing_offset"][servo])

    def plan(self, servo: int) -> None:
        """A goal was accepted: choose the profile that leads to it."""
        m = self.memory
        self.stopped[servo] = False
        self.is_stale = True
        velocity, acceleration = (
            int(m["profile_velocity"][servo]),
            int(m["profile_acceleration"][servo]),
        )
        limits = UNLIMITED, UNLIMITED
        if m["drive_mode"][servo] & TIME_BASED and velocity:
            limits = self._timed(servo, velocity / 1000.0, acceleration / 1000.0)
        elif velocity:
            speed = min(velocity, int(m["velocity_limit"][servo])) * VELOCITY_UNIT_TICKS_S
            limits = speed, acceleration * ACCELERATION_UNIT_TICKS_S2 or UNLIMITED
        elif m["operating_mode"][servo] == 1 and acceleration:
            limits = UNLIMITED, acceleration * ACCELERATION_UNIT_TICKS_S2
        self._max_velocity[servo], self._max_acceleration[servo] = limits
        self._profile_type[servo] = self._type_of(servo, *limits)

    def _timed(self, servo: int, duration_s: float, ramp_s: float) -> tuple[float, float]:
        """Speed and acceleration that arrive after `duration_s` with ramps of `ramp_s`."""
        distance = abs(float(self.memory["goal_position"][servo]) - self._trajectory[servo])
        ramp_s = min(ramp_s, duration_s / 2)
        speed = max(distance / (duration_s - ramp_s), 1e-9)
        return speed, speed / ramp_s if ramp_s > 0 else UNLIMITED

    def _type_of(self, servo: int, speed: float, acceleration: float) -> int:
        """Bits 4 and 5 of Moving Status: none, rectangular, triangular, trapezoidal."""
        if speed >= UNLIMITED:
            return 0x00
        if acceleration >= UNLIMITED:
            return 0x10
        distance = abs(float(self.memory["goal_position"][servo]) - self._trajectory[servo])
        return 0x30 if distance > speed**2 / acceleration else 0x20

    # What happens at every physics step, all servos at once.

    def measure(self, raw_ticks: Float, raw_velocity: Float, noise_ticks: Float) -> None:
        """Take the encoder's angle (ticks) and speed (ticks/s); write the measured registers.

        Noise is in what Present Position reports; the servo's own loops see the angle without it.
        """
        if self.is_stale:
            self.refresh()
        m = self.memory
        self.raw_ticks[:] = raw_ticks
        np.multiply(self._direction, raw_velocity, out=self.velocity)
        offset = self._homing - self.turn_ticks
        np.add(np.rint(self._direction * raw_ticks), offset, out=self._present)
        m["present_position"][:] = np.rint(self._direction * raw_ticks + noise_ticks) + offset
        m["present_velocity"][:] = np.rint(self.velocity / VELOCITY_UNIT_TICKS_S)
        m["moving"][:] = np.abs(m["present_velocity"]) > m["moving_threshold"]
        m["position_trajectory"][:] = np.rint(self._trajectory)
        m["velocity_trajectory"][:] = np.rint(self._trajectory_velocity / VELOCITY_UNIT_TICKS_S)
        m["moving_status"][:] = np.where(self._is_position & self.enabled, self._moving_status(), 0)

    def _moving_status(self) -> NDArray[np.uint8]:
        arrived = np.abs(self._goal - self._present) <= IN_POSITION_TICKS
        under_way = self._trajectory != self._goal
        behind = np.abs(self._trajectory - self._present) > FOLLOWING_ERROR_TICKS
        bits = arrived * 0x01 + under_way * 0x02 + behind * 0x08
        return np.asarray(bits + self._profile_type, np.uint8)

    def law(self, dt: float, supply_v: float) -> TorqueLaw:
        """What every motor does until the next step, `dt` seconds on, at `supply_v` volt."""
        if self.is_stale:
            self.refresh()
        self._follow_profile(dt)
        wanted_pwm, wanted_torque = self._loops(dt)
        motors = self.motors
        speed = self.velocity * TICK_RAD
        back_emf = motors.k * speed
        volt = np.where(
            self._regulates_current,
            motors.r / motors.k * wanted_torque + back_emf,
            wanted_pwm * (supply_v / FULL_PWM),
        )
        max_volt = self._pwm_max * (supply_v / FULL_PWM)
        applied = np.clip(volt, -max_volt, max_volt) * self.enabled
        regulated = self._regulates_current & (np.abs(volt) <= max_volt)
        torque = np.where(regulated, wanted_torque, motors.k / motors.r * applied) * self.enabled
        damping = np.where(regulated | ~self.enabled, 0.0, motors.k**2 / motors.r)
        np.rint(applied * (FULL_PWM / max(supply_v, 1e-3)), out=volt)
        self.memory["present_pwm"][:] = np.clip(volt, -FULL_PWM, FULL_PWM)
        self.saturation[:] = np.abs(applied) / np.maximum(max_volt, 1e-9)
        return TorqueLaw(torque, damping)

    def _loops(self, dt: float) -> tuple[Float, Float]:
        """PWM (counts) for modes 1, 3, 4 and 16 and torque (N m) for modes 0 and 5."""
        gain, periods = self._gains, dt * 1000.0
        error = self._trajectory - self._present
        slip = (self._trajectory_velocity - self.velocity) / 1000.0
        self._integral += gain["position_i_gain"] * error * periods
        np.clip(self._integral, -FULL_PWM, FULL_PWM, out=self._integral)
        position = (
            gain["position_p_gain"] * error
            + self._integral
            + gain["position_d_gain"] * slip
            + gain["feedforward_1st_gain"] * self._trajectory_velocity / 1000.0
            + gain["feedforward_2nd_gain"] * self._acceleration / 1e6
        )
        too_slow = (self._trajectory_velocity - self.velocity) / VELOCITY_UNIT_TICKS_S
        self._velocity_integral += gain["velocity_i_gain"] * too_slow * periods
        np.clip(self._velocity_integral, -FULL_PWM, FULL_PWM, out=self._velocity_integral)
        velocity = gain["velocity_p_gain"] * too_slow + self._velocity_integral
        pwm = np.where(
            self._is_position, position, np.where(self._is_velocity, velocity, self._goal_pwm)
        )
        motors = self.motors
        ampere_per_count = (
            motors.nominal_voltage / FULL_PWM * motors.k / motors.r / motors.torque_per_ampere
        )
        limit = self._current_max * motors.limit
        current = np.minimum(np.maximum(position * ampere_per_count, -limit), limit)
        current = np.where(self._is_current_based, current, self._goal_current)
        return pwm, current * motors.torque_per_ampere

    def _follow_profile(self, dt: float) -> None:
        """Move the trajectory towards the goal under its limits of speed and acceleration."""
        is_velocity, goal = self._is_velocity, self._arriving_goal()
        remaining = np.where(is_velocity, 0.0, goal - self._trajectory)
        distance = np.abs(remaining)
        braking = np.sqrt(2.0 * self._max_acceleration * distance)
        wanted = np.where(
            is_velocity,
            self._goal_velocity * VELOCITY_UNIT_TICKS_S,
            np.sign(remaining) * np.minimum(self._max_velocity, braking),
        )
        before, max_change = self._trajectory_velocity, self._max_acceleration * dt
        velocity = np.minimum(np.maximum(wanted, before - max_change), before + max_change)
        arrives = (np.abs(velocity) * dt >= distance) & (velocity * remaining >= 0)
        arrives = (arrives | (self._max_velocity >= UNLIMITED)) & ~is_velocity
        follows = self._is_position & self.enabled
        velocity[arrives | ~(self.enabled & (is_velocity | follows))] = 0.0
        self._acceleration = np.where(max_change >= UNLIMITED * dt, 0.0, (velocity - before) / dt)
        moved = np.where(arrives, goal, self._trajectory + velocity * dt)
        self._trajectory = np.where(follows, moved, self._present)
        self._trajectory_velocity = velocity

    def _arriving_goal(self) -> Float:
        """The goal that takes effect now, `goal_delay_steps` after it was set."""
        if not self.goal_delay_steps:
            return self._goal
        self._goals_under_way.append(self._goal)
        if len(self._goals_under_way) <= self.goal_delay_steps:
            return self._goals_under_way[0]
        return self._goals_under_way.popleft()

    def sense_current(self, torque: Float) -> Float:
        """Write Present Current from the torque (N m, register frame) that acted; return ampere."""
        current = torque / self.motors.torque_per_ampere
        self.memory["present_current"][:] = np.rint(current / self.memory.control.current_unit_a)
        return current
