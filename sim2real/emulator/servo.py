"""One emulated Dynamixel: what each instruction does to its registers, and what it answers.

An independent reading of the ROBOTIS e-manual; it shares the packet codec with the driver and
nothing else. Time and physics come from outside: `Motion` moves it, `Health` hurts it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sim2real.emulator.motion import TORQUE_BY_GOAL, Motion
from sim2real.emulator.registers import (
    EEPROM_END,
    GOALS,
    MODES,
    MULTI_TURN_TICKS,
    WATCHDOG_TRIPPED,
    Memory,
    Register,
)
from sim2real.hardware.dynamixel.packet import Instruction, StatusError

CLEAR_MULTI_TURN = b"\x01DXL\x22"
BACKUP_STORE = b"\x01CTRL"
BAUD_RATES = (9_600, 57_600, 115_200, 1_000_000, 2_000_000, 3_000_000, 4_000_000, 4_500_000)
FAST_READ_FIRMWARE = 45
WATCHDOG_FIRMWARE = 38
WATCHDOG_UNIT_S = 0.02
TICK_PERIOD_MS = 32_768
KEPT_BY_RESET = {0xFF: (), 0x01: ("id",), 0x02: ("id", "baud_rate")}
# Position gains that a change of mode sets. The manual says that they change and not to what, so
# every mode gets the power-up values.
_RESET_BY_MODE = (
    "velocity_i_gain",
    "velocity_p_gain",
    "position_d_gain",
    "position_i_gain",
    "position_p_gain",
    "feedforward_2nd_gain",
    "feedforward_1st_gain",
    "profile_acceleration",
    "profile_velocity",
)


class Servo:
    """Registers and instruction semantics of one servo, row `index` of `memory`."""

    def __init__(self, index: int, memory: Memory, motion: Motion, *, boot_s: float) -> None:
        self.index, self.memory, self.motion = index, memory, motion
        self.boot_s = boot_s
        """how long a servo does not answer after power-up or reboot"""
        self.ready_at = 0.0
        """bus time from which it answers"""
        self.powered_at = 0.0
        """bus time of the last power-up: where Realtime Tick began"""
        self.heard_at = 0.0
        """bus time of the last instruction that feeds the Bus Watchdog"""
        self.is_powered = True
        self.ignores_goals = False
        """a fault: goal writes are acknowledged and do nothing"""
        self.is_mute = False
        """a fault: it hears and acts and never answers"""
        self.is_deaf = False
        """a fault: it hears nothing"""
        self.tick_is_frozen = False
        """a fault: Realtime Tick stands still"""
        self._row = memory.table[index]
        self._control = memory.control
        self._registered: tuple[int, bytes] | None = None
        self._backup: bytes | None = None

    def __getitem__(self, name: str) -> int:
        """The register's value, whatever the access rules."""
        return int(self.memory[name][self.index])

    def poke(self, name: str, value: int) -> None:
        """Set a register from inside the servo: no access rules, no range."""
        self.memory[name][self.index] = value
        self.motion.is_stale = True

    @property
    def motor_id(self) -> int:
        return self["id"]

    @property
    def baud(self) -> int:
        return BAUD_RATES[self["baud_rate"]]

    @property
    def return_delay_s(self) -> float:
        return self["return_delay"] * 2e-6

    @property
    def alert(self) -> bool:
        return self["hardware_error"] != 0

    @property
    def torque_is_on(self) -> bool:
        return self["torque_enable"] != 0

    @property
    def watchdog_tripped(self) -> bool:
        return self["bus_watchdog"] == WATCHDOG_TRIPPED

    def listens(self, now: float) -> bool:
        return self.is_powered and now >= self.ready_at and not self.is_deaf

    def answers(self, instruction: int) -> bool:
        """Whether it answers such an instruction, by its Status Return Level."""
        if self.is_mute:
            return False
        level = self["status_return_level"]
        if instruction == Instruction.PING or level == 2:
            return True
        reads = {
            Instruction.READ,
            Instruction.SYNC_READ,
            Instruction.BULK_READ,
            Instruction.FAST_SYNC_READ,
            Instruction.FAST_BULK_READ,
        }
        return level == 1 and instruction in reads

    def tick(self, now: float) -> None:
        """Bring Realtime Tick up to date: it shows when it was read, not the last physics step."""
        if not self.tick_is_frozen:
            milliseconds = int((now - self.powered_at) * 1000.0)
            self.memory["realtime_tick"][self.index] = milliseconds % TICK_PERIOD_MS

    # Instructions.

    def ping(self) -> bytes:
        return self["model_number"].to_bytes(2, "little") + bytes((self["firmware"],))

    def read(self, address: int, length: int) -> tuple[StatusError, bytes]:
        """Registers as bytes; gaps of the table read as zero, as they do on the servo."""
        end = address + length
        if length == 0:
            return StatusError.DATA_LENGTH, b""
        if end > self._control.size or not any(self._control.owners[address:end]):
            return StatusError.ACCESS, b""
        if not any(at in self._control.pointer_of for at in range(address, end)):
            return StatusError.NONE, self._row[address:end].tobytes()
        sources = [self._source(a) for a in range(address, end)]
        return StatusError.NONE, self._row[sources].tobytes()

    def write(self, address: int, data: bytes) -> StatusError:
        """All of `data` or, on any error, none of it."""
        writes: list[tuple[Register, int]] = []
        if not data:
            return StatusError.DATA_LENGTH
        if address + len(data) > self._control.size:
            return StatusError.ACCESS
        for start, piece in self._pieces(address, data):
            while piece:
                register = self._control.owners[start]
                error = self._refusal(register, start, piece)
                if register is None or error:
                    return error
                writes.append((register, register.value_of(piece[: register.size])))
                start, piece = register.end, piece[register.size :]
        for register, value in writes:
            self._apply(register, value)
        self.motion.is_stale = True
        return StatusError.NONE

    def register_write(self, address: int, data: bytes) -> StatusError:
        """Keep a write for `action`; a later one replaces it."""
        self._registered = (address, data)
        self.memory["registered_instruction"][self.index] = 1
        return StatusError.NONE

    def action(self) -> StatusError:
        if self._registered is None:
            return StatusError.RESULT_FAIL
        registered, self._registered = self._registered, None
        self.memory["registered_instruction"][self.index] = 0
        return self.write(*registered)

    def clear(self, parameters: bytes) -> StatusError:
        """Forget whole turns; only while the shaft is not being driven somewhere."""
        if parameters != CLEAR_MULTI_TURN:
            return StatusError.DATA_RANGE
        if self.torque_is_on and self["moving"]:
            return StatusError.RESULT_FAIL
        self.motion.forget_turns(self.index)
        return StatusError.NONE

    def backup(self, parameters: bytes) -> StatusError:
        """Keep the RAM for a start with RAM Restore (Startup Configuration, bit 1)."""
        if parameters != BACKUP_STORE:
            return StatusError.DATA_RANGE
        if self.torque_is_on:
            return StatusError.ACCESS
        self._backup = self._row[EEPROM_END:].tobytes()
        self.memory["backup_ready"][self.index] = 1
        return StatusError.NONE

    def factory_reset(self, keep: int, now: float) -> StatusError:
        """Factory EEPROM but for what `keep` spares (255 nothing, 1 id, 2 id and baud); boot."""
        if keep not in KEPT_BY_RESET:
            return StatusError.DATA_RANGE
        if self.torque_is_on:
            return StatusError.ACCESS
        self.memory.restore_eeprom(self.index, keep=KEPT_BY_RESET[keep])
        self.boot(now)
        return StatusError.NONE

    def boot(self, now: float) -> None:
        """Power-up or reboot: RAM back to its defaults, latched errors gone, torque off."""
        self.memory.restore_ram(self.index)
        self._registered = None
        startup = self["startup_configuration"]
        if startup & 2 and self._backup is not None:
            self._row[EEPROM_END:] = np.frombuffer(self._backup, np.uint8)
            self.poke("torque_enable", 0)
            self.poke("hardware_error", 0)
        self.poke("backup_ready", int(self._backup is not None))
        self.powered_at, self.ready_at, self.heard_at = now, now + self.boot_s, now + self.boot_s
        self.motion.is_stale = True
        self.motion.stopped[self.index] = False
        self.motion.forget_turns(self.index)
        if startup & 1:
            self._apply(self._control.registers["torque_enable"], 1)
            self.motion.is_stale = True

    # What a write is checked for and what follows from it.

    def _source(self, address: int) -> int:
        """Where the byte at `address` really is: behind its pointer, if it is indirect data."""
        pointer = self._control.pointer_of.get(address)
        return address if pointer is None else int(self._row[pointer : pointer + 2].view("<u2")[0])

    def _pieces(self, address: int, data: bytes) -> Iterator[tuple[int, bytes]]:
        """`data` cut where the real addresses, behind indirect pointers, are not consecutive."""
        sources = [self._source(a) for a in range(address, address + len(data))]
        start = 0
        for end in range(1, len(data) + 1):
            if end == len(data) or sources[end] != sources[end - 1] + 1:
                yield sources[start], data[start:end]
                start = end

    def _refusal(self, register: Register | None, address: int, data: bytes) -> StatusError:
        """Why the register at `address` cannot take the beginning of `data`."""
        if register is None or not register.writable:
            return StatusError.ACCESS
        if address != register.address or len(data) < register.size:
            return StatusError.DATA_LENGTH
        if register.in_eeprom and self.torque_is_on:
            return StatusError.ACCESS
        value = register.value_of(data[: register.size])
        if register.low is not None and register.high is not None:
            low, high = self._range(register)
            if not low <= value <= high:
                return StatusError.DATA_RANGE
        if register.name == "operating_mode" and value not in MODES:
            return StatusError.DATA_RANGE
        if self.watchdog_tripped and (
            register.name in GOALS or (register.name == "bus_watchdog" and value != 0)
        ):
            return StatusError.DATA_RANGE
        return (
            StatusError.NONE if self._within_limit(register.name, value) else StatusError.DATA_LIMIT
        )

    def _range(self, register: Register) -> tuple[int, int]:
        """The register's own range. Firmware before 38 has no Bus Watchdog."""
        assert register.low is not None and register.high is not None
        if register.name == "bus_watchdog" and self["firmware"] < WATCHDOG_FIRMWARE:
            return 0, 0
        return register.low, register.high

    def _within_limit(self, name: str, value: int) -> bool:
        """Whether a goal respects the limit that EEPROM sets for it."""
        if name == "goal_position":
            if self["operating_mode"] == 3:
                return self["min_position_limit"] <= value <= self["max_position_limit"]
            return abs(value) <= MULTI_TURN_TICKS
        limits = {
            "goal_pwm": "pwm_limit",
            "goal_current": "current_limit",
            "goal_velocity": "velocity_limit",
        }
        return name not in limits or abs(value) <= self[limits[name]]

    def _apply(self, register: Register, value: int) -> None:
        name = register.name
        before = self[name]
        if name in GOALS and self.ignores_goals:
            return
        if name == "torque_enable" and value and self["hardware_error"] & self["shutdown"]:
            return  # only a reboot brings torque back after a shutdown; there is no error for it
        self.memory[name][self.index] = value
        if name == "operating_mode" and value != before:
            self._change_mode(value)
        elif name == "torque_enable" and value and not before:
            self._torque_on()
        elif name in GOALS:
            if self["drive_mode"] & TORQUE_BY_GOAL and not self.torque_is_on:
                self._apply(self._control.registers["torque_enable"], 1)
            self.motion.plan(self.index)

    def _change_mode(self, mode: int) -> None:
        for name in _RESET_BY_MODE:
            self.memory[name][self.index] = self._control.registers[name].default
        self.memory["goal_pwm"][self.index] = self["pwm_limit"]
        self.memory["goal_current"][self.index] = self["current_limit"]
        if mode == 3:
            self.motion.forget_turns(self.index)

    def _torque_on(self) -> None:
        self.motion.is_stale = True
        if self["operating_mode"] == 3:
            self.motion.forget_turns(self.index)
        self.motion.begin(self.index)
