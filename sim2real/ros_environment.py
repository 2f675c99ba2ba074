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
WHERE = "environment"
MAX_DOMAIN = 232
"""beyond it a domain's ports would not be any"""
DISCOVERY_RANGES = ("LOCALHOST", "SUBNET", "SYSTEM_DEFAULT")
MIDDLEWARE_INDEX = Path("share/ament_index/resource_index/rmw_typesupport")


def ros_environment(install: Path = INSTALL) -> dict[str, str]:
    """The present environment, completed so that a Python started with it can use the workspace.

    Left as it is where a sourced ROS 2 provides the interfaces. Otherwise nodes talk to this
    machine alone, unless ROS_AUTOMATIC_DISCOVERY_RANGE says how far they shall.
    """
    environment = dict(os.environ)
    if _is_sourced(environment):
        require_variables(environment)
        return environment
    if not (install / "share" / INTERFACES).exists():
        raise _not_usable(install, INTERFACES, "a built ROS 2 workspace")
    if importlib.util.find_spec("rclpy") is None:
        raise _not_usable(install, "rclpy", "ROS 2 for this Python, sourced or from wheels")
    _prepend(environment, "AMENT_PREFIX_PATH", install, Path(sys.prefix))
    _prepend(environment, "LD_LIBRARY_PATH", install / "lib")
    environment.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    require_variables(environment)
    return environment


def require_variables(environment: Mapping[str, str]) -> None:
    """Raise `BadInput` for a variable with which ROS 2 cannot start, or no node hears another."""
    domain = environment.get("ROS_DOMAIN_ID", "")
    is_number = domain.isascii() and domain.isdecimal()
    if domain and not (is_number and int(domain) <= MAX_DOMAIN):
        expected = f"a number, 0 to {MAX_DOMAIN}"
        raise BadInput(WHERE, "ROS_DOMAIN_ID", found=domain, expected=expected)
    reach = environment.get("ROS_AUTOMATIC_DISCOVERY_RANGE", "")
    if reach and reach not in DISCOVERY_RANGES:
        expected = f"one of {', '.join(DISCOVERY_RANGES)}, so that a hand's nodes hear each other"
        raise BadInput(WHERE, "ROS_AUTOMATIC_DISCOVERY_RANGE", found=reach, expected=expected)
    _require_middleware(environment)
    _require_keystore(environment)


def _require_middleware(environment: Mapping[str, str]) -> None:
    """Those that are installed are listed in the index of packages, where there is one."""
    name = environment.get("RMW_IMPLEMENTATION", "")
    prefixes = filter(None, environment.get("AMENT_PREFIX_PATH", "").split(os.pathsep))
    folders = [Path(prefix) / MIDDLEWARE_INDEX for prefix in prefixes]
    found = {path.name for folder in folders if folder.is_dir() for path in folder.iterdir()}
    installed = sorted(found - {"rmw_implementation"})
    if name and installed and name not in installed:
        expected = f"one that is installed: {', '.join(installed)}"
        raise BadInput(WHERE, "RMW_IMPLEMENTATION", found=name, expected=expected)


def _require_keystore(environment: Mapping[str, str]) -> None:
    if environment.get("ROS_SECURITY_ENABLE") != "true":
        return
    keystore = environment.get("ROS_SECURITY_KEYSTORE", "")
    is_strict = environment.get("ROS_SECURITY_STRATEGY") == "Enforce"
    if is_strict and not (Path(keystore) / "enclaves").is_dir():
        expected = "a keystore, since ROS_SECURITY_STRATEGY is Enforce"
        remedy = "see docs/security.md"
        raise BadInput(
            WHERE, "ROS_SECURITY_KEYSTORE", found=keystore, expected=expected, remedy=remedy
        )


def in_own_domain(environment: Mapping[str, str]) -> dict[str, str]:
    """The same in a domain of this process's own, unless ROS_DOMAIN_ID names one already.

    Nodes of the same names may run beside it, and neither hears the other. Domains above 101 would
    need ports that Linux hands out by itself.
    """
    own = str(1 + os.getpid() % 100)
    return {**environment, "ROS_DOMAIN_ID": environment.get("ROS_DOMAIN_ID") or own}


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
