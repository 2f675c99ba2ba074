"""500 random command lines, walked from `VERBS`: each is refused in one line, or explained.

Every line holds something that cannot be meant among other things that may be meant or not, so
that no work is begun: half of them something that cannot be read as what the verb's signature asks
for, and half only what the verb itself has to find out. A verb that is added is covered by being
there.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import importlib
import inspect
import io
import random
import signal
import types
import typing
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sim2real.cli import VERBS, main

NUM_LINES = 500
NUM_PARTS = 5
FILES = (
    "adapted",
    "bench growth",
    "desiderata",
    "efficiency",
    "exact",
    "exact regret",
    "meta-test",
    "plot",
)
"""verbs whose `--out` is a file, not a folder"""
WRITTEN = ("out", "link", "record", "logs", "picture")
NO_FOLDERS = ("empty", "/proc/none", "empty/below", "nothing/../empty")
SERVING = ("evaluate", "plan", "bringup", "demo")
BUNDLE = Path(__file__).resolve().parents[1] / "bundles" / "valve_turn"
PATIENCE_S = 30
"""one line may take, on a busy machine; what is begun in earnest takes longer"""
ODD = ("", " ", "\x01", "a\nb", "\x1b[31m", "\udcff", "é", "☃", "a" * 300, "-", "--", "=", "'", "*")
"""what shells and clipboards hand over; bytes that are no UTF-8 arrive as surrogates"""
PATHS = (
    "nothing",
    "folder",
    "empty",
    "binary",
    "list.json",
    "map.yaml",
    "empty/below",
    "/dev/null",
)
UNKNOWN = ("--no-such-option", "--NO", "-z", "--=", "--\x1b", "---", "--no-such=3", "--\udcff")
NO_NUMBERS = ("x", "", "1.5.2", "0x", "--", "\x1b", "1e", "None3", "１e", "\udcff")
NUMBERS = ("1", "2", "0", "-1", "7")
HUGE = ("9" * 400, "1e999", "-0", "1e3", "0", str(2**63))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Option:
    """One parameter of a verb."""

    name: str
    hint: object
    is_needed: bool
    is_positional: bool

    @property
    def flag(self) -> str:
        return f"--{self.name.replace('_', '-')}"


def kinds_of(hint: object) -> tuple[object, ...]:
    """The plain types that a parameter may have; of a tuple, those of its members."""
    origin = typing.get_origin(hint)
    if origin in (types.UnionType, typing.Union, tuple):
        return tuple(one for each in typing.get_args(hint) for one in kinds_of(each))
    return () if hint in (types.NoneType, ...) else (hint,)


def is_list(hint: object) -> bool:
    return typing.get_origin(hint) is tuple


@functools.cache
def options_of(verb: str) -> tuple[Option, ...]:
    module, attribute = VERBS[verb].function.split(":")
    return tuple(_options(getattr(importlib.import_module(module), attribute)))


def _options(function: Callable[..., object]) -> Iterator[Option]:
    hints = typing.get_type_hints(function, include_extras=True)
    for name, parameter in inspect.signature(function).parameters.items():
        hint, marks = hints[name], ()
        if typing.get_origin(hint) is typing.Annotated:
            hint, *marks = typing.get_args(hint)
        if dataclasses.is_dataclass(hint):
            for field, one in typing.get_type_hints(hint).items():
                yield Option(name=field, hint=one, is_needed=False, is_positional=False)
            continue
        renamed = [one.name for one in marks if getattr(one, "name", None)]
        yield Option(
            name=renamed[0] if renamed else name,
            hint=hint,
            is_needed=parameter.default is inspect.Parameter.empty,
            is_positional=any("Positional" in repr(one) for one in marks),
        )


def maybe_meant(rng: random.Random, option: Option, *, is_readable: bool) -> str:
    """Something for an option that may be good or bad; where asked for, of its type at least."""
    kind = rng.choice(kinds_of(option.hint))
    if kind in (int, float):
        other = ("nan", "inf", "1e999") if kind is float else ("9" * 30,)
        return rng.choice((*NUMBERS, *(other if is_readable else (*NO_NUMBERS, *HUGE))))
    if kind is Path:
        return rng.choice((*PATHS, *ODD))
    if typing.get_origin(kind) is typing.Literal:
        choices = typing.get_args(kind)
        return rng.choice(choices if is_readable else (*choices, *ODD, "sideways"))
    return rng.choice((*ODD, *PATHS, "a=1", "valve_spin", "folder:0"))


def cannot_be_read(rng: random.Random, verb: str) -> list[str]:
    """Words that make any command line of the verb one that its signature does not fit."""
    flags = [one for one in options_of(verb) if not one.is_positional]
    bad: list[list[str]] = [[rng.choice(UNKNOWN)] for _ in range(3)]
    for option in flags:
        kinds = kinds_of(option.hint)
        if set(kinds) <= {int, float}:
            bad.append([option.flag, rng.choice(NO_NUMBERS)])
        elif all(typing.get_origin(kind) is typing.Literal for kind in kinds):
            bad.append([option.flag, rng.choice(("sideways", *ODD[:8]))])
        elif kinds != (bool,) and not is_list(option.hint):
            bad.append([option.flag])  # and no value, at the end
    if not any(is_list(one.hint) for one in options_of(verb)):
        bad.append(["folder", "too", "many", "words"])
    return rng.choice(bad)


def cannot_be_done(rng: random.Random, verb: str) -> list[str]:
    """Words that read well, and with which no work can be begun; else such as do not."""
    bad = []
    for option in options_of(verb):
        kinds = kinds_of(option.hint)
        if option.is_positional:
            continue
        if set(kinds) <= {int, float}:
            bad.append([option.flag, rng.choice(("-1", "-3"))])
        elif option.name in WRITTEN:
            is_file = verb in FILES or option.name == "picture"
            bad.append([option.flag, "folder" if is_file else rng.choice(NO_FOLDERS)])
        elif kinds == (Path,):
            bad += [[option.flag, rng.choice(PATHS)] for _ in range(3)]
    return rng.choice(bad) if bad else cannot_be_read(rng, verb)


def is_input(option: Option) -> bool:
    """Whether a verb needs it to begin, and nothing that a random word names can be it."""
    return option.is_needed and option.name not in (*WRITTEN, "robot")


def random_line(rng: random.Random, number: int) -> list[str]:
    """Needed words and options, good or bad; and last what cannot be meant."""
    verb, is_readable = rng.choice([*VERBS]), number % 2 == 0
    has_bundle = is_readable and rng.random() < 0.7
    words = [*verb.split()]
    for option in options_of(verb):
        if option.is_needed and (is_readable or rng.random() < 0.9):
            value = maybe_meant(rng, option, is_readable=is_readable)
            if option.name == "bundle" and verb in SERVING and has_bundle:
                value = str(BUNDLE)
            words += [value] if option.is_positional else [option.flag, value]
    flags = [one for one in options_of(verb) if not one.is_positional and one.name != "bundle"]
    for option in rng.choices(flags, k=rng.randint(0, 4)) if flags else ():
        value = [maybe_meant(rng, option, is_readable=is_readable)]
        words += [option.flag, *([] if kinds_of(option.hint) == (bool,) else value)]
        if rng.random() < 0.2:
            words += words[-2:]
    is_refused_anyway = str(BUNDLE) not in words and any(map(is_input, options_of(verb)))
    if not is_readable:
        words += cannot_be_read(rng, verb)
    elif not is_refused_anyway or rng.random() < 0.3:
        words += cannot_be_done(rng, verb)
    if rng.random() < 0.05:
        words.insert(rng.randint(0, len(words)), rng.choice(("--help", "-h")))
    if rng.random() < 0.05:
        words[0] = rng.choice((*ODD, "juggle", "bench", "exact-regret", f"{verb} "))
    return words


def filled(folder: Path) -> Path:
    """Things of other kinds than what is asked for."""
    (folder / "folder").mkdir()
    (folder / "empty").write_bytes(b"")
    (folder / "binary").write_bytes(bytes(range(256)))
    (folder / "list.json").write_text("[1, 2]")
    (folder / "map.yaml").write_text("a: 1\n")
    return folder


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): ""
        if path.is_dir()
        else hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
    }


@contextmanager
def patience(words: list[str]) -> Iterator[None]:
    def over(*_: object) -> None:
        raise AssertionError(f"begun in earnest: {words}")

    earlier = signal.signal(signal.SIGALRM, over)
    signal.alarm(PATIENCE_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, earlier)


def lines_of(part: int) -> list[list[str]]:
    rng = random.Random(f"part {part}")
    return [random_line(rng, number) for number in range(NUM_LINES // NUM_PARTS)]


@pytest.mark.parametrize("part", range(NUM_PARTS))
def test_a_random_command_line_is_refused_in_one_line(part, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(filled(tmp_path))
    monkeypatch.setattr("sys.stdin", io.StringIO())
    monkeypatch.setattr("sim2real.bringup.verb.become_supervisor", None)  # no other process
    before, counts = contents(tmp_path), Counter()
    for words in lines_of(part):
        with patience(words):
            code = main(words)
        said = capsys.readouterr()
        counts[code] += 1
        assert contents(tmp_path) == before, words
        if code == 0:
            assert {"--help", "-h"} & {*words}, words
            assert said.out.startswith("usage: taskbelief"), words
        elif words[0] == "doctor" and code == 1:  # its findings are what it prints
            assert (said.out[:7], said.err) == ("failed ", ""), words
        else:
            assert (code, said.out) == (2, ""), (words, said)
            assert said.err.count("\n") == 1, (words, said.err)
            assert said.err[:-1].isprintable(), words
            assert said.err.startswith("taskbelief"), words
    assert counts[2] > 0.8 * counts.total()


def test_every_verb_is_among_them():
    lines = [" ".join(words) for part in range(NUM_PARTS) for words in lines_of(part)]

    assert all(any(line.startswith(f"{verb} ") for line in lines) for verb in VERBS)


@pytest.mark.parametrize("words", [("bench sim", "--help"), ("exact regret", "--help")])
def test_a_verb_of_two_words_in_one_loses_none_of_what_follows(words, capsys):
    assert main(words) == 0
    assert "usage: taskbelief" in capsys.readouterr().out


@pytest.mark.parametrize("option", ["--tyro-print-completion", "--tyro-write-completion"])
def test_completion_for_a_shell_that_is_none_is_refused(option, tmp_path, capsys):
    assert main(["tasks", option, "nush", str(tmp_path / "file")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
