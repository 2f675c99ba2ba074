"""`taskbelief inspect`: a bundle or a recording, whichever it is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from sim2real.contract.errors import BadInput
from sim2real.contract.robot_spec import DCLAW
from sim2real.runtime import inspection as bundles

RECORDING_SUFFIXES = (".mcap", ".mcap.part")


def inspect(
    path: Annotated[Path, tyro.conf.Positional], json: bool = False, robot_config: Path = DCLAW
) -> int:
    """Show what a bundle or a recording holds, and whether a bundle verifies.

    Args:
        path: the folder of a bundle, or the file of a recording (.mcap, .mcap.part).
        json: print JSON instead of tables.
        robot_config: the robot.yaml that the bundle is held to.
    """
    if not path.name.endswith(RECORDING_SUFFIXES):
        return bundles.inspect(path, json, robot_config)
    # Bundles are inspected where nothing can read recordings.
    try:
        from sim2real.recording.reader import read_recording
        from sim2real.recording.summary import show
    except ModuleNotFoundError as error:
        raise BadInput(
            str(path),
            "file",
            found="a recording",
            expected=f"{error.name} to be installed",
            remedy="install it with: pip install 'taskbelief[recording]'",
        ) from None
    show(read_recording(path), json=json)
    return 0
