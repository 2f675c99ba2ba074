"""How a robot's maker sets the servos' EEPROM before a hand is delivered."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sim2real.contract.robot_spec import JointSpec, RobotSpec
from sim2real.emulator.motion import TICK_RAD
from sim2real.emulator.registers import Memory
from sim2real.emulator.servo import BAUD_RATES

Float = NDArray[np.float64]

EXTENDED_POSITION = 4
"""mode of an object's servo, whose whole turns count"""


def give_ids(memory: Memory, spec: RobotSpec, baud: int) -> None:
    """Ids and baud rate, without which nobody could be talked to."""
    memory["id"][:] = [*spec.motor_ids, *(item.motor_id for item in spec.objects)]
    memory["model_number"][:] = spec.servo.model_number
    memory["baud_rate"][:] = BAUD_RATES.index(baud)


def provision(memory: Memory, spec: RobotSpec, signs: Float, zero_ticks: Float) -> None:
    """Everything else that robot.yaml wants of EEPROM; the rest stays as the factory set it."""
    memory["return_delay"][:] = round(spec.bus.return_delay_us / 2)
    memory["operating_mode"][:] = EXTENDED_POSITION
    unit_ma = 1000.0 * memory.control.current_unit_a
    for row, joint in enumerate(spec.joints):
        low, high = _limits(joint, int(signs[row]), int(zero_ticks[row]))
        memory["operating_mode"][row] = spec.servo.operating_mode
        memory["current_limit"][row] = int(joint.current_limit_ma / unit_ma + 1e-9)
        memory["min_position_limit"][row] = low
        memory["max_position_limit"][row] = high


def _limits(joint: JointSpec, sign: int, zero: int) -> tuple[int, int]:
    """The joint's range in ticks of a servo that is mounted like this."""
    ends = sorted(round(sign * angle / TICK_RAD) + zero for angle in joint.range_rad)
    return ends[0], ends[1]
