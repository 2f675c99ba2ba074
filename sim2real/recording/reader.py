"""Reading a recording: one of ours, one that a killed process left, or one of `ros2 bag record`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from mcap.records import Metadata
from mcap_ros2.decoder import DecoderFactory

from sim2real.contract.errors import BadInput
from sim2real.recording.columns import Columns, columns_of
from sim2real.recording.metadata import GAPS, RECORD, RecordingMetadata
from sim2real.recording.records import End, Raw, records
from sim2real.recording.schemas import OURS
from sim2real.recording.topics import TOPICS


class Recorded(NamedTuple):
    """One message of a recording."""

    topic: str
    """relative to the robot's namespace"""
    log_ns: int
    """when it was recorded, since the epoch"""
    message: Any
    """its fields as attributes, as a ROS message has them"""


@dataclass(frozen=True, kw_only=True)
class RecordingData:
    """What is in a recording. Messages stay on the disk until they are asked for."""

    path: Path
    metadata: RecordingMetadata | None
    """None where another program wrote it"""
    counts: Mapping[str, int]
    """messages by relative topic"""
    types: Mapping[str, str]
    """of their messages, as in "std_msgs/msg/Header" """
    start_ns: int
    """of the first message, since the epoch; 0 where there is none"""
    end_ns: int
    """of the last message"""
    is_whole: bool
    """whether it was finished; otherwise everything up to where it was torn off is here"""
    namespace: str
    """of the robot's topics, as in "/robot1/" """
    more: Mapping[str, Mapping[str, str]]
    """further metadata records by name"""

    @property
    def missing(self) -> dict[str, int]:
        """Messages that whoever recorded knows to be missing, by relative topic."""
        return {topic: int(count) for topic, count in self.more.get(GAPS, {}).items()}

    def messages(self, *topics: str) -> Iterator[Recorded]:
        """The messages of these topics (of all of them, if none is named) as they came in."""
        wanted = topics or tuple(self.counts)
        decoders, factory = dict[int, Callable[[bytes], Any]](), DecoderFactory()
        for record in records(self.path):
            if not isinstance(record, Raw):
                continue
            channel, message = record.channel, record.message
            topic = channel.topic.removeprefix(self.namespace)
            if topic not in wanted:
                continue
            if channel.id not in decoders:
                decoders[channel.id] = self._decoder(factory, record)
            yield Recorded(topic, message.log_time, decoders[channel.id](message.data))

    def columns(self, topic: str) -> Columns:
        """Every field of a topic as an array, axis 0 is the message; see `columns_of`.

        Raises `BadInput` where the topic was not recorded.
        """
        self.require(topic)
        return columns_of(self.messages(topic))

    def require(self, *topics: str) -> None:
        """Raise `BadInput` unless there is at least one message of each."""
        for topic in topics:
            if not self.counts.get(topic):
                found = f"only {', '.join(self.counts)}" if self.counts else "nothing"
                raise BadInput(str(self.path), "topics", found=found, expected=f"{topic} too")

    def _decoder(self, factory: DecoderFactory, record: Raw) -> Callable[[bytes], Any]:
        encoding = record.channel.message_encoding
        decode = factory.decoder_for(encoding, record.schema)
        if decode is None:
            where = f"topic {record.channel.topic}"
            found = f"{encoding} with schema {record.schema and record.schema.encoding}"
            raise BadInput(str(self.path), where, found=found, expected="cdr with schema ros2msg")
        return decode


def read_recording(path: Path, namespace: str | None = None) -> RecordingData:
    """Look through a recording: what it holds, and whether it is whole.

    `namespace` picks one of several robots, as in "/robot1"; None: there is one only. A file that
    was torn off is read up to there, and says so. Raises `BadInput` for anything else than an
    MCAP, for two robots of which none was picked, and for metadata of ours that does not fit.
    """
    counts, types = Counter[str](), dict[str, str]()
    metadata: RecordingMetadata | None = None
    more = dict[str, Mapping[str, str]]()
    start_ns, end_ns, is_whole = 2**64, 0, False
    for record in records(path):
        if isinstance(record, End):
            is_whole = record.is_whole
        elif isinstance(record, Metadata):
            if record.name == RECORD:
                metadata = RecordingMetadata.from_dict(record.metadata, str(path))
            else:
                more[record.name] = record.metadata
        else:
            topic, log_ns = record.channel.topic, record.message.log_time
            counts[topic] += 1
            types[topic] = record.schema.name if record.schema else record.channel.message_encoding
            start_ns, end_ns = min(start_ns, log_ns), max(end_ns, log_ns)
    chosen = _namespace(counts, namespace, str(path))
    inside = [topic for topic in counts if topic.startswith(chosen)]
    return RecordingData(
        path=path,
        metadata=metadata,
        counts={topic.removeprefix(chosen): counts[topic] for topic in inside},
        types={topic.removeprefix(chosen): types[topic] for topic in inside},
        start_ns=start_ns if counts else 0,
        end_ns=end_ns,
        is_whole=is_whole,
        namespace=chosen,
        more=more,
    )


def _namespace(topics: Mapping[str, int], asked: str | None, where: str) -> str:
    """With a slash at both ends."""
    found = sorted({topic[: topic.rindex("/") + 1] for topic in topics if _is_ours(topic)})
    if asked is not None:
        wanted = f"/{asked.strip('/')}/" if asked.strip("/") else "/"
        if found and wanted not in found:
            raise BadInput(where, "namespace", found=wanted, expected=f"one of {', '.join(found)}")
        return wanted
    if len(found) > 1:
        raise BadInput(where, "namespace", found=found, expected="one robot, or a choice")
    return found[0] if found else "/"


def _is_ours(topic: str) -> bool:
    """Others may be anywhere: /diagnostics is often everybody's."""
    name = topic.rpartition("/")[2]
    return name in TOPICS and TOPICS[name].type.startswith(f"{OURS}/")
