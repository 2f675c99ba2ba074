"""The one reader of text that a person may have written: YAML and JSON files, and lines of them.

What it returns says what the file says. Refused are, in one line with place and remedy: what is no
file that can be read, no UTF-8, empty or no mapping; a key that is there twice, of which a parser
would keep the last; numbers that are none; and plain YAML that is read as something else than what
stands there (`5e-2` is text, `010` is eight, `1:30` is ninety, `off` is false).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from sim2real.contract.errors import BadInput

MAX_BYTES = 64 * 2**20
"""task sets and results are a few megabytes; nothing larger is read into memory"""
MAX_SHOWN = 80
"""characters of a parser's complaint"""

Document = dict[str, Any]


def read_yaml(path: Path, expected: str, remedy: str = "") -> Document:
    """The mapping that a YAML file holds; `expected` says what kind of file should be there.

    Raises `BadInput` for everything that is described above.
    """
    return parse_yaml(read_text(path, expected, remedy), str(path), expected)


def read_json(path: Path, expected: str, remedy: str = "") -> Document:
    """The object that a JSON file holds; as `read_yaml`."""
    return parse_json(read_text(path, expected, remedy), str(path), expected)


def read_text(path: Path, expected: str, remedy: str = "") -> str:
    """A file's text; it may begin with a byte order mark. Raises `BadInput` naming the file."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise BadInput(
            str(path), "file", found="nothing", expected=expected, remedy=remedy
        ) from None
    except IsADirectoryError:
        raise BadInput(
            str(path), "file", found="a folder", expected=expected, remedy=remedy
        ) from None
    except (OSError, ValueError) as error:  # a name with a zero in it is no name
        found = error.strerror if isinstance(error, OSError) else str(error)
        raise BadInput(str(path), "file", found=found, expected=f"{expected} to read") from None
    if len(content) > MAX_BYTES:
        found = f"more than {MAX_BYTES} bytes"
        raise BadInput(str(path), "file", found=found, expected=expected)
    return decoded(content, str(path))


def decoded(content: bytes, where: str) -> str:
    """UTF-8 text. Raises `BadInput` that says which line is something else."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise BadInput(
            where, "file", found="UTF-16", expected="UTF-8 text", remedy="save it as UTF-8"
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        found = f"byte 0x{content[error.start]:02x}"
        raise BadInput(
            where, f"line {line}", found=found, expected="UTF-8 text", remedy="save it as UTF-8"
        ) from None


# ---- JSON --------------------------------------------------------------------------------------


def parse_json(text: str, where: str, expected: str = "a JSON object") -> Document:
    """The object in a text; `where` names its place. Raises `BadInput`."""
    try:
        document = json.loads(
            text,
            object_pairs_hook=_without_repeats,
            parse_constant=_no_number,
            parse_float=_finite,
        )
    except json.JSONDecodeError as error:
        found = error.msg if text.strip() else "nothing"
        raise BadInput(where, f"line {error.lineno}", found=found, expected="JSON") from None
    except RecursionError:
        raise BadInput(where, "file", found="nested too deeply", expected=expected) from None
    except ValueError as error:  # of the hooks below, and numbers of thousands of digits
        raise BadInput(where, "file", found=str(error), expected="JSON") from None
    return _mapping(document, where, expected)


def _without_repeats(pairs: list[tuple[str, Any]]) -> Document:
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        repeated = sorted({name for name in names if names.count(name) > 1})
        raise ValueError(f"repeated keys {repeated}")
    return dict(pairs)


def _no_number(text: str) -> float:
    raise ValueError(f"{text}, which is no number in JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text}, which is too large")
    return value


# ---- YAML --------------------------------------------------------------------------------------


def parse_yaml(text: str, where: str, expected: str = "a mapping") -> Document:
    """The mapping in a text; `where` names its place. Raises `BadInput`."""
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is not None:
            for at, line, found, wanted, remedy in _misread(node, loader.tagged):
                field = f"{at or 'file'} (line {line})"
                raise BadInput(where, field, found=found, expected=wanted, remedy=remedy)
        document = None if node is None else loader.construct_document(node)
    except BadInput:
        raise
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        field = "file" if mark is None else f"line {mark.line + 1}"
        found = " ".join((error.problem or str(error)).split())[:MAX_SHOWN]
        raise BadInput(where, field, found=found, expected="YAML") from None
    except RecursionError:
        raise BadInput(where, "file", found="nested too deeply", expected=expected) from None
    except (yaml.YAMLError, ValueError) as error:  # characters, and numbers beyond all bounds
        found = " ".join(str(error).split())[:MAX_SHOWN]
        raise BadInput(where, "file", found=found, expected="YAML") from None
    return _mapping(document, where, expected)


class _Loader(yaml.SafeLoader):
    """Notes which scalars have their type written beside them: those mean what they say."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.tagged: set[int] = set()

    def compose_scalar_node(self, anchor: Any) -> yaml.ScalarNode:
        has_tag = self.peek_event().tag not in (None, "!")  # type: ignore[no-untyped-call]
        node: yaml.ScalarNode = super().compose_scalar_node(anchor)
        if has_tag:
            self.tagged.add(id(node))
        return node


Misread = tuple[str, int, str, str, str]
"""place in the file, line, what was found, what was expected, remedy"""


def _misread(
    node: yaml.Node, tagged: set[int], at: str = "", seen: set[int] | None = None
) -> Iterator[Misread]:
    """What a parser would read otherwise than a person; aliases are looked at once."""
    seen = set() if seen is None else seen
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.ScalarNode) and node.style is None and id(node) not in tagged:
        problem = _problem(node.value, node.tag)
        if problem is not None:
            yield at, node.start_mark.line + 1, node.value, *problem
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _misread(item, tagged, f"{at}[{index}]", seen)
    elif isinstance(node, yaml.MappingNode):
        names: set[str] = set()
        for key, value in node.value:
            yield from _key(key, tagged, at, names)
            yield from _misread(value, tagged, f"{at}.{key.value}" if at else key.value, seen)


def _key(key: yaml.Node, tagged: set[int], at: str, names: set[str]) -> Iterator[Misread]:
    """A key is text, and there once; `names` are those before it."""
    line, place = key.start_mark.line + 1, f"{at}." if at else ""
    if not isinstance(key, yaml.ScalarNode):
        yield at, line, "a list or mapping as a key", "text", ""
        return
    yield from _misread(key, tagged, f"{place}{key.value}")
    if key.tag not in (_TEXT, _MERGE):
        remedy = f"put it in quotes: '{key.value}'"
        yield f"{place}{key.value}", line, key.value, "text as a key", remedy
    if key.value in names:
        yield f"{place}{key.value}", line, "the same key a second time", "every key once", ""
    names.add(key.value)


_TEXT, _MERGE = "tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"
_INT, _FLOAT = "tag:yaml.org,2002:int", "tag:yaml.org,2002:float"
_BOOL, _DATE = "tag:yaml.org,2002:bool", "tag:yaml.org,2002:timestamp"
_NUMBER = re.compile(r"[-+]?(\d[\d_]*\.?[\d_]*|\.\d[\d_]*)([eE][-+]?\d+)?")
_NO_NUMBER = re.compile(r"[-+]?\.?(nan|inf|infinity)", re.IGNORECASE)


def _problem(text: str, tag: str) -> tuple[str, str] | None:
    """(expected, remedy) for a plain scalar that is read as what it does not look like."""
    in_quotes = f"in quotes if it is text: '{text}'"
    if tag == _BOOL and text.lower() not in ("true", "false"):
        return "true or false", in_quotes
    if tag == _DATE:
        return "text or a number, as no field is a date", in_quotes
    if tag in (_FLOAT, _TEXT) and _NO_NUMBER.fullmatch(text):
        return "a finite number", in_quotes
    if tag in (_INT, _FLOAT) and ":" in text:
        return "a number without colons: YAML counts them in sixties", in_quotes
    if tag == _INT and re.fullmatch(r"[-+]?0[0-7_]+", text):
        plain = text.replace("_", "")
        return f"{int(plain, 10)}: a leading zero makes it octal", in_quotes
    if tag == _TEXT and _NUMBER.fullmatch(text):
        return f"{_as_yaml(text)}: YAML reads this as text, not as a number", in_quotes
    if tag == _FLOAT and not math.isfinite(float(text.replace("_", ""))):
        return "a finite number", ""
    return None


def _as_yaml(text: str) -> str:
    """The same number as YAML reads it."""
    value = float(text.replace("_", ""))
    if not math.isfinite(value):
        return "a finite number"
    whole = re.fullmatch(r"[-+]?[\d_]+", text) is not None
    dumped: str = yaml.safe_dump(int(value) if whole else value)
    return dumped.split("\n")[0]


def _mapping(document: Any, where: str, expected: str) -> Document:
    if not isinstance(document, dict):
        names = {type(None): "nothing", list: "a list", str: "text"}
        found = names.get(type(document), f"{document!r}")
        raise BadInput(where, "file", found=found, expected=f"a mapping: {expected}")
    return document
