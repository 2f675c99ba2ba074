"""What a program finds in a report: numbers that say where they are from, scripts, links."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any


@dataclass(kw_only=True)
class Number:
    """One `data` element."""

    value: Any
    document: str
    at: str
    form: str
    text: str = ""


@dataclass(kw_only=True)
class Page:
    """A report, taken apart."""

    numbers: list[Number] = field(default_factory=list)
    embedded: dict[str, Any] = field(default_factory=dict)
    """JSON by the element's id"""
    links: list[str] = field(default_factory=list)
    """every href and src"""
    text: str = ""
    ids: list[str] = field(default_factory=list)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.page, self._number, self._json = Page(), None, None

    def handle_starttag(self, tag: str, pairs: list[tuple[str, str | None]]) -> None:
        attributes = dict(pairs)
        self.page.links += [
            attributes[name] or "" for name in ("href", "src") if name in attributes
        ]
        if "id" in attributes:
            self.page.ids.append(attributes["id"] or "")
        if tag == "data":
            self._number = Number(
                value=json.loads(attributes["value"]),
                document=attributes["data-from"],
                at=attributes["data-at"],
                form=attributes["data-form"],
            )
        if tag == "script" and attributes.get("type") == "application/json":
            self._json = attributes["id"]
            self.page.embedded[self._json] = ""

    def handle_data(self, data: str) -> None:
        if self._json is not None:
            self.page.embedded[self._json] += data
            return
        self.page.text += data
        if self._number is not None:
            self._number.text += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "data":
            self.page.numbers.append(self._number)
            self._number = None
        if tag == "script" and self._json is not None:
            self.page.embedded[self._json] = json.loads(self.page.embedded[self._json])
            self._json = None


def read_page(path: Path) -> Page:
    reader = _Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    reader.close()
    return reader.page
