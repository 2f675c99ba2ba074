"""Whether a folder holds the beginning of the very work that is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from json import dumps, loads
from pathlib import Path
from typing import Any

from sim2real.contract.errors import BadInput
from sim2real.contract.text_file import read_json


def require_same(path: Path, content: Mapping[str, Any], what: str) -> None:
    """Raise `BadInput` where a file says that other work was begun here; without it none was.

    `content` is what the file has to hold, `what` names the kind of work.
    """
    if not path.exists():
        return
    begun = read_json(path, what)
    for name, wanted in loads(dumps(content)).items():
        if begun.get(name) != wanted:
            remedy = f"{what} that differs needs another folder"
            raise BadInput(str(path), name, found=begun.get(name), expected=wanted, remedy=remedy)
