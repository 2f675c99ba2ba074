"""`taskbelief inspect`: a bundle or a recording, whichever it is; of anything else, what it is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from sim2real.contract.errors import BadInput
from sim2real.contract.robot_spec import DCLAW
from sim2real.recognition import TAKEN, is_bundle, is_recording, require_known
from sim2real.runtime import inspection as bundles

BAG_METADATA = "metadata.yaml"


def inspect(
    path: Annotated[Path, tyro.conf.Positional],
    json: bool = False,
    robot_config: Path = DCLAW,
    namespace: str | None = None,
) -> int:
    """Show what a bundle or a recording holds, and whether a bundle verifies.

    Args:
        path: the folder of a bundle, the file of a recording (.mcap, .mcap.part), or the folder
            that `ros2 bag record` wrote.
        json: print JSON instead of tables.
        robot_config: the robot.yaml that the bundle is held to.
        namespace: of the robot, where a recording holds the topics of several.
    """
    try:
        if is_bundle(path):
            return bundles.inspect(path, json, robot_config)
        if not (is_recording(path) or (path / BAG_METADATA).is_file()):
            require_known(path)
    except OSError as error:
        raise BadInput(str(path), "path", found=error.strerror, expected=TAKEN) from None
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
    show(read_recording(path, namespace), json=json)
    return 0
