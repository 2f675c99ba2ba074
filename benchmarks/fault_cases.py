"""The faults of the matrix and what must happen: one row each, data only."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from sim2real.emulator.faults import Fault
from sim2real.hardware.dynamixel.frame import LENGTH
from sim2real.hardware.dynamixel.packet import FAST_REPLY_OVERHEAD

Stage = Literal["connect", "activate", "run"]
Reaction = Literal["absorbed", "held", "stopped", "silenced", "refused"]

REACTIONS = {
    "absorbed": "the driver's retries or checks deal with it; motion goes on",
    "held": "the hand holds still while readings fail, then goes on",
    "stopped": "current to zero, then torque off, confirmed by every servo; the reason is latched",
    "silenced": "torque off could not be confirmed: nothing is sent, the servos' own watchdogs act",
    "refused": "torque is not switched on at all",
}


@dataclass(frozen=True, kw_only=True)
class Case:
    """One row of the matrix."""

    name: str
    faults: tuple[Fault, ...]
    reaction: Reaction
    causes: tuple[str, ...] = ()
    """one of these is the reason given; none where nothing stops"""
    stage: Stage = "run"
    """when it happens: before connecting, between connecting and torque, or in motion"""
    mends: bool = False
    """the hand must work again after a new connection, on request"""
    sweep_bits: int = 0
    """the fault befalls a packet in each tick anew, at every bit below this one"""
    sweep_pause: int = 0
    """undamaged ticks after each damaged one"""
    host_dies: bool = False
    """the host stops without a word"""


@dataclass(frozen=True, kw_only=True)
class Brief:
    """How a row is written down below: one fault, with defaults for the rest."""

    kind: str
    reaction: Reaction
    causes: tuple[str, ...] = ()
    stage: Stage = "run"
    mends: bool = False
    note: str = ""
    fault: dict[str, object] = field(default_factory=dict)

    def case(self) -> Case:
        fault = Fault(kind=self.kind, **self.fault)  # type: ignore[arg-type]
        return Case(
            name=f"{self.kind}{': ' + self.note if self.note else ''}",
            faults=(fault,),
            reaction=self.reaction,
            causes=self.causes,
            stage=self.stage,
            mends=self.mends,
        )


ONE = 21
"""the servo that most faults befall: the middle joint of the second finger"""
STALE = ("stale_reading",)


def _wire() -> list[Brief]:
    once, briefly = {"packets": 1}, {"duration_s": 0.05}
    return [
        Brief(kind="drop_request", note="once", reaction="absorbed", fault=once),
        Brief(
            kind="drop_request", note="one in ten", reaction="absorbed", fault={"probability": 0.1}
        ),
        Brief(
            kind="drop_request",
            note="all",
            reaction="silenced",
            causes=STALE,
            mends=True,
            fault={"duration_s": 1.0},
        ),
        Brief(kind="delay_request", note="once, by 50 ms", reaction="absorbed", fault=once),
        Brief(kind="truncate_request", note="once", reaction="absorbed", fault=once),
        Brief(
            kind="flip_request_bit",
            note="one in ten",
            reaction="absorbed",
            fault={"probability": 0.1},
        ),
        Brief(kind="drop_goal_write", note="one", reaction="absorbed", fault=once),
        Brief(kind="drop_goal_write", note="all", reaction="stopped", causes=("goal_ignored",)),
        Brief(
            kind="drop_reply",
            note="one servo, once",
            reaction="absorbed",
            fault={"servo": ONE, **once},
        ),
        Brief(kind="drop_reply", note="all, for 50 ms", reaction="absorbed", fault=briefly),
        Brief(
            kind="drop_reply",
            note="one in a hundred",
            reaction="absorbed",
            fault={"probability": 0.01},
        ),
        Brief(
            kind="delay_reply",
            note="once, by 50 ms",
            reaction="absorbed",
            fault={"servo": ONE, **once},
        ),
        Brief(kind="delay_reply", note="all, by 3 ms", reaction="absorbed", fault={"value": 0.003}),
        Brief(
            kind="delay_reply",
            note="all, by 50 ms",
            reaction="silenced",
            causes=STALE,
            fault={"value": 0.05},
        ),
        Brief(
            kind="truncate_reply",
            note="one servo, once",
            reaction="absorbed",
            fault={"servo": ONE, **once},
        ),
        Brief(
            kind="truncate_reply",
            note="one servo, always",
            reaction="silenced",
            causes=STALE,
            fault={"servo": ONE},
        ),
        Brief(
            kind="flip_reply_bit",
            note="one in a hundred",
            reaction="absorbed",
            fault={"probability": 0.01},
        ),
        Brief(kind="double_reply", note="one servo", reaction="absorbed", fault={"servo": 50}),
        Brief(
            kind="earlier_reply",
            note="one servo, once",
            reaction="absorbed",
            fault={"servo": ONE, "packets": 2},
        ),
        Brief(
            kind="noise_before_reply", note="first servo", reaction="absorbed", fault={"servo": 10}
        ),
        Brief(kind="split_reply", note="last servo", reaction="absorbed", fault={"servo": 50}),
        Brief(
            kind="wrong_id",
            note="one servo, once",
            reaction="absorbed",
            fault={"servo": ONE, **once},
        ),
        Brief(
            kind="wrong_id",
            note="one servo, always",
            reaction="silenced",
            causes=STALE,
            fault={"servo": ONE},
        ),
        Brief(
            kind="alert_bit", note="register 70 is clear", reaction="absorbed", fault={"servo": ONE}
        ),
        Brief(
            kind="refused",
            note="one servo, once",
            reaction="absorbed",
            fault={"servo": ONE, **once},
        ),
        Brief(
            kind="short_data",
            note="one servo, once",
            reaction="absorbed",
            fault={"servo": ONE, **once},
        ),
        Brief(
            kind="frozen_data",
            note="one servo",
            reaction="stopped",
            causes=STALE,
            fault={"servo": ONE},
        ),
        Brief(kind="frozen_data", note="all", reaction="stopped", causes=STALE),
        Brief(kind="echo", reaction="absorbed"),
        Brief(kind="idle_noise", reaction="absorbed"),
        Brief(kind="adapter_latency", note="16 ms", reaction="absorbed"),
        Brief(kind="silent_bus", note="110 ms", reaction="held", fault={"duration_s": 0.11}),
        Brief(kind="silent_bus", note="for good", reaction="silenced", causes=STALE),
        Brief(
            kind="unplugged",
            note="and back",
            reaction="silenced",
            causes=STALE,
            mends=True,
            fault={"duration_s": 1.0},
        ),
    ]


def _servo() -> list[Brief]:
    one = {"servo": ONE}
    error = ("hardware_error",)
    return [
        Brief(kind="mute_servo", reaction="silenced", causes=STALE, fault=one),
        Brief(kind="mute_servo", note="80 ms", reaction="held", fault={**one, "duration_s": 0.08}),
        Brief(kind="mute_servo", note="all", reaction="silenced", causes=STALE),
        Brief(kind="deaf_servo", reaction="silenced", causes=STALE, fault=one),
        Brief(kind="dead_servo", reaction="silenced", causes=STALE, fault=one),
        Brief(
            kind="brown_out",
            note="100 ms",
            reaction="stopped",
            causes=("stale_reading", "torque_lost"),
            mends=True,
            fault={"duration_s": 0.1},
        ),
        Brief(
            kind="supply_voltage",
            note="9 V",
            reaction="stopped",
            causes=("hardware_error", "voltage"),
            fault={},
        ),
        Brief(
            kind="supply_voltage",
            note="15.5 V",
            reaction="stopped",
            causes=("voltage",),
            fault={"value": 15.5},
        ),
        Brief(kind="overload", reaction="stopped", causes=error, fault=one),
        Brief(kind="electrical_shock", reaction="stopped", causes=error, fault=one),
        Brief(kind="encoder_error", reaction="stopped", causes=error, fault=one),
        Brief(kind="overheating_error", reaction="stopped", causes=error, fault=one),
        Brief(kind="hot", note="75 °C", reaction="stopped", causes=("temperature",), fault=one),
        Brief(
            kind="reboot",
            reaction="stopped",
            causes=("stale_reading", "torque_lost"),
            mends=True,
            fault=one,
        ),
        Brief(
            kind="watchdog_trip",
            reaction="stopped",
            causes=("watchdog_tripped",),
            mends=True,
            fault=one,
        ),
        Brief(
            kind="torque_lost", reaction="stopped", causes=("torque_lost",), mends=True, fault=one
        ),
        Brief(
            kind="duplicate_id",
            note="the guide answers as well",
            reaction="stopped",
            causes=STALE,
            fault={"servo": 60, "value": ONE},
        ),
        Brief(kind="goals_ignored", reaction="stopped", causes=("goal_ignored",), fault=one),
        Brief(
            kind="encoder_jump",
            note="35°",
            reaction="stopped",
            causes=("position_jump",),
            fault=one,
        ),
        Brief(kind="encoder_frozen", reaction="absorbed", fault=one),
        Brief(
            kind="encoder_noise",
            note="18°",
            reaction="stopped",
            causes=("position_jump", "position"),
            fault=one,
        ),
        Brief(kind="stuck_joint", reaction="absorbed", fault=one),
        Brief(kind="weak_motor", reaction="absorbed", fault=one),
        Brief(
            kind="push",
            note="2 N m",
            reaction="stopped",
            causes=("position", "velocity", "position_jump"),
            fault={**one, "value": -2.0},
        ),
        Brief(kind="tick_frozen", reaction="stopped", causes=STALE, fault=one),
        Brief(kind="tick_jump", note="5 s", reaction="stopped", causes=STALE, fault=one),
    ]


def _before_torque() -> list[Brief]:
    def eeprom(note: str, stage: Stage = "connect", **registers: int) -> Brief:
        return Brief(
            kind="set_registers",
            note=note,
            stage=stage,
            reaction="refused",
            fault={"servo": ONE, "registers": registers},
        )

    one = {"servo": ONE}
    return [
        eeprom("another model", model_number=1020),
        eeprom("old firmware", firmware=38),
        eeprom("position mode in EEPROM", operating_mode=3),
        eeprom("another current limit", current_limit=1193),
        eeprom("other position limits", max_position_limit=4095),
        eeprom("reversed", drive_mode=1),
        eeprom("torque on by a goal", drive_mode=8),
        eeprom("a homing offset", homing_offset=512),
        eeprom("return delay of 500 µs", return_delay=250),
        eeprom("no shutdown on overload", shutdown=0x14),
        eeprom("torque on at power-up", startup_configuration=1),
        eeprom("another id", id=77),
        eeprom("another baud rate", baud_rate=1),
        eeprom("an error is latched", stage="activate", hardware_error=0x20),
        Brief(
            kind="mute_servo",
            note="before connecting",
            stage="connect",
            reaction="refused",
            causes=("silent",),
            fault=one,
        ),
        Brief(
            kind="silent_bus",
            note="before connecting",
            stage="connect",
            reaction="refused",
            causes=("silent",),
        ),
        Brief(
            kind="unplugged",
            note="before torque",
            stage="activate",
            reaction="refused",
            causes=("port_lost",),
        ),
        Brief(
            kind="goals_ignored",
            note="before torque",
            stage="activate",
            reaction="refused",
            fault=one,
        ),
        Brief(kind="reboot", note="before torque", stage="activate", reaction="refused", fault=one),
        Brief(
            kind="encoder_jump",
            note="joint out of range",
            stage="activate",
            reaction="refused",
            causes=("far_pose",),
            fault={**one, "value": 1200},
        ),
    ]


def _sweep(kind: str, what: str, num_bits: int, pause: int = 0, **fault: int) -> Case:
    """A flip at every position of one packet, one bit in a tick."""
    return Case(
        name=f"{kind}: each of {num_bits} bits of {what}",
        faults=(Fault(kind=kind, packets=1, **fault),),  # type: ignore[arg-type]
        reaction="absorbed",
        sweep_bits=num_bits,
        sweep_pause=pause,
    )


def _special() -> list[Case]:
    header, part = 8, LENGTH + FAST_REPLY_OVERHEAD
    return [
        _sweep("flip_reply_bit", "the first servo's part", 8 * (header + part), servo=10),
        _sweep("flip_reply_bit", "a middle servo's part", 8 * part, servo=ONE),
        _sweep("flip_reply_bit", "the last servo's part", 8 * part, servo=50),
        _sweep("flip_request_bit", "the read request", 8 * (14 + 10)),
        # Nobody repeats a goal: three lost in a row would rightly stop the hand.
        _sweep("flip_request_bit", "the goals", 8 * (14 + 9 * 5), pause=1, after_packets=1),
        Case(name="the host is killed", faults=(), reaction="silenced", host_dies=True),
    ]


CASES: tuple[Case, ...] = (
    *(brief.case() for brief in (*_wire(), *_servo(), *_before_torque())),
    *_special(),
)
