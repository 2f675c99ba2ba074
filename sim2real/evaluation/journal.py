"""The journal of an evaluation: one finished episode a line, on disk before the next one begins.

Its first line says what is being measured, so that an evaluation that goes on is the one that was
begun. A line that a kill cut off is no line.
"""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

from sim2real.contract.errors import BadInput
from sim2real.contract.output_file import naming
from sim2real.contract.strict import build
from sim2real.contract.text_file import parse_json, read_text
from sim2real.evaluation.header import Header
from sim2real.evaluation.records import EpisodeRecord

JOURNAL = "journal.jsonl"


class Journal:
    """Episodes in the order in which they ended; `path` None: in memory only."""

    def __init__(self, header: Header, path: Path | None = None) -> None:
        self.header, self.path = header, path
        self.records: list[EpisodeRecord] = []

    @classmethod
    def begin(cls, folder: Path, header: Header) -> Journal:
        """A new one in a folder that is empty or not there.

        Raises `BadInput` for a folder that holds something.
        """
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            remedy = "--resume goes on with an evaluation"
            raise BadInput(
                str(folder), "--out", found="files", expected="an empty folder", remedy=remedy
            )
        folder.mkdir(parents=True, exist_ok=True)
        journal = cls(header, folder / JOURNAL)
        journal._write(header.to_json())
        return journal

    @classmethod
    def resume(cls, folder: Path, header: Header) -> Journal:
        """The one in `folder`, or a new one where there is none yet.

        Raises `BadInput` where it is of another evaluation, naming what differs, or damaged.
        """
        path = folder / JOURNAL
        if not path.is_file():
            return cls.begin(folder, header)
        begun, records = read_journal(path)
        header.require_same(begun, str(path))
        journal = cls(begun, path)
        journal.records = records
        _cut_off_partial_line(path)
        return journal

    def append(self, record: EpisodeRecord) -> None:
        """Note an episode; it is on disk when this returns."""
        line = json.dumps(dataclasses.asdict(record), allow_nan=False, separators=(",", ":"))
        self._write(line)
        self.records.append(record)

    def _write(self, line: str) -> None:
        if self.path is None:
            return
        with naming(self.path), self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())


def read_journal(path: Path) -> tuple[Header, list[EpisodeRecord]]:
    """What is measured, and the episodes; a last line without its end is left out.

    Raises `BadInput` naming the line that does not fit.
    """
    whole, _, _ = read_text(path, "a journal").rpartition("\n")
    first, *others = whole.splitlines() or [""]
    header = Header.from_json(first, f"{path} line 1")
    records = []
    for number, text in enumerate(others, start=2):
        where = f"{path} line {number}"
        line = parse_json(text, where, "an episode")
        records.append(build(EpisodeRecord, line, where))
    return header, records


def _cut_off_partial_line(path: Path) -> None:
    content = path.read_bytes()
    whole = content.rpartition(b"\n")[0] + b"\n"
    if len(whole) < len(content):
        with path.open("r+b") as file:
            file.truncate(len(whole))
            os.fsync(file.fileno())
