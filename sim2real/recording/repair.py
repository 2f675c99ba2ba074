"""What a killed process left, made whole: everything that was flushed, with an index."""

from __future__ import annotations

from pathlib import Path

from mcap.records import Metadata
from mcap.writer import Writer

from sim2real.contract.errors import BadInput
from sim2real.recording.records import End, Raw, records
from sim2real.recording.writer import PART, SUFFIX


def finish_recording(part: Path) -> Path:
    """NAME.mcap from NAME.mcap.part, which is removed. Returns the new file.

    Raises `BadInput` for a file of another name, one that is no MCAP, or where NAME.mcap is there.
    """
    path = part.with_suffix("")
    if part.suffix != PART or path.suffix != SUFFIX:
        expected = f"a name with {SUFFIX}{PART}"
        raise BadInput(str(part), "name", found=part.name, expected=expected)
    if path.exists():
        raise BadInput(str(path), "file", found="a recording", expected="nothing")
    beside = path.with_name(f".{path.name}.repaired")
    try:
        with beside.open("wb") as file:
            _copy(part, Writer(file))
        beside.rename(path)
        part.unlink()
    except OSError as error:
        expected = "a place to write to"
        raise BadInput(str(path), "file", found=error.strerror, expected=expected) from None
    finally:
        beside.unlink(missing_ok=True)
    return path


def _copy(source: Path, writer: Writer) -> None:
    writer.start(profile="ros2", library="taskbelief")
    channels, schemas = dict[int, int](), dict[int, int]()
    for record in records(source):
        if isinstance(record, Metadata):
            writer.add_metadata(record.name, record.metadata)
        elif isinstance(record, End):
            writer.finish()  # type: ignore[no-untyped-call]
        else:
            channel, message = record.channel, record.message
            if channel.id not in channels:
                channels[channel.id] = _register(writer, record, schemas)
            writer.add_message(
                channel_id=channels[channel.id],
                log_time=message.log_time,
                publish_time=message.publish_time,
                sequence=message.sequence,
                data=message.data,
            )


def _register(writer: Writer, record: Raw, schemas: dict[int, int]) -> int:
    schema, channel = record.schema, record.channel
    if schema is not None and schema.id not in schemas:
        schemas[schema.id] = writer.register_schema(schema.name, schema.encoding, schema.data)
    return writer.register_channel(
        topic=channel.topic,
        message_encoding=channel.message_encoding,
        schema_id=0 if schema is None else schemas[schema.id],
        metadata=channel.metadata,
    )
