"""Message definitions as they stand in a recording: ros2msg text with everything it depends on.

Ours are read from the interface package of the ROS workspace, which is also packed into the wheel;
the few standard ones are written out here, so that a recording needs no ROS. Whoever has ROS
installed can hold them to it (`tests/recording/test_schemas.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from sim2real.contract.errors import BadInput

OURS = "taskbelief_interfaces"
_SEPARATOR = "=" * 80

STANDARD: Mapping[str, str] = {
    "builtin_interfaces/Time": "int32 sec\nuint32 nanosec\n",
    "std_msgs/Header": "builtin_interfaces/Time stamp\nstring frame_id\n",
    "std_msgs/String": "string data\n",
    "sensor_msgs/JointState": (
        "std_msgs/Header header\n"
        "string[] name\n"
        "float64[] position\n"
        "float64[] velocity\n"
        "float64[] effort\n"
    ),
    "diagnostic_msgs/KeyValue": "string key\nstring value\n",
    "diagnostic_msgs/DiagnosticStatus": (
        "byte OK=0\n"
        "byte WARN=1\n"
        "byte ERROR=2\n"
        "byte STALE=3\n"
        "byte level\n"
        "string name\n"
        "string message\n"
        "string hardware_id\n"
        "diagnostic_msgs/KeyValue[] values\n"
    ),
    "diagnostic_msgs/DiagnosticArray": (
        "std_msgs/Header header\ndiagnostic_msgs/DiagnosticStatus[] status\n"
    ),
}
"""fields of the standard messages that are recorded, by package and name; comments left out"""


class Field(NamedTuple):
    """One field of a message."""

    type: str
    """primitive as in "float64", or package and name of another message"""
    is_array: bool

    @property
    def is_message(self) -> bool:
        return "/" in self.type


def interface_folder() -> Path:
    """Where the .msg files of our interface package are: in the wheel, or in the checkout.

    Raises `BadInput` where neither has them.
    """
    packed = Path(__file__).parent / "msg"
    checkout = Path(__file__).resolve().parents[2] / "ros_ws" / "src" / OURS / "msg"
    for folder in (packed, checkout):
        if folder.is_dir():
            return folder
    expected = "the message definitions"
    raise BadInput(str(packed), "folder", found="nothing", expected=expected)


def definition(name: str) -> str:
    """The text of one message, without what it depends on. `name` is as in "std_msgs/Header".

    Raises `BadInput` for a message that is neither ours nor among `STANDARD`.
    """
    if name in STANDARD:
        return STANDARD[name]
    package, _, message = name.partition("/")
    path = interface_folder() / f"{message}.msg"
    if package != OURS or not path.is_file():
        raise BadInput(str(path.parent), "message", found=name, expected="a message we record")
    return path.read_text(encoding="utf-8")


@cache
def fields(name: str) -> Mapping[str, Field]:
    """The fields of a message in their order; constants are none."""
    return {
        field: Field(type=kind.removesuffix("[]"), is_array=kind.endswith("[]"))
        for field, kind in _declared(definition(name))
    }


def field_names(text: str) -> set[str]:
    """The fields of the message that a schema's text defines, without those of what it needs."""
    return {field for field, _ in _declared(text.partition(_SEPARATOR)[0])}


def _declared(text: str) -> Iterator[tuple[str, str]]:
    """Name and type of every field."""
    for line in text.splitlines():
        words = line.split("#")[0].split()
        if len(words) > 1 and "=" not in "".join(words[1:]):
            yield words[1], words[0]


@cache
def schema(name: str) -> str:
    """A definition with all it depends on, as MCAP's ros2msg encoding wants them."""
    parts = [definition(name)]
    parts += [f"MSG: {needed}\n{definition(needed)}" for needed in _dependencies(name)]
    return f"{_SEPARATOR}\n".join(parts)


def full_name(name: str) -> str:
    """As ROS 2 writes it: "std_msgs/msg/Header" for "std_msgs/Header"."""
    return name.replace("/", "/msg/")


def _dependencies(name: str) -> list[str]:
    """Every message that is needed below this one, each once."""
    needed: dict[str, None] = {}
    for field in fields(name).values():
        if field.is_message:
            needed |= dict.fromkeys((field.type, *_dependencies(field.type)))
    return list(needed)
