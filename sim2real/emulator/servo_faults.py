"""What can happen to a servo, its shaft or its supply: how each fault begins and how it ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sim2real.emulator.health import ENCODER, OVERHEAT, OVERLOAD, SHOCK
from sim2real.emulator.registers import WATCHDOG_TRIPPED

if TYPE_CHECKING:
    from sim2real.emulator.faults import ArmedFault
    from sim2real.emulator.line import Line

Effect = Callable[["Line", int, "ArmedFault"], None]
"""applies to one servo, by row"""


def _nothing(_line: Line, _row: int, _armed: ArmedFault) -> None:
    """Most faults that happen at one instant leave nothing to undo."""


@dataclass(frozen=True, kw_only=True)
class ServoKind:
    """A kind of fault of a servo."""

    summary: str
    unit: str = ""
    """what `value` means; empty where it is not used"""
    default: float = 0.0
    begin: Effect
    end: Effect = _nothing


def _set(attribute: str) -> tuple[Effect, Effect]:
    """Effects that set an attribute of the servo and clear it again."""

    def begin(line: Line, row: int, _armed: ArmedFault) -> None:
        setattr(line.servos[row], attribute, True)

    def end(line: Line, row: int, _armed: ArmedFault) -> None:
        setattr(line.servos[row], attribute, False)

    return begin, end


def _latch(bits: int) -> Effect:
    def begin(line: Line, row: int, _armed: ArmedFault) -> None:
        line.health.latch(row, bits)

    return begin


def _overheat(line: Line, row: int, armed: ArmedFault) -> None:
    armed.memory[row] = line.health.temperature[row]
    line.health.temperature[row] = armed.fault.amount


def _cool(line: Line, row: int, armed: ArmedFault) -> None:
    line.health.temperature[row] = armed.memory[row]


def _supply(line: Line, _row: int, armed: ArmedFault) -> None:
    armed.memory.setdefault("supply", line.health.supply_v)
    line.health.supply_v = armed.fault.amount


def _restore_supply(line: Line, _row: int, armed: ArmedFault) -> None:
    line.health.supply_v = armed.memory["supply"]


def _lose_power(line: Line, row: int, _armed: ArmedFault) -> None:
    line.health.dead.add(row)
    line.health.power_off(line.servos[row])


def _regain_power(line: Line, row: int, _armed: ArmedFault) -> None:
    line.health.dead.discard(row)


def _reboot(line: Line, row: int, _armed: ArmedFault) -> None:
    line.servos[row].boot(line.now)


def _trip_watchdog(line: Line, row: int, _armed: ArmedFault) -> None:
    line.servos[row].poke("bus_watchdog", WATCHDOG_TRIPPED)
    line.motion.stop(row)


def _lose_torque(line: Line, row: int, _armed: ArmedFault) -> None:
    line.servos[row].poke("torque_enable", 0)


def _set_registers(line: Line, row: int, armed: ArmedFault) -> None:
    servo = line.servos[row]
    for name, value in armed.fault.registers.items():
        armed.memory[row, name] = servo[name]
        servo.poke(name, value)


def _reset_registers(line: Line, row: int, armed: ArmedFault) -> None:
    for name in armed.fault.registers:
        line.servos[row].poke(name, armed.memory[row, name])


def _take_id(line: Line, row: int, armed: ArmedFault) -> None:
    armed.memory[row] = line.servos[row]["id"]
    line.servos[row].poke("id", int(armed.fault.amount))


def _give_back_id(line: Line, row: int, armed: ArmedFault) -> None:
    line.servos[row].poke("id", armed.memory[row])


def _jump(line: Line, row: int, armed: ArmedFault) -> None:
    line.encoder_offset[row] += armed.fault.amount


def _jump_back(line: Line, row: int, armed: ArmedFault) -> None:
    line.encoder_offset[row] -= armed.fault.amount


def _freeze_encoder(line: Line, row: int, _armed: ArmedFault) -> None:
    line.frozen_encoders[row] = line.motion.raw_ticks[row]


def _free_encoder(line: Line, row: int, _armed: ArmedFault) -> None:
    line.frozen_encoders.pop(row, None)


def _encoder_noise(line: Line, row: int, armed: ArmedFault) -> None:
    line.encoder_noise[row] = armed.fault.amount


def _quiet_encoder(line: Line, row: int, _armed: ArmedFault) -> None:
    line.encoder_noise[row] = 0.0


def _stick(line: Line, row: int, _armed: ArmedFault) -> None:
    line.plant.set_stuck(row, True)


def _unstick(line: Line, row: int, _armed: ArmedFault) -> None:
    line.plant.set_stuck(row, False)


def _weaken(line: Line, row: int, armed: ArmedFault) -> None:
    line.plant.strength[row] = armed.fault.amount


def _strengthen(line: Line, row: int, _armed: ArmedFault) -> None:
    line.plant.strength[row] = 1.0


def _push(line: Line, row: int, armed: ArmedFault) -> None:
    line.plant.push[row] = armed.fault.amount


def _let_go(line: Line, row: int, _armed: ArmedFault) -> None:
    line.plant.push[row] = 0.0


def _shift_tick(line: Line, row: int, armed: ArmedFault) -> None:
    line.servos[row].powered_at -= armed.fault.amount / 1000.0


_mute, _unmute = _set("is_mute")
_deafen, _undeafen = _set("is_deaf")
_ignore, _heed = _set("ignores_goals")
_stop_tick, _run_tick = _set("tick_is_frozen")

KINDS: Mapping[str, ServoKind] = {
    "mute_servo": ServoKind(
        summary="a servo hears and acts but never answers", begin=_mute, end=_unmute
    ),
    "deaf_servo": ServoKind(summary="a servo hears nothing any more", begin=_deafen, end=_undeafen),
    "dead_servo": ServoKind(summary="a servo loses power", begin=_lose_power, end=_regain_power),
    "brown_out": ServoKind(
        summary="the supply collapses and all servos start anew",
        unit="V",
        default=4.0,
        begin=_supply,
        end=_restore_supply,
    ),
    "supply_voltage": ServoKind(
        summary="the supply has another voltage",
        unit="V",
        default=9.0,
        begin=_supply,
        end=_restore_supply,
    ),
    "overload": ServoKind(
        summary="overload latched: torque off until a reboot", begin=_latch(OVERLOAD)
    ),
    "electrical_shock": ServoKind(
        summary="electrical shock latched: torque off", begin=_latch(SHOCK)
    ),
    "encoder_error": ServoKind(
        summary="encoder error latched, not in Shutdown", begin=_latch(ENCODER)
    ),
    "overheating_error": ServoKind(
        summary="overheating latched: torque off", begin=_latch(OVERHEAT)
    ),
    "hot": ServoKind(summary="a servo is hot", unit="°C", default=75.0, begin=_overheat, end=_cool),
    "reboot": ServoKind(summary="a servo restarts by itself: RAM lost, torque off", begin=_reboot),
    "watchdog_trip": ServoKind(
        summary="a Bus Watchdog trips: the servo stops and ignores goals", begin=_trip_watchdog
    ),
    "torque_lost": ServoKind(summary="Torque Enable clears without an error", begin=_lose_torque),
    "set_registers": ServoKind(
        summary="registers hold other values, EEPROM included",
        begin=_set_registers,
        end=_reset_registers,
    ),
    "duplicate_id": ServoKind(
        summary="a servo takes an id that another one has",
        unit="id",
        default=10,
        begin=_take_id,
        end=_give_back_id,
    ),
    "goals_ignored": ServoKind(
        summary="goals are acknowledged and not taken", begin=_ignore, end=_heed
    ),
    "encoder_jump": ServoKind(
        summary="the encoder is off by some ticks from now on",
        unit="ticks",
        default=400,
        begin=_jump,
        end=_jump_back,
    ),
    "encoder_frozen": ServoKind(
        summary="the encoder shows one angle for ever", begin=_freeze_encoder, end=_free_encoder
    ),
    "encoder_noise": ServoKind(
        summary="the encoder is noisy",
        unit="ticks",
        default=200,
        begin=_encoder_noise,
        end=_quiet_encoder,
    ),
    "stuck_joint": ServoKind(summary="a joint is jammed", begin=_stick, end=_unstick),
    "weak_motor": ServoKind(
        summary="a motor gives a share of its torque",
        unit="share",
        default=0.1,
        begin=_weaken,
        end=_strengthen,
    ),
    "push": ServoKind(
        summary="something pushes a joint", unit="N m", default=2.0, begin=_push, end=_let_go
    ),
    "tick_frozen": ServoKind(summary="Realtime Tick stands still", begin=_stop_tick, end=_run_tick),
    "tick_jump": ServoKind(
        summary="Realtime Tick jumps", unit="ms", default=5000, begin=_shift_tick
    ),
}
