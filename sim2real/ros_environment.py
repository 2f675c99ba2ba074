"""What a process needs from its environment to use the ROS 2 workspace, with nothing sourced.

`make setup` builds `ros_ws/` and lets the virtual environment's Python find its packages. The rest
has to be in the environment when a process starts: the dynamic linker reads `LD_LIBRARY_PATH` once,
and ROS 2 loads the code that serialises a message by its library's name.

No module of `sim2real` imports rclpy; the nodes in `ros_ws/src` do.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from sim2real.contract.errors import BadInput

INSTALL = Path(__file__).resolve().parents[1] / "ros_ws" / "install"
INTERFACES = "taskbelief_interfaces"


def ros_environment(install: Path = INSTALL) -> dict[str, str]:
    """The present environment, completed so that a Python started with it can use the workspace.

    Left as it is where a sourced ROS 2 provides the interfaces. Otherwise nodes talk to this
    machine alone, unless ROS_AUTOMATIC_DISCOVERY_RANGE says how far they shall.
    """
    environment = dict(os.environ)
    if _is_sourced(environment):
        return environment
    if not (install / "share" / INTERFACES).exists():
        raise _not_usable(install, INTERFACES, "a built ROS 2 workspace")
    if importlib.util.find_spec("rclpy") is None:
        raise _not_usable(install, "rclpy", "ROS 2 for this Python, sourced or from wheels")
    _prepend(environment, "AMENT_PREFIX_PATH", install, Path(sys.prefix))
    _prepend(environment, "LD_LIBRARY_PATH", install / "lib")
    environment.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    return environment


def in_own_domain(environment: Mapping[str, str]) -> dict[str, str]:
    """The same in a domain of this process's own, unless ROS_DOMAIN_ID names one already.

    Nodes of the same names may run beside it, and neither hears the other. Domains above 101 would
    need ports that Linux hands out by itself.
    """
    return {"ROS_DOMAIN_ID": str(1 + os.getpid() % 100), **environment}


def _is_sourced(environment: dict[str, str]) -> bool:
    prefixes = environment.get("AMENT_PREFIX_PATH", "").split(os.pathsep)
    libraries = environment.get("LD_LIBRARY_PATH", "").split(os.pathsep)
    return any(
        (Path(prefix) / "share" / INTERFACES).exists() and str(Path(prefix) / "lib") in libraries
        for prefix in filter(None, prefixes)
    )


def _prepend(environment: dict[str, str], name: str, *folders: Path) -> None:
    known = [folder for folder in environment.get(name, "").split(os.pathsep) if folder]
    added = [str(folder) for folder in folders if str(folder) not in known]
    environment[name] = os.pathsep.join(added + known)


def _not_usable(install: Path, field: str, expected: str) -> BadInput:
    return BadInput(
        str(install), field, found=None, expected=expected, remedy="run `make setup` in a checkout"
    )
