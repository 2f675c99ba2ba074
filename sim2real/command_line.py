"""The words after a verb, read by the verb's signature; what they do not fit is one line.

The library that reads them, tyro, draws a box over several lines and leaves the process. What it
says in the box is kept, its frame and the explanations below are not.
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
from collections.abc import Callable, Iterator
from typing import Any

SHELLS = (["bash"], ["zsh"], ["tcsh"], ["fish"])
COMPLETIONS = ("--tyro-print-completion", "--tyro-write-completion")
WIDE = "1000000"
"""columns of a terminal in which a box breaks no line"""
Call = Callable[[], Any]


class Misread(Exception):
    """Words that do not fit a verb's signature; the text is one line for a person."""


def command_line(command: Callable[..., Any], prog: str, words: list[str]) -> Call | int:
    """`command` with the arguments that `words` mean, to be called; or the exit code after help.

    Raises `Misread` for words that do not fit the signature.
    """
    if words and words[0].replace("_", "-") in COMPLETIONS and words[1:2] not in SHELLS:
        raise Misread(f"{words[0]}: expected one of {', '.join(word for (word,) in SHELLS)}")

    @functools.wraps(command)
    def later(*positional: Any, **named: Any) -> Call:
        return functools.partial(command, *positional, **named)

    with contextlib.redirect_stderr(io.StringIO()):
        outcome = _read(later, prog, words)
    if outcome != 2:
        return outcome
    said = io.StringIO()
    plain = contextlib.redirect_stdout(io.StringIO())  # no terminal: no colours, no UTF-8
    with _wide_terminal(), plain, contextlib.redirect_stderr(said):
        _read(later, prog, words)
    raise Misread(f"{_what_is_wrong(said.getvalue())}; {prog} --help explains it")


def _read(command: Callable[..., Call], prog: str, words: list[str]) -> Call | int:
    import tyro

    try:
        return tyro.cli(command, args=words, prog=prog)
    except SystemExit as stopped:
        return stopped.code if isinstance(stopped.code, int) else 0


@contextlib.contextmanager
def _wide_terminal() -> Iterator[None]:
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = WIDE
    try:
        yield
    finally:
        if before is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = before


def _what_is_wrong(box: str) -> str:
    """The box's first part, in one line: a title, a rule, that part, a rule, explanations."""
    title, *rows = (line.strip() for line in box.splitlines())
    said: list[str] = []
    for row in rows:
        if not row.strip("-"):  # a rule
            if said:
                break
        else:
            said.append(row)
    return " ".join(said) or title
