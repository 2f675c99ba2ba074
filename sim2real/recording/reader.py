"""Reading a recording: one of ours, one that a killed process left, or one of `ros2 bag record`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from mcap.exceptions import McapError
from mcap_ros2.decoder import DecoderFactory

from sim2real.contract.errors import BadInput
from sim2real.recording.bag import Bag, is_bag, read_bag
from sim2real.recording.columns import Columns, columns_of
from sim2real.recording.contents import Contents, TopicKey, contents_of
from sim2real.recording.metadata import GAPS, RecordingMetadata
from sim2real.recording.namespaces import chosen_namespace, relative_topic
from sim2real.recording.records import Raw, records
from sim2real.recording.schemas import field_names, fields
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
    """the file, or the folder of a rosbag2 recording"""
    files: tuple[Path, ...]
    """one, or those of the folder in their order"""
    metadata: RecordingMetadata | None
    """None where another program wrote it"""
    counts: Mapping[str, int]
    """messages by topic, relative to the robot's namespace"""
    types: Mapping[str, str]
    """of their messages, as in "std_msgs/msg/Header" """
    others: Mapping[TopicKey, int]
    """messages of all other topics: outside of the namespace, or not what we record by that name"""
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
    missing: Mapping[str, int]
    """messages that are known to be missing, by topic: those that whoever recorded counted, and
    those that the file's numbers, its index or the bag's metadata.yaml say should be here"""
    absent: tuple[str, ...]
    """names of files of the bag that are not there"""

    def messages(self, *topics: str) -> Iterator[Recorded]:
        """The messages of these topics as they came in; of all in `counts`, if none is named."""
        wanted = topics or tuple(self.counts)
        for file in self.files:
            yield from self._messages(file, wanted)

    def _messages(self, file: Path, wanted: tuple[str, ...]) -> Iterator[Recorded]:
        decoders, factory = dict[int, Callable[[bytes], Any]](), DecoderFactory()
        for record in records(file):
            if not isinstance(record, Raw):
                continue
            channel, message = record.channel, record.message
            kind = record.schema.name if record.schema else channel.message_encoding
            topic = relative_topic(TopicKey(channel.topic, kind), self.namespace)
            if topic is None or topic not in wanted:
                continue
            if channel.id not in decoders:
                decoders[channel.id] = self._decoder(factory, record, topic)
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

    def _decoder(self, factory: DecoderFactory, record: Raw, topic: str) -> Callable[[bytes], Any]:
        where, name = f"topic {record.channel.topic}", record.schema and record.schema.name
        encoding = record.channel.message_encoding
        try:
            decode = factory.decoder_for(encoding, record.schema)
        except (McapError, ValueError) as error:
            expected = f"a definition of {name}"
            raise BadInput(str(self.path), where, found=str(error), expected=expected) from None
        if decode is None:
            found = f"{encoding} with schema {record.schema and record.schema.encoding}"
            raise BadInput(str(self.path), where, found=found, expected="cdr with schema ros2msg")
        self._require_fields(record, topic, where)

        def decoded(data: bytes) -> Any:
            try:
                return decode(data)
            except Exception as error:  # whatever a decoder made from foreign text ends in
                found, expected = f"{type(error).__name__}: {error}", f"a message of type {name}"
                raise BadInput(str(self.path), where, found=found, expected=expected) from None

        return decoded

    def _require_fields(self, record: Raw, topic: str, where: str) -> None:
        """Messages that we record have all fields that we read."""
        if topic not in TOPICS or record.schema is None:
            return
        there = field_names(record.schema.data.decode(errors="replace"))
        lacking = [name for name in fields(TOPICS[topic].type) if name not in there]
        if lacking:
            raise BadInput(
                str(self.path),
                where,
                found=f"{record.schema.name} without {', '.join(lacking)}",
                expected="the fields that this version records",
                remedy="read it with the version of taskbelief that recorded it",
            )


def read_recording(path: Path, namespace: str | None = None) -> RecordingData:
    """Look through a recording: what it holds, and what is known to be missing in it.

    `path` is an MCAP file, or the folder of a rosbag2 recording. `namespace` picks one of several
    robots, as in "/robot1"; None: there is one only. A file that was torn off is read up to there,
    and says so. Raises `BadInput` for anything else, for two robots of which none was picked, and
    for metadata of ours that does not fit.
    """
    bag = read_bag(path) if is_bag(path) else Bag(files=(path,), absent=(), stated={})
    files = [contents_of(file) for file in bag.files]
    counts, lost = Counter[TopicKey](), Counter[TopicKey]()
    for file in files:
        counts.update(file.counts)
        lost.update(file.missing)
    for key, stated in bag.stated.items():
        counts[key] += 0
        lost[key] = max(lost[key], stated - counts[key])
    chosen = chosen_namespace(counts, namespace, str(path))
    named = {key: relative_topic(key, chosen) for key in counts}
    more = {name: values for file in files for name, values in file.more.items()}
    missing = Counter[str]()
    for key, count in lost.items():
        if count > 0:
            missing[named[key] or key.topic] += count
    for file in files:
        missing.update(_gaps(file))
    starts = [file.start_ns for file in files if file.start_ns is not None]
    return RecordingData(
        path=path,
        files=bag.files,
        metadata=next((file.metadata for file in files if file.metadata is not None), None),
        counts=_summed({key: name for key, name in named.items() if name is not None}, counts),
        types={name: key.type for key, name in named.items() if name is not None},
        others={key: counts[key] for key, name in named.items() if name is None},
        start_ns=min(starts, default=0),
        end_ns=max(file.end_ns for file in files),
        is_whole=all(file.is_whole for file in files),
        namespace=chosen,
        more=more,
        missing=dict(missing),
        absent=bag.absent,
    )


def _summed(names: Mapping[TopicKey, str], counts: Mapping[TopicKey, int]) -> dict[str, int]:
    total = Counter[str]()
    for key, name in names.items():
        total[name] += counts[key]
    return dict(total)


def _gaps(file: Contents) -> dict[str, int]:
    """Messages that whoever recorded knew to be missing, by relative topic."""
    gaps = file.more.get(GAPS, {})
    odd = [topic for topic, count in gaps.items() if not count.isdecimal()]
    if odd and file.metadata is None:  # somebody else's record of that name
        return {}
    for topic in odd:
        where, expected = f"metadata {GAPS}.{topic}", "a number of messages"
        raise BadInput(str(file.path), where, found=gaps[topic], expected=expected)
    return {topic: int(count) for topic, count in gaps.items()}
