"""Every topic of a recording, whoever wrote it: how many messages there are, and how many are not.

A recorder numbers the messages of a channel one after the other, so that a number that is left out
is a message that is missing. Programs that number all channels together, or not at all, say
nothing by it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from mcap.records import Channel, Metadata, Schema

from sim2real.recording.metadata import RECORD, RecordingMetadata
from sim2real.recording.records import End, records

_WRAP = 2**32
"""numbers of messages begin anew after this many"""


class TopicKey(NamedTuple):
    """A topic may be there twice, with messages of two kinds."""

    topic: str
    """as it stands in the file"""
    type: str
    """of its messages, as in "std_msgs/msg/Header"; their encoding where they have no schema"""


@dataclass(kw_only=True)
class Contents:
    """What one file holds."""

    path: Path
    counts: Counter[TopicKey] = field(default_factory=Counter)
    """messages; 0 for a topic that is only announced"""
    missing: Counter[TopicKey] = field(default_factory=Counter)
    """messages that the file's own numbers and index say should be there"""
    metadata: RecordingMetadata | None = None
    """None where another program wrote it"""
    more: dict[str, Mapping[str, str]] = field(default_factory=dict)
    """further metadata records by name"""
    start_ns: int | None = None
    """of the first message, since the epoch; None where there is none"""
    end_ns: int = 0
    """of the last message"""
    is_whole: bool = False


def contents_of(path: Path) -> Contents:
    """Look through a file.

    Raises `BadInput` for what is no MCAP, and for metadata of ours that does not fit.
    """
    found, numbers, end = Contents(path=path), _Numbers(), End(is_whole=False, offset=0)
    of_channel = dict[int, TopicKey]()
    written = Counter[int]()
    for record in records(path):
        if isinstance(record, End):
            end = record
        elif isinstance(record, Metadata):
            _take_metadata(found, record)
        else:
            channel, log_ns = record.channel, record.message.log_time
            of_channel[channel.id] = key = _key(record.schema, channel)
            found.counts[key] += 1
            written[channel.id] += 1
            numbers.take(channel.id, record.message.sequence)
            found.start_ns = log_ns if found.start_ns is None else min(found.start_ns, log_ns)
            found.end_ns = max(found.end_ns, log_ns)
    found.is_whole = end.is_whole
    missing = Counter(numbers.missing(is_ours=found.metadata is not None))
    for stated in end.stated:
        number = stated.channel.id
        of_channel[number] = key = _key(stated.schema, stated.channel)
        found.counts[key] += 0
        if stated.num_messages is not None:
            missing[number] = max(missing[number], stated.num_messages - written[number])
    for number, count in missing.items():
        if count > 0:
            found.missing[of_channel[number]] += count
    return found


def _key(schema: Schema | None, channel: Channel) -> TopicKey:
    return TopicKey(channel.topic, schema.name if schema else channel.message_encoding)


def _take_metadata(found: Contents, record: Metadata) -> None:
    if record.name == RECORD:
        found.metadata = RecordingMetadata.from_dict(record.metadata, str(found.path))
    else:
        found.more[record.name] = record.metadata


@dataclass(kw_only=True)
class _Counted:
    first: int
    last: int
    num_left_out: int = 0
    is_rising: bool = True


class _Numbers:
    """The numbers that a recorder gave to messages, by channel and over all of them."""

    def __init__(self) -> None:
        self._channels: dict[int, _Counted] = {}
        self._latest = -1
        self._is_shared = True
        """whether they rise over all channels together"""

    def take(self, channel: int, number: int) -> None:
        self._is_shared &= number > self._latest
        self._latest = number
        if channel not in self._channels:
            self._channels[channel] = _Counted(first=number, last=number)
            return
        counted = self._channels[channel]
        step = (number - counted.last) % _WRAP
        counted.is_rising &= 0 < step < _WRAP // 2
        counted.num_left_out += max(step - 1, 0) if counted.is_rising else 0
        counted.last = number

    def missing(self, *, is_ours: bool) -> dict[int, int]:
        """Left out, by channel. Ours begin at 0 and are numbered by channel, always."""
        if self._is_shared and len(self._channels) > 1 and not is_ours:
            return {}
        return {
            channel: one.num_left_out + (one.first if is_ours else 0)
            for channel, one in self._channels.items()
            if one.is_rising
        }
