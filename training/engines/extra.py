"""Libraries that only some engines need."""

from __future__ import annotations

import importlib
from typing import Any

from sim2real.contract.errors import BadInput
from sim2real.contract.require import WHERE


def installed(module: str, *, extra: str) -> Any:
    """The module. Raises `BadInput` that says which extra of the distribution brings it."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise BadInput(
            WHERE,
            "engine",
            found=f"{error.name}, which is not installed",
            expected=f"{module} to be there",
            remedy=f"install it with: pip install 'taskbelief[{extra}]'",
        ) from None
