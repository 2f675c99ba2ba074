"""What an ONNX file asks for, read from its bytes before anything is loaded from it.

ONNX Runtime would follow references to files beside the graph and run the operators of whatever
vendor it was built with. A bundle may use neither: all that a policy is lies in hashed files, and
its operators are those of the standard. The file is a protobuf message; the few fields that
matter are walked here, so that the robot needs neither the onnx nor the protobuf package.
Field numbers: onnx/onnx.proto.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from sim2real.contract.errors import BadInput

STANDARD_DOMAINS = ("", "ai.onnx")
_EXTERNAL = 1  # TensorProto.DataLocation
_MAX_DEPTH = 32


class _Field(NamedTuple):
    number: int
    value: int | bytes
    """whole numbers for varints, bytes for everything else"""


def refuse_unsafe_graph(content: bytes, where: str) -> None:
    """Raise `BadInput` for bytes that are no ONNX model, for tensors kept outside of the file, and
    for operators or functions beyond the ONNX standard."""
    try:
        _check_model(content, where)
    except (_Malformed, UnicodeDecodeError) as error:
        raise BadInput(where, "file", found=str(error), expected="an ONNX model") from None


class _Malformed(ValueError):
    pass


def _check_model(content: bytes, where: str) -> None:
    graphs = 0
    for field in _fields(content):
        if field.number == 7:
            graphs += 1
            _check_graph(_message(field), where, 0)
        elif field.number == 25:
            raise BadInput(where, "functions", found="local functions", expected="none")
    if graphs != 1:
        raise _Malformed(f"{graphs} graphs")


def _check_graph(content: bytes, where: str, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise _Malformed("graphs nested too deeply")
    for field in _fields(content):
        if field.number == 1:
            _check_node(_message(field), where, depth)
        elif field.number == 5:
            _check_tensor(_message(field), where)
        elif field.number == 15:
            _check_sparse_tensor(_message(field), where)


def _check_node(content: bytes, where: str, depth: int) -> None:
    operator = domain = ""
    for field in _fields(content):
        if field.number == 4:
            operator = _message(field).decode()
        elif field.number == 7:
            domain = _message(field).decode()
        elif field.number == 5:
            _check_attribute(_message(field), where, depth)
    if domain not in STANDARD_DOMAINS:
        raise BadInput(
            where, "operators", found=f"{domain}.{operator}", expected="operators of ONNX only"
        )


def _check_attribute(content: bytes, where: str, depth: int) -> None:
    for field in _fields(content):
        if field.number in (5, 10):
            _check_tensor(_message(field), where)
        elif field.number in (6, 11):
            _check_graph(_message(field), where, depth + 1)
        elif field.number in (22, 23):
            _check_sparse_tensor(_message(field), where)


def _check_sparse_tensor(content: bytes, where: str) -> None:
    for field in _fields(content):
        if field.number in (1, 2):
            _check_tensor(_message(field), where)


def _check_tensor(content: bytes, where: str) -> None:
    name, is_external = "", False
    for field in _fields(content):
        if field.number == 8:
            name = _message(field).decode()
        is_external |= field.number == 13 or (field.number == 14 and field.value == _EXTERNAL)
    if is_external:
        raise BadInput(
            where, f"tensor {name}", found="external data", expected="its values in this file"
        )


def _message(field: _Field) -> bytes:
    if isinstance(field.value, int):
        raise _Malformed(f"field {field.number} is a number")
    return field.value


def _fields(content: bytes) -> Iterator[_Field]:
    """The fields of one message in order.

    Raises `_Malformed` where the bytes end too early or say something protobuf does not know.
    """
    place = 0
    while place < len(content):
        key, place = _varint(content, place)
        number, wire_type = key >> 3, key & 7
        if wire_type == 0:
            value, place = _varint(content, place)
            yield _Field(number, value)
            continue
        if wire_type == 2:
            size, place = _varint(content, place)
        elif wire_type in (1, 5):
            size = 8 if wire_type == 1 else 4
        else:
            raise _Malformed(f"wire type {wire_type}")
        if place + size > len(content):
            raise _Malformed("the file ends inside a field")
        yield _Field(number, content[place : place + size])
        place += size


def _varint(content: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while place < len(content) and shift < 64:
        byte = content[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7
    raise _Malformed("a number without an end")
