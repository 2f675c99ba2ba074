"""The faults of the matrix and what must happen: one row each, data only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from sim2real.emulator.faults import Fault
from sim2real.hardware.dynamixel.packet import FAST_REPLY_OVERHEAD
from sim2real.hardware.dynamixel.servo_tables import TABLES

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


ONE = 21
"""the servo that most faults befall: the middle joint of the second finger"""
STALE = "stale_reading"


def _in_motion(
    kind: str, note: str, reaction: Reaction, *causes: str, mends: bool = False, **fault: Any
) -> Case:
    faults = (Fault(kind=kind, **fault),)
    return Case(
        name=_name(kind, note), faults=faults, reaction=reaction, causes=causes, mends=mends
    )


def _before_connecting(kind: str, note: str, *causes: str, **fault: Any) -> Case:
    return _refused("connect", kind, note, causes, fault)


def _before_torque(kind: str, note: str, *causes: str, **fault: Any) -> Case:
    return _refused("activate", kind, note, causes, fault)


def _refused(
    stage: Stage, kind: str, note: str, causes: tuple[str, ...], fault: dict[str, Any]
) -> Case:
    faults = (Fault(kind=kind, **fault),)
    return Case(
        name=_name(kind, note), faults=faults, reaction="refused", causes=causes, stage=stage
    )


def _eeprom(note: str, **registers: int) -> Case:
    """EEPROM, or what the factory wrote, is not what robot.yaml says."""
    return _before_connecting("set_registers", note, servo=ONE, registers=registers)


def _name(kind: str, note: str) -> str:
    return f"{kind}: {note}" if note else kind


def _wire_faults() -> list[Case]:
    return [
        _in_motion("drop_request", "once", "absorbed", packets=1),
        _in_motion("drop_request", "one in ten", "absorbed", probability=0.1),
        _in_motion("drop_request", "all", "silenced", STALE, mends=True, duration_s=1.0),
        _in_motion("delay_request", "once, by 50 ms", "absorbed", packets=1),
        _in_motion("truncate_request", "once", "absorbed", packets=1),
        _in_motion("flip_request_bit", "one in ten", "absorbed", probability=0.1),
        _in_motion("drop_goal_write", "one", "absorbed", packets=1),
        _in_motion("drop_goal_write", "all", "stopped", "goal_ignored"),
        _in_motion("drop_reply", "one servo, once", "absorbed", servo=ONE, packets=1),
        _in_motion("drop_reply", "all, for 50 ms", "absorbed", duration_s=0.05),
        _in_motion("drop_reply", "one in a hundred", "absorbed", probability=0.01),
        _in_motion("delay_reply", "once, by 50 ms", "absorbed", servo=ONE, packets=1),
        _in_motion("delay_reply", "all, by 3 ms", "absorbed", value=0.003),
        _in_motion("delay_reply", "all, by 50 ms", "silenced", STALE, value=0.05),
        _in_motion("truncate_reply", "one servo, once", "absorbed", servo=ONE, packets=1),
        _in_motion("truncate_reply", "one servo, always", "silenced", STALE, servo=ONE),
        _in_motion("flip_reply_bit", "one in a hundred", "absorbed", probability=0.01),
        _in_motion("double_reply", "one servo", "absorbed", servo=50),
        _in_motion("earlier_reply", "one servo, once", "absorbed", servo=ONE, packets=2),
        _in_motion("noise_before_reply", "first servo", "absorbed", servo=10),
        _in_motion("split_reply", "last servo", "absorbed", servo=50),
        _in_motion("wrong_id", "one servo, once", "absorbed", servo=ONE, packets=1),
        _in_motion("wrong_id", "one servo, always", "silenced", STALE, servo=ONE),
        _in_motion("alert_bit", "register 70 is clear", "absorbed", servo=ONE),
        _in_motion("refused", "one servo, once", "absorbed", servo=ONE, packets=1),
        _in_motion("short_data", "one servo, once", "absorbed", servo=ONE, packets=1),
        _in_motion("frozen_data", "one servo", "stopped", STALE, servo=ONE),
        _in_motion("frozen_data", "all", "stopped", STALE),
        _in_motion("echo", "", "absorbed"),
        _in_motion("idle_noise", "", "absorbed"),
        _in_motion("adapter_latency", "16 ms", "absorbed"),
        _in_motion("silent_bus", "110 ms", "held", duration_s=0.11),
        _in_motion("silent_bus", "for good", "silenced", STALE),
        _in_motion("unplugged", "and back", "silenced", STALE, mends=True, duration_s=1.0),
    ]


def _servo_faults() -> list[Case]:
    return [
        _in_motion("mute_servo", "", "silenced", STALE, servo=ONE),
        _in_motion("mute_servo", "80 ms", "held", servo=ONE, duration_s=0.08),
        _in_motion("mute_servo", "all", "silenced", STALE),
        _in_motion("deaf_servo", "", "silenced", STALE, servo=ONE),
        _in_motion("dead_servo", "", "silenced", STALE, servo=ONE),
        _in_motion(
            "brown_out", "100 ms", "stopped", STALE, "torque_lost", mends=True, duration_s=0.1
        ),
        _in_motion("supply_voltage", "9 V", "stopped", "hardware_error", "voltage"),
        _in_motion("supply_voltage", "15.5 V", "stopped", "voltage", value=15.5),
        _in_motion("overload", "", "stopped", "hardware_error", servo=ONE),
        _in_motion("electrical_shock", "", "stopped", "hardware_error", servo=ONE),
        _in_motion("encoder_error", "", "stopped", "hardware_error", servo=ONE),
        _in_motion("overheating_error", "", "stopped", "hardware_error", servo=ONE),
        _in_motion("hot", "75 °C", "stopped", "temperature", servo=ONE),
        _in_motion("reboot", "", "stopped", STALE, "torque_lost", mends=True, servo=ONE),
        _in_motion("watchdog_trip", "", "stopped", "watchdog_tripped", mends=True, servo=ONE),
        _in_motion("torque_lost", "", "stopped", "torque_lost", mends=True, servo=ONE),
        _in_motion(
            "duplicate_id", "the guide answers as well", "stopped", STALE, servo=60, value=ONE
        ),
        _in_motion("goals_ignored", "", "stopped", "goal_ignored", servo=ONE),
        _in_motion("encoder_jump", "35°", "stopped", "position_jump", servo=ONE),
        _in_motion("encoder_frozen", "", "absorbed", servo=ONE),
        _in_motion("encoder_noise", "18°", "stopped", "position_jump", "position", servo=ONE),
        _in_motion("stuck_joint", "", "absorbed", servo=ONE),
        _in_motion("weak_motor", "", "absorbed", servo=ONE),
        _in_motion(
            "push",
            "2 N m",
            "stopped",
            "position",
            "velocity",
            "position_jump",
            servo=ONE,
            value=-2.0,
        ),
        _in_motion("tick_frozen", "", "stopped", STALE, servo=ONE),
        _in_motion("tick_jump", "5 s", "stopped", STALE, servo=ONE),
    ]


def _camera_faults() -> list[Case]:
    """What the policy of the hand sees; its commands are late where it sees nothing."""
    return [
        _in_motion("camera_dropped", "one frame", "absorbed", packets=1),
        _in_motion("camera_dropped", "200 ms", "held", duration_s=0.2),
        _in_motion("camera_dropped", "all", "stopped", "late_command"),
        _in_motion("camera_late", "one frame, by 200 ms", "absorbed", packets=1),
        _in_motion("camera_late", "all, by 30 ms", "absorbed", value=0.03),
        _in_motion("camera_late", "all, by 200 ms", "stopped", "late_command"),
        _in_motion("camera_repeated", "one frame, always", "stopped", "late_command"),
        _in_motion("camera_frozen", "a picture that looks new", "absorbed"),
        _in_motion("camera_occluded", "half of the picture", "absorbed"),
        _in_motion("camera_light", "two fifths of it", "absorbed"),
    ]


def _faults_before_torque() -> list[Case]:
    return [
        _eeprom("another model", model_number=1020),
        _eeprom("old firmware", firmware=38),
        _eeprom("position mode in EEPROM", operating_mode=3),
        _eeprom("another current limit", current_limit=1193),
        _eeprom("other position limits", max_position_limit=4095),
        _eeprom("reversed", drive_mode=1),
        _eeprom("torque on by a goal", drive_mode=8),
        _eeprom("a homing offset", homing_offset=512),
        _eeprom("return delay of 500 µs", return_delay=250),
        _eeprom("no shutdown on overload", shutdown=0x14),
        _eeprom("torque on at power-up", startup_configuration=1),
        _eeprom("another id", id=77),
        _eeprom("another baud rate", baud_rate=1),
        _before_torque(
            "set_registers", "an error is latched", servo=ONE, registers={"hardware_error": 0x20}
        ),
        _before_connecting("mute_servo", "before connecting", "silent", servo=ONE),
        _before_connecting("silent_bus", "before connecting", "silent"),
        _before_torque("unplugged", "before torque", "port_lost"),
        _before_torque("goals_ignored", "before torque", servo=ONE),
        _before_torque("reboot", "before torque", servo=ONE),
        _before_torque("encoder_jump", "joint out of range", "far_pose", servo=ONE, value=1200),
    ]


def _sweep(kind: str, what: str, num_bits: int, pause: int = 0, **fault: Any) -> Case:
    """A flip at every position of one packet, one bit in a tick."""
    return Case(
        name=f"{kind}: each of {num_bits} bits of {what}",
        faults=(Fault(kind=kind, packets=1, **fault),),
        reaction="absorbed",
        sweep_bits=num_bits,
        sweep_pause=pause,
    )


def _special() -> list[Case]:
    header, part = 8, TABLES["XM430-W210"].frame.length + FAST_REPLY_OVERHEAD
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
    *_wire_faults(),
    *_servo_faults(),
    *_camera_faults(),
    *_faults_before_torque(),
    *_special(),
)
