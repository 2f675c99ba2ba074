"""A check of `ros2 doctor`: serial adapters that a hand could hang on. Loaded by ros2doctor."""

from __future__ import annotations

import os
from pathlib import Path

from ros2doctor.api import DoctorCheck, Result
from ros2doctor.api.format import doctor_error, doctor_warn

from sim2real.contract.errors import BadInput
from sim2real.hardware.dynamixel.port import require_low_latency


class TaskbeliefCheck(DoctorCheck):  # type: ignore[misc]
    """Whether this user may open each adapter, and whether it passes bytes on at once."""

    def category(self) -> str:
        return "taskbelief"

    def check(self) -> Result:
        result = Result()
        for port in sorted(Path("/dev").glob("ttyUSB*")):
            if not os.access(port, os.R_OK | os.W_OK):
                doctor_error(f"{port} may not be opened: sudo usermod -aG dialout $USER")
                result.add_error()
            try:
                require_low_latency(str(port))
            except BadInput as error:
                doctor_warn(str(error))
                result.add_warning()
        return result
