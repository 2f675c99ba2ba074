"""The records of an MCAP file, one after the other, up to where it is whole.

Needs no index, which a recording gets at its very end only, so that the file of a killed process
reads like any other.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import IO, Any, NamedTuple

import zstandard
from mcap.data_stream import ReadDataStream
from mcap.exceptions import McapError
from mcap.opcode import Opcode
from mcap.records import Channel, Chunk, Message, Metadata, Schema, Statistics
from mcap.stream_reader import breakup_chunk

from sim2real.contract.errors import BadInput

MAGIC = b"\x89MCAP0\r\n"
_FRAME = struct.Struct("<BQ")  # opcode, bytes that follow
_DAMAGED = (McapError, zstandard.ZstdError, struct.error, ValueError, RuntimeError)
"""what decoding of a damaged record ends in; a wrong checksum is a ValueError"""


class Raw(NamedTuple):
    """One message as it was written."""

    schema: Schema | None
    """None where a message has none"""
    channel: Channel
    message: Message


class Stated(NamedTuple):
    """What a finished file says about a channel in its index."""

    schema: Schema | None
    channel: Channel
    num_messages: int | None
    """how many messages were written; None where it does not say"""


class End(NamedTuple):
    """Where reading ended."""

    is_whole: bool
    """the file was finished"""
    offset: int
    """bytes that could be read"""
    stated: tuple[Stated, ...] = ()
    """every channel that the index names, also those without a message"""


def records(path: Path) -> Iterator[Raw | Metadata | End]:
    """Messages and metadata in the order of the file; last of all, how it ended.

    Raises `BadInput` for a file that is no MCAP or cannot be read.
    """
    try:
        with path.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise BadInput(str(path), "file", found="something else", expected="an MCAP file")
            yield from _records(file)
    except OSError as error:
        raise BadInput(
            str(path), "file", found=error.strerror, expected="a recording that can be read"
        ) from None


def _records(file: IO[bytes]) -> Iterator[Raw | Metadata | End]:
    schemas, channels = dict[int, Schema](), dict[int, Channel]()
    while True:
        offset = file.tell()
        frame = _frame(file)
        if frame is None or frame[0] == Opcode.DATA_END:  # what follows is the index
            stated = () if frame is None else _stated(file)
            yield End(is_whole=frame is not None, offset=offset, stated=stated)
            return
        try:
            found = list(_decoded(*frame))
        except _DAMAGED:
            yield End(is_whole=False, offset=offset)
            return
        for record in found:
            if isinstance(record, Schema):
                schemas[record.id] = record
            elif isinstance(record, Channel):
                channels[record.id] = record
            elif isinstance(record, Message):
                channel = channels.get(record.channel_id)
                if channel is None:
                    yield End(is_whole=False, offset=offset)
                    return
                yield Raw(schemas.get(channel.schema_id), channel, record)
            else:
                yield record


def _stated(file: IO[bytes]) -> tuple[Stated, ...]:
    """What the index says of the channels; nothing where it is damaged or was never written."""
    schemas, channels, counts = dict[int, Schema](), list[Channel](), dict[int, int]()
    while (frame := _frame(file)) is not None and frame[0] != Opcode.FOOTER:
        try:
            found = list(_decoded(*frame))
        except _DAMAGED:
            break
        for record in found:
            if isinstance(record, Schema):
                schemas[record.id] = record
            elif isinstance(record, Channel):
                channels.append(record)
            elif isinstance(record, Statistics):
                counts = dict(record.channel_message_counts)
    return tuple(
        Stated(schemas.get(one.schema_id), one, counts.get(one.id, 0) if counts else None)
        for one in channels
    )


def _frame(file: IO[bytes]) -> tuple[int, bytes] | None:
    """The next record's opcode and content; None where there is no whole one any more."""
    head = file.read(_FRAME.size)
    if len(head) < _FRAME.size:
        return None
    opcode, length = _FRAME.unpack(head)
    start = file.tell()
    is_there = start + length <= file.seek(0, 2)
    file.seek(start)
    return (opcode, file.read(length)) if is_there else None


def _decoded(opcode: int, content: bytes) -> list[Any]:
    stream = ReadDataStream(BytesIO(content))
    if opcode == Opcode.CHUNK:
        return breakup_chunk(Chunk.read(stream), validate_crc=True)
    if opcode == Opcode.MESSAGE:
        return [Message.read(stream, len(content))]
    if opcode == Opcode.SCHEMA:
        return [Schema.read(stream)]
    if opcode == Opcode.CHANNEL:
        return [Channel.read(stream)]
    if opcode == Opcode.STATISTICS:
        return [Statistics.read(stream)]
    return [Metadata.read(stream)] if opcode == Opcode.METADATA else []
