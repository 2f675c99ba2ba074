"""MuJoCo's warnings stay on the terminal: no file of them in whatever folder a verb is run in."""

from __future__ import annotations

import mujoco


def leave_no_log() -> None:
    """Write no MUJOCO_LOG.TXT into the current folder.

    Whoever steps a simulation looks at its warnings himself: they are counted in its data.
    """
    config = mujoco.MjLogConfig.get()
    if config.logto_file:
        config.logto_file = False
        config.set()
