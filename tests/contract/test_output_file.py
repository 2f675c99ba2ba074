"""Outputs are there whole or not at all, and a place that takes none is refused before the work."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sim2real.contract.errors import BadInput, OutputFailed
from sim2real.contract.output_file import (
    require_folder,
    require_writable,
    unless_refused,
    what_failed,
    write_file,
    write_with,
)


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_file_is_written_with_its_folders(tmp_path):
    write_file(tmp_path / "a" / "b.txt", "é\n")

    assert (tmp_path / "a" / "b.txt").read_bytes() == b"\xc3\xa9\n"
    assert names(tmp_path) == ["a", "a/b.txt"]


def test_a_failed_write_leaves_what_was_there_and_nothing_else(tmp_path):
    path = tmp_path / "a.png"
    path.write_text("old")

    def fail(beside: Path) -> None:
        beside.write_text("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match="No space left") as failed:
        write_with(path, fail)

    assert (path.read_text(), names(tmp_path)) == ("old", ["a.png"])
    assert what_failed(failed.value).startswith(f"{path}: No space left on device; make room")


def test_an_interruption_leaves_no_part(tmp_path):
    def interrupted(beside: Path) -> None:
        beside.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_with(tmp_path / "a", interrupted)

    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("place", "found"),
    [
        ("folder", "a folder"),
        ("file/below.json", "is a file"),
        ("/proc/none/t.json", ""),
        ("/dev/null", "no plain file"),
        ("x" * 300, "too long"),
        ("/", "a folder"),
    ],
)
def test_places_that_take_no_file_are_refused_and_left_alone(tmp_path, place, found):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    before = names(tmp_path)

    with pytest.raises(BadInput) as refused:
        require_writable(tmp_path / place, "--out")

    assert found in str(refused.value)
    assert refused.value.field == "--out"
    assert names(tmp_path) == before


def test_places_that_take_a_file_are_left_as_they_are(tmp_path):
    (tmp_path / "old").write_text("old")
    for place in ("old", "new", "a/b/c/new"):
        require_writable(tmp_path / place, "OUT")
    require_folder(tmp_path / "a" / "b", "OUT")
    require_writable(None, "--out")

    assert names(tmp_path) == ["old"]
    with pytest.raises(BadInput, match="expected a folder"):
        require_folder(tmp_path / "old", "--out")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a user who may become another one")
def test_a_folder_that_may_not_be_written_in_is_refused():
    code = (
        "import os\nfrom pathlib import Path\n"
        "from sim2real.contract.output_file import require_folder, require_writable\n"
        "os.setuid(65534)\n"
        "for check in (require_writable, require_folder):\n"
        "    try: check(Path('/etc/taskbelief/t.json'), 'OUT')\n"
        "    except ValueError as error: print(error)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert ended.stdout.count("Permission denied") == ended.stdout.count("\n") == 2


def make(folder: Path) -> None:
    (folder / "deep").mkdir(parents=True, exist_ok=True)
    (folder / "deep" / "journal").write_text("begun")


@pytest.mark.parametrize(
    ("error", "has_begun", "is_left"),
    [
        (BadInput("a", "b", found=1, expected="2"), False, False),
        (BadInput("a", "b", found=1, expected="2"), True, True),
        (OutputFailed("a", "b", found=1, expected="2"), False, True),
        (KeyboardInterrupt(), False, True),
    ],
)
def test_only_a_refusal_takes_back_what_was_begun(tmp_path, error, has_begun, is_left):
    made = (tmp_path / "new" / "deep", tmp_path / "new" / "deep" / "journal")

    with pytest.raises(type(error)), unless_refused(*made, has_begun=lambda: has_begun):
        make(tmp_path / "new")
        raise error

    assert (tmp_path / "new").exists() == is_left


def test_a_refusal_takes_nothing_that_was_there_or_that_is_somebody_elses(tmp_path):
    (tmp_path / "old").mkdir()
    made = (tmp_path / "old", tmp_path / "old" / "deep", tmp_path / "old" / "deep" / "journal")

    with pytest.raises(BadInput), unless_refused(*made):
        make(tmp_path / "old")
        (tmp_path / "old" / "deep" / "notes").write_text("mine")
        raise BadInput("a", "b", found=1, expected="2")

    assert names(tmp_path) == ["old", "old/deep", "old/deep/notes"]
