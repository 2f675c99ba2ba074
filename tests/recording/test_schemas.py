"""What a recording says of its messages is what ROS says of them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from sim2real.recording import schemas
from sim2real.recording.schemas import STANDARD, fields, interface_folder, schema
from sim2real.recording.topics import TOPICS
from tests.recording.strategies import TYPES

OURS = sorted(f"{schemas.OURS}/{path.stem}" for path in interface_folder().glob("*.msg"))
ROS_NAMES = {"double": "float64", "float": "float32", "octet": "byte", "boolean": "bool"}


@pytest.mark.parametrize("name", [*STANDARD, *OURS])
def test_definitions_are_those_of_the_installed_ros(name):
    package, _, message = name.partition("/")
    module = pytest.importorskip(f"{package}.msg", reason=f"ROS 2's {package} is not installed")

    generated = getattr(module, message).get_fields_and_field_types()

    ours = {
        field: f"sequence<{kind.type}>" if kind.is_array else kind.type
        for field, kind in fields(name).items()
    }
    assert {field: common(kind) for field, kind in generated.items()} == ours


def common(kind: str) -> str:
    return re.sub(r"\w+(?!/)\b", lambda word: ROS_NAMES.get(word[0], word[0]), kind)


def test_every_one_of_our_messages_but_parts_of_others_is_recorded():
    parts = {kind.type for name in OURS for kind in fields(name).values()}

    assert set(OURS) - parts == {name for name in TYPES if name.startswith(schemas.OURS)}


@pytest.mark.parametrize("name", TYPES)
def test_a_schema_brings_all_it_needs_once(name):
    parts = re.split(r"^=+\n", schema(name), flags=re.MULTILINE)

    brought = [part.splitlines()[0].removeprefix("MSG: ") for part in parts[1:]]

    assert len(brought) == len(set(brought))
    needed = {kind.type for one in (name, *brought) for kind in fields(one).values()}
    assert {one for one in needed if "/" in one} == set(brought)
    assert name not in brought


def test_topics_are_unique_in_their_type():
    assert len(TYPES) == len(TOPICS)


def test_the_wheel_holds_the_definitions(tmp_path, monkeypatch):
    packed = tmp_path / "msg"
    packed.mkdir()
    (packed / "New.msg").write_text("uint8 value\n")
    monkeypatch.setattr(schemas, "__file__", str(tmp_path / "schemas.py"))

    assert interface_folder() == packed
    pyproject = Path(__file__).resolve().parents[2] / "pyproject.toml"
    wheel = tomllib.loads(pyproject.read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["force-include"] == {
        "ros_ws/src/taskbelief_interfaces/msg": "sim2real/recording/msg"
    }
