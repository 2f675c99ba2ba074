"""What hurts a servo: supply voltage, heat, overload, silence on the bus. Latched errors, watchdog.

The numbers of the thermal and the electrical model (here, and by model in `registers`) are our
assumptions; they are there so that limits can be reached, not to predict a temperature.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sim2real.emulator.motion import Motion
from sim2real.emulator.registers import WATCHDOG_TRIPPED, Memory
from sim2real.emulator.servo import WATCHDOG_UNIT_S, Servo

Float = NDArray[np.float64]

VOLTAGE, OVERHEAT, ENCODER, SHOCK, OVERLOAD = 0x01, 0x04, 0x08, 0x10, 0x20
"""bits of Hardware Error Status"""
AMBIENT_C = 25.0
SUPPLY_RESISTANCE_OHM = 0.1
"""wiring: what makes the voltage sag under load"""
OVERLOAD_SHARE = 0.95
"""share of the output limit that counts as overload when the shaft does not turn"""
OVERLOAD_S = 1.0
"""how long it may last"""
STALLED_TICKS_S = 60.0
"""slower than about one rpm: not turning"""
CHECK_PERIOD_S = 0.01
"""voltage, heat and overload change slowly: they are looked at this often"""


class Health:
    """Temperature, supply and protective functions of S servos."""

    def __init__(
        self, memory: Memory, motion: Motion, servos: Sequence[Servo], supply_v: float
    ) -> None:
        self.memory, self.motion, self.servos = memory, motion, servos
        self.supply_v = supply_v
        """at the power supply; faults change it"""
        self.bus_v = supply_v
        """at the servos, after the wiring"""
        self.temperature: Float = np.full(len(servos), AMBIENT_C)
        self.dead: set[int] = set()
        """rows of servos that no supply brings back, from a fault"""
        self.heating_w: Float = np.zeros(len(servos))
        """additional heat, from a fault"""
        self._overload_s: Float = np.zeros(len(servos))
        self._since_check = 0.0
        self._heat_j: Float = np.zeros(len(servos))
        self.show()

    def step(self, dt: float, now: float, current_a: Float) -> None:
        """Account for `dt` seconds at `current_a`; look for reasons to stop."""
        self._watch(now)
        self._heat_j += current_a**2 * self.motion.motors.r * dt
        self._since_check += dt
        if self._since_check >= CHECK_PERIOD_S - 1e-9:
            self._check(self._since_check, now, current_a)
            self._since_check = 0.0

    def latch(self, index: int, bits: int) -> None:
        """A hardware error: kept until a boot, and torque goes if Shutdown says so."""
        self.memory["hardware_error"][index] |= bits
        if self.memory["shutdown"][index] & bits:
            self.memory["torque_enable"][index] = 0
        self.motion.is_stale = True

    def _watch(self, now: float) -> None:
        """Trip the Bus Watchdog of every servo that has heard nothing for too long."""
        armed = (self.memory["bus_watchdog"] > 0) & (self.memory["torque_enable"] != 0)
        if not armed.any():
            return
        for index in np.flatnonzero(armed):
            servo = self.servos[int(index)]
            if now - servo.heard_at > servo["bus_watchdog"] * WATCHDOG_UNIT_S:
                servo.poke("bus_watchdog", WATCHDOG_TRIPPED)
                self.motion.stop(int(index))

    def _check(self, elapsed_s: float, now: float, current_a: Float) -> None:
        """Slow quantities, every `CHECK_PERIOD_S`."""
        lost_w = (self.temperature - AMBIENT_C) / self.memory.control.thermal_resistance_k_w
        gained_j = self._heat_j + (self.heating_w - lost_w) * elapsed_s
        self.temperature += gained_j / self.memory.control.heat_capacity_j_k
        self._heat_j[:] = 0.0
        # A switching output stage draws the share of the motor current that its duty lets through.
        drawn = np.abs(current_a) * np.abs(self.memory["present_pwm"]) / 885.0
        self.bus_v = max(self.supply_v - SUPPLY_RESISTANCE_OHM * float(drawn.sum()), 0.0)
        self._power(now)
        self.show()
        stalled = (self.motion.saturation >= OVERLOAD_SHARE) & (
            np.abs(self.motion.velocity) < STALLED_TICKS_S
        )
        self._overload_s = np.where(
            stalled & self.motion.enabled, self._overload_s + elapsed_s, 0.0
        )
        self._latch_all()

    def show(self) -> None:
        """Write the measured registers."""
        self.memory["present_temperature"][:] = np.clip(np.rint(self.temperature), 0, 255)
        self.memory["present_voltage"][:] = round(self.bus_v * 10)

    def _power(self, now: float) -> None:
        """Processors stop below the brown-out voltage and boot above it."""
        is_supplied = self.bus_v >= self.memory.control.brown_out_v
        for servo in self.servos:
            if servo.is_powered and not is_supplied:
                self.power_off(servo)
            elif (
                not servo.is_powered
                and servo.index not in self.dead
                and self.bus_v >= self.memory.control.brown_out_v
            ):
                self.power_on(servo, now)

    def power_off(self, servo: Servo) -> None:
        servo.is_powered = False
        servo.poke("torque_enable", 0)

    def power_on(self, servo: Servo, now: float) -> None:
        servo.is_powered = True
        servo.boot(now)

    def _latch_all(self) -> None:
        m = self.memory
        volts = m["present_voltage"]
        bits = (
            ((volts > m["max_voltage_limit"]) | (volts < m["min_voltage_limit"])) * VOLTAGE
            | (self.temperature > m["temperature_limit"]) * OVERHEAT
            | (self._overload_s >= OVERLOAD_S) * OVERLOAD
        )
        fresh = bits & ~m["hardware_error"].astype(int)
        for index in np.flatnonzero(fresh):
            if self.servos[int(index)].is_powered:
                self.latch(int(index), int(fresh[index]))
