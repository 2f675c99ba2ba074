"""Every numeric option of every verb, walked from `VERBS`: what no number means is bad input.

A verb that is added is covered by being there; one with an option that may hold such a number has
to say so here.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import types
import typing
from collections.abc import Iterator

import pytest

from sim2real.cli import VERBS, main

NEEDED = {
    "bundle": "no-bundle",
    "run": "no-run",
    "runs": "no-run",
    "recipe": "pearl-point-robot",
    "recipes": "pearl-point-robot",
    "suite": "smoke",
    "family": "valve_turn",
    "a": "no-a",
    "b": "no-b",
    "robot": "emulated",
    "port": "no-port",
    "unit": "no-unit",
    "path": "no-path",
    "folder": "no-folder",
}
"""values of what has to be given, by name; files that are not there would be found out later"""
OUT = {
    "tasks": "t.json",
    "plan": "p.json",
    "excite": "e.mcap",
    "plot": "p.png",
    "exploration-study": "study",
    "benchmark": "suite",
}
ZERO_IS_NONE = {"num_steps", "soak_s"}
"""numbers of which 0 means that there shall be none"""
BELOW_ZERO, NOT_FINITE = "-1", ("nan", "inf", "-inf")


def numeric(hint: object) -> type | None:
    """int or float where a parameter is one, may be one, or is a tuple of them."""
    if hint in (int, float):
        return typing.cast(type, hint)
    origin = typing.get_origin(hint)
    if origin in (types.UnionType, typing.Union, tuple):
        found = {numeric(one) for one in typing.get_args(hint)} - {None}
        return found.pop() if len(found) == 1 else None
    return None


def parameters(function: object) -> Iterator[tuple[str, object, bool]]:
    """Name, type and whether it is needed; those of a dataclass of options as well."""
    hints = typing.get_type_hints(function)
    for name, parameter in inspect.signature(function).parameters.items():  # type: ignore[arg-type]
        hint = hints[name]
        if dataclasses.is_dataclass(hint):
            for field, one in typing.get_type_hints(hint).items():
                yield field, one, False
        else:
            yield name, hint, parameter.default is inspect.Parameter.empty


def is_positional(function: object, name: str) -> bool:
    hint = typing.get_type_hints(function, include_extras=True).get(name)
    return typing.get_origin(hint) is typing.Annotated and any(
        "Positional" in repr(one) for one in typing.get_args(hint)
    )


def cases() -> Iterator[tuple[str, str, str]]:
    for verb, entry in VERBS.items():
        module, function = entry.function.split(":")
        for name, hint, _ in parameters(getattr(importlib.import_module(module), function)):
            kind = numeric(hint)
            if kind is not None:
                bad = (BELOW_ZERO, *NOT_FINITE) if kind is float else (BELOW_ZERO,)
                if kind is float and name not in ZERO_IS_NONE:
                    bad = (*bad, "0")
                yield from ((verb, name, value) for value in bad)


CASES = list(cases())


def test_there_are_many():
    assert len({(verb, name) for verb, name, _ in CASES}) > 50


@pytest.mark.parametrize(("verb", "name", "value"), CASES)
def test_what_no_number_means_is_refused_by_name(verb, name, value, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    module, attribute = VERBS[verb].function.split(":")
    function = getattr(importlib.import_module(module), attribute)
    arguments = verb.split()
    for needed, _, is_needed in parameters(function):
        if is_needed and needed != name:
            given = OUT[verb] if needed == "out" else NEEDED[needed]
            option = [] if is_positional(function, needed) else [f"--{needed}"]
            arguments += [*option, given]
    option = f"--{name.replace('_', '-')}"
    if name in ("rate", "realtime_priority") and verb == "evaluate":
        arguments += ["--robot", "emulated"]

    try:
        code = main([*arguments, option, value])
    except SystemExit as stopped:
        code = stopped.code

    error = capsys.readouterr().err
    assert code == 2, error
    assert option in error
    assert "Traceback" not in error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("sweep", "pearl-point-robot", "--seeds"),
        ("meta-test",),
        ("plot", "--out", "p.png"),
        ("bench", "ros", "--rates"),
        ("bench", "sim", "--threads"),
        ("bench", "bus", "--bauds"),
        ("excite", "e.mcap", "--num-steps", "0", "--swing-hz"),
    ],
)
def test_nothing_to_do_is_not_done(arguments, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    try:
        code = main(arguments)
    except SystemExit as stopped:
        code = stopped.code

    assert code == 2
    assert "Traceback" not in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("rate", "is_one"), [("400", True), ("50", True), ("30", False), ("1000", False)]
)
def test_a_simulated_hand_is_read_between_two_steps(rate, is_one, tmp_path, capsys):
    arguments = ["excite", str(tmp_path / "e.mcap"), "--rate", rate, "--num-steps", "1"]

    code = main([*arguments, "--hold-s", "0.1", "--swing-hz", "5", "--approach-s", "0.1"])

    assert code == (0 if is_one else 2), capsys.readouterr().err
    assert bool(list(tmp_path.iterdir())) == is_one
