"""Where tensors live: the names that `--device` takes, and whether this machine has them."""

from __future__ import annotations

import re

from sim2real.contract.errors import BadInput
from sim2real.contract.require import WHERE

_NAME = re.compile(r"cpu|cuda(?::(\d{1,3}))?")


def require_device_name(device: str) -> None:
    """Raise `BadInput` unless it is cpu, cuda or cuda:N; another machine may have it."""
    if _NAME.fullmatch(device) is None:
        raise _refused(device, "cpu, cuda or cuda:N")


def require_device(device: str) -> None:
    """Raise `BadInput` unless it is the name of a device that torch can use here."""
    require_device_name(device)
    if device == "cpu":
        return
    import torch

    if torch.version.cuda is None:
        remedy = "pytorch.org/get-started tells how to install one that has it"
        raise _refused(device, "cpu: the torch installed here was built without CUDA", remedy)
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not count:
        remedy = "nvidia-smi shows whether the driver finds one"
        raise _refused(device, "cpu: torch finds no GPU that it can use", remedy)
    number = int(device.partition(":")[2] or 0)
    if number >= count:
        names = "cuda:0" if count == 1 else f"cuda:0 to cuda:{count - 1}"
        raise _refused(device, f"one that is there: cpu, {names}")


def _refused(device: str, expected: str, remedy: str = "") -> BadInput:
    return BadInput(WHERE, "--device", found=device, expected=expected, remedy=remedy)
