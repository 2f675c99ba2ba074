"""Writing a recording: an MCAP file as rosbag2 writes them, from values or from a topic's bytes.

It grows as NAME.mcap.part and gets its name when it is closed, so that NAME.mcap is always whole.
A process that is killed leaves the part: `read_recording` reads it up to the last flush, and
`finish_recording` makes a whole recording of it.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from mcap.writer import CompressionType
from mcap.writer import Writer as McapWriter

from sim2real.contract.errors import BadInput, OutputFailed
from sim2real.recording.cdr import Values, encode
from sim2real.recording.metadata import GAPS, RECORD, RecordingMetadata
from sim2real.recording.schemas import full_name, schema
from sim2real.recording.topics import TOPICS, offered_qos_profiles

SUFFIX, PART = ".mcap", ".part"
FLUSH_AFTER_S = 1.0
"""what is older than this survives the death of the process"""
CHUNK_BYTES = 256 * 1024


class Recording:
    """One file that is being written. Any thread may write; a context manager closes it.

    Raises `BadInput` when the file cannot be written, or is there already: a recording of a robot
    is never written over; `OutputFailed`, which is one, when it cannot be written any more. After
    an exception in the `with` block it is closed all the same: what led to a failure is what people
    want to see.
    """

    def __init__(
        self,
        path: Path,
        metadata: RecordingMetadata,
        *,
        namespace: str = "",
        more: Mapping[str, Mapping[str, str]] | None = None,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`namespace` is that of the robot's topics, as in "robot1"; `clock_s` times flushes.

        `more` are further metadata records by name.
        """
        self.path, self.metadata = path, metadata
        self.missing: Counter[str] = Counter()
        """messages that should be in the file and are not, by relative topic"""
        self.part = path.with_name(path.name + PART)
        self._prefix = f"/{namespace.strip('/')}/" if namespace.strip("/") else "/"
        self._clock_s, self._lock = clock_s, threading.Lock()
        self._failure: OSError | None = None
        self._is_begun = False
        self._channels: dict[str, int] = {}
        self._sequences: dict[str, int] = {}
        if path.suffix != SUFFIX:
            raise BadInput(str(path), "name", found=path.name, expected=f"a name with {SUFFIX}")
        for taken in (path, self.part):
            if taken.exists():
                expected = "nothing: recordings are not written over"
                raise BadInput(str(taken), "file", found="a recording", expected=expected)
        with self._errors():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.part.open("wb")
            self._writer = McapWriter(
                self._file, chunk_size=CHUNK_BYTES, compression=CompressionType.ZSTD
            )
            try:
                self._writer.start(profile="ros2", library="taskbelief")
                self._writer.add_metadata(RECORD, metadata.as_dict())
                for name, values in (more or {}).items():
                    self._writer.add_metadata(name, dict(values))
                self._flush()
            except BaseException:  # a full disk, Ctrl-C
                self._abandon()
                raise
        self._is_begun = True

    def write(self, topic: str, message: Values, log_ns: int) -> None:
        """Record values, as `recording.messages` makes them, at `log_ns` since the epoch.

        `topic` is relative, one of `TOPICS`. Raises `ValueError` for values that do not fit it.
        """
        self.write_cdr(topic, encode(TOPICS[topic].type, message), log_ns)

    def write_cdr(self, topic: str, message: bytes, log_ns: int) -> None:
        """Record a serialized message as it came from a raw subscription."""
        with self._lock, self._errors():
            self._require_open()
            channel = self._channel(topic)
            sequence = self._sequences[topic] = self._sequences.get(topic, -1) + 1
            self._writer.add_message(
                channel_id=channel,
                log_time=log_ns,
                publish_time=log_ns,
                data=message,
                sequence=sequence % 2**32,
            )
            if self._clock_s() - self._flushed_s >= FLUSH_AFTER_S:
                self._flush()

    def miss(self, topic: str, count: int = 1) -> None:
        """Note that messages of a topic never came or were dropped: the file will say so."""
        with self._lock:
            self.missing[topic] += count

    def flush(self) -> None:
        """What was written so far survives the death of the process."""
        with self._lock, self._errors():
            self._require_open()
            self._flush()

    def sync(self) -> None:
        """What was written so far survives a loss of power; may take tens of milliseconds."""
        with self._lock, self._errors():
            self._require_open()
            self._flush()
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Finish the file and give it its name; a second time does nothing.

        After a failed write the part keeps its name, and this says so.
        """
        with self._lock, self._errors():
            if self._file.closed:
                return
            try:
                self._require_open()
                if self.missing:
                    gaps = {topic: str(count) for topic, count in self.missing.items()}
                    self._writer.add_metadata(GAPS, gaps)
                self._writer.finish()  # type: ignore[no-untyped-call]
                self._file.flush()
                os.fsync(self._file.fileno())
            finally:
                self._file.close()
            self.part.rename(self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _require_open(self) -> None:
        """After a failed write nobody knows what is in the file: nothing may follow it."""
        if self._failure is not None:
            raise self._failure
        if self._file.closed:
            raise ValueError(f"{self.path} is closed")

    def _abandon(self) -> None:
        """Leave nothing behind where not even the beginning could be written."""
        with suppress(OSError):  # closing writes again what could not be written
            self._file.close()
        self.part.unlink(missing_ok=True)

    def _flush(self) -> None:
        self._writer.flush()  # type: ignore[no-untyped-call]
        self._flushed_s = self._clock_s()

    def _channel(self, name: str) -> int:
        if name not in self._channels:
            topic = TOPICS[name]
            text = schema(topic.type).encode()
            self._channels[name] = self._writer.register_channel(
                topic=f"{self._prefix}{name}",
                message_encoding="cdr",
                schema_id=self._writer.register_schema(full_name(topic.type), "ros2msg", text),
                metadata={"offered_qos_profiles": offered_qos_profiles(topic)},
            )
        return self._channels[name]

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._failure = error
            refusal = OutputFailed if self._is_begun else BadInput
            raise refusal(
                str(self.path), "file", found=error.strerror, expected="a place to write to"
            ) from None
