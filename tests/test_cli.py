"""The command line: exit codes, one line per refusal, verbs that exist."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys

import pytest

from sim2real import cli
from sim2real.cli import VERBS, main


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_leads_to_a_function_with_a_purpose(name):
    module, function = VERBS[name].function.split(":")

    assert callable(getattr(importlib.import_module(module), function))
    assert VERBS[name].purpose


def test_help_lists_every_verb(capsys):
    assert main(["--help"]) == 0

    printed = capsys.readouterr().out
    assert all(name in printed for name in VERBS)


def test_unknown_verb_is_bad_input(capsys):
    assert main(["juggle"]) == 2
    assert "usage" in capsys.readouterr().err


def test_a_reader_that_has_had_enough_is_no_crash(exported_bundles):
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "sim2real.cli", "inspect", "--json"]
    ended = subprocess.run(
        [*command, str(exported_bundles())], stdout=writer, stderr=subprocess.PIPE
    )
    os.close(writer)

    assert (ended.returncode, ended.stderr) == (141, b"")


def test_tasks_are_drawn_saved_and_hashed(tmp_path, capsys):
    out = tmp_path / "tasks.json"

    assert main(["tasks", "sparse_point_robot", str(out), "--num-train", "4"]) == 0

    assert json.loads(out.read_text())["sha256"] in capsys.readouterr().out


def test_bad_input_is_one_line_and_exit_code_2(tmp_path, capsys):
    assert main(["tasks", "valve_spin", str(tmp_path / "tasks.json")]) == 2

    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "'valve_spin'" in error
    assert "one of" in error
    assert not (tmp_path / "tasks.json").exists()


def test_a_missing_extra_is_named(monkeypatch, capsys):
    monkeypatch.setitem(
        cli.VERBS, "fly", cli.Verb(function="no_such_library:fly", purpose="-", extra="sim")
    )

    assert main(["fly"]) == 2
    assert "pip install 'taskbelief[sim]'" in capsys.readouterr().err


def test_interruption_is_130(monkeypatch, capsys):
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tyro.cli", interrupted)

    assert main(["tasks"]) == 130
