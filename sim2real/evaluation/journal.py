"""The journal of an evaluation: one finished episode a line, on disk before the next one begins.

Its first line says what is being measured, so that an evaluation that goes on is the one that was
begun. A line that a kill cut off is no line.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sim2real.contract.errors import BadInput
from sim2real.contract.strict import build
from sim2real.evaluation.records import EpisodeRecord

JOURNAL = "journal.jsonl"


class Journal:
    """Episodes that are done, in the order in which they ended; `path` None: in memory only."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self.records: list[EpisodeRecord] = []

    @classmethod
    def begin(cls, folder: Path, header: Mapping[str, Any]) -> Journal:
        """A new one in a folder that is empty or not there.

        Raises `BadInput` for a folder that holds something.
        """
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            remedy = "--resume goes on with an evaluation"
            raise BadInput(
                str(folder), "--out", found="files", expected="an empty folder", remedy=remedy
            )
        folder.mkdir(parents=True, exist_ok=True)
        journal = cls(folder / JOURNAL)
        journal._write(header)
        return journal

    @classmethod
    def resume(cls, folder: Path, header: Mapping[str, Any]) -> Journal:
        """The one in `folder`, or a new one where there is none yet.

        Raises `BadInput` where it is of another evaluation, naming what differs, or damaged.
        """
        path = folder / JOURNAL
        if not path.is_file():
            return cls.begin(folder, header)
        found, records = read_journal(path)
        wanted = json.loads(json.dumps(header))
        for name in sorted(found.keys() | wanted.keys()):
            if found.get(name) != wanted.get(name):
                raise BadInput(
                    str(path),
                    name,
                    found=found.get(name),
                    expected=repr(wanted.get(name)),
                    remedy="repeat the options that it was begun with, or choose another --out",
                )
        journal = cls(path)
        journal.records = records
        _cut_off_partial_line(path)
        return journal

    def append(self, record: EpisodeRecord) -> None:
        """Note an episode; it is on disk when this returns."""
        self._write(dataclasses.asdict(record))
        self.records.append(record)

    def _write(self, line: Mapping[str, Any]) -> None:
        if self.path is None:
            return
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, allow_nan=False, separators=(",", ":")) + "\n")
            file.flush()
            os.fsync(file.fileno())


def read_journal(path: Path) -> tuple[dict[str, Any], list[EpisodeRecord]]:
    """Header and episodes; a last line without its end is left out.

    Raises `BadInput` naming the line that does not fit.
    """
    whole, _, _ = path.read_text(encoding="utf-8").rpartition("\n")
    lines: list[Any] = []
    for number, text in enumerate(whole.splitlines(), start=1):
        try:
            lines.append(json.loads(text))
        except json.JSONDecodeError as error:
            raise BadInput(str(path), f"line {number}", found=error.msg, expected="JSON") from None
    if not lines or not isinstance(lines[0], dict):
        raise BadInput(str(path), "line 1", found="nothing", expected="what is evaluated")
    records = [
        build(EpisodeRecord, line, str(path), f"line {number}")
        for number, line in enumerate(lines[1:], start=2)
    ]
    return lines[0], records


def _cut_off_partial_line(path: Path) -> None:
    content = path.read_bytes()
    whole = content.rpartition(b"\n")[0] + b"\n"
    if len(whole) < len(content):
        with path.open("r+b") as file:
            file.truncate(len(whole))
            os.fsync(file.fileno())
