"""Letters between processes: whole or not at all, the newest, whoever is faster."""

from __future__ import annotations

import multiprocessing
import time
from pathlib import Path

import numpy as np
import pytest

from sim2real.contract.camera import Frame, load_cameras
from sim2real.contract.errors import BadInput
from sim2real.contract.robot_spec import load_robot_spec
from sim2real.hardware.file_camera import FRAMES, FileCamera, FrameOutbox
from sim2real.hardware.mailbox import Mailbox, MailboxReader

PALM = load_cameras(load_robot_spec())["palm"]
SIZE = 100_000


def test_the_newest_letter_is_read_until_there_is_another(tmp_path):
    box = Mailbox(tmp_path / "box", 4)
    reader = MailboxReader(tmp_path / "box", 4)
    assert reader.latest() is None

    for number in range(1, 6):
        box.put(10 * number, number.to_bytes(4, "little"))
        for _ in range(2):
            assert reader.latest() == (number, 10 * number, number.to_bytes(4, "little"))


def test_letters_of_another_size_are_refused_on_both_sides(tmp_path):
    box = Mailbox(tmp_path / "box", 4)

    with pytest.raises(ValueError, match="5 bytes"):
        box.put(0, bytes(5))
    with pytest.raises(BadInput, match="letters of 8 bytes"):
        MailboxReader(tmp_path / "box", 8).latest()
    (tmp_path / "else").write_bytes(b"something else")
    with pytest.raises(BadInput):
        MailboxReader(tmp_path / "else", 4).latest()


def test_a_mailbox_that_comes_later_or_is_exchanged_is_noticed(tmp_path):
    reader = MailboxReader(tmp_path / "box", 1)
    assert reader.latest() is None
    for content in (b"a", b"b"):
        box = Mailbox(tmp_path / "box", 1)
        assert reader.latest() is None
        box.put(0, content)
        assert reader.latest().content == content
    box.close()
    assert reader.latest() is None


def test_fr8_a_letter_that_is_torn_is_not_read(tmp_path):
    box = Mailbox(tmp_path / "box", 64)
    box.put(1, b"a" * 64)
    box.put(2, b"b" * 64)
    raw = bytearray((tmp_path / "box").read_bytes())
    at = raw.index(b"b" * 64)
    with (tmp_path / "box").open("r+b") as file:
        file.seek(at + 32)
        file.write(b"c")

    assert MailboxReader(tmp_path / "box", 64).latest().content == b"a" * 64


def _write_for(path: Path, seconds: float) -> None:
    box, number, end = Mailbox(path, SIZE), 0, time.monotonic() + seconds
    while time.monotonic() < end:
        number += 1
        box.put(number, bytes([number % 256]) * SIZE)


def test_a_reader_beside_a_fast_writer_gets_whole_letters_in_order(tmp_path):
    path = tmp_path / "box"
    writer = multiprocessing.get_context("spawn").Process(target=_write_for, args=(path, 1.0))
    writer.start()
    reader, latest, num_read = MailboxReader(path, SIZE), 0, 0
    try:
        while writer.is_alive():
            letter = reader.latest()
            if letter is None:
                continue
            assert letter.number >= latest
            assert letter.number == letter.stamp_ns
            assert letter.content == bytes([letter.number % 256]) * SIZE
            num_read += letter.number > latest
            latest = letter.number
    finally:
        writer.join()
    assert num_read > 5


def test_frames_come_out_as_they_went_in(tmp_path):
    outbox = FrameOutbox(tmp_path / f"palm{FRAMES}", PALM)
    camera = FileCamera(tmp_path / "port", PALM)
    assert camera.latest() is None
    pixels = np.random.default_rng(0).integers(0, 256, PALM.shape, np.uint8)

    outbox.put(Frame(stamp_ns=123, sequence=7, pixels=pixels))

    frame = camera.latest()
    assert (frame.stamp_ns, frame.sequence) == (123, 7)
    np.testing.assert_array_equal(frame.pixels, pixels)
    assert camera.latest() is frame


def test_frames_are_found_behind_a_link_to_the_port(tmp_path):
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        outbox = FrameOutbox(tmp_path / name / f"palm{FRAMES}", PALM)
        outbox.put(Frame(stamp_ns=1, sequence=0, pixels=np.full(PALM.shape, len(name), np.uint8)))
    link = tmp_path / "link" / "port"
    link.parent.mkdir()
    camera = FileCamera(link, PALM)

    for name in ("first", "second"):
        link.unlink(missing_ok=True)
        link.symlink_to(tmp_path / name / "port")
        assert camera.latest().pixels[0, 0, 0] == len(name)
