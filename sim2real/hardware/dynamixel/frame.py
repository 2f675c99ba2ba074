"""The registers of one tick, gathered from every servo by a single read.

Indirect addresses line up registers from all over the table, so one Fast Sync Read brings
measurement, time base, condition and the goal that is really in force.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from sim2real.hardware.dynamixel import control_table as table
from sim2real.hardware.dynamixel.control_table import Register

FIELDS: tuple[Register, ...] = (
    table.PRESENT_CURRENT,
    table.PRESENT_VELOCITY,
    table.PRESENT_POSITION,
    table.HARDWARE_ERROR,
    table.TORQUE_ENABLE,
    table.BUS_WATCHDOG,
    table.REALTIME_TICK,
    table.GOAL_POSITION,
    table.PRESENT_VOLTAGE,
    table.PRESENT_TEMPERATURE,
)
DTYPE = np.dtype([(item.name, f"<{'i' if item.is_signed else 'u'}{item.size}") for item in FIELDS])
"""one servo's frame: the fields above, without gaps"""

ADDRESS = table.indirect_data(0).address
LENGTH = DTYPE.itemsize

POINTER_ADDRESS = table.indirect_address(0).address
POINTERS = b"".join(
    address.to_bytes(2, "little") for item in FIELDS for address in range(item.address, item.end)
)
"""what indirect addresses must hold, from the first on"""


def decode(data: Iterable[bytes]) -> NDArray[np.void]:
    """The frames of n servos, (n,) of `DTYPE`, from the bytes that each of them sent."""
    return np.frombuffer(b"".join(data), DTYPE)
