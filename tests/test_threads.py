"""Threads of torch that wait for each other leave a busy machine its cores."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping

import pytest

PROGRAM = "import training.cli, os; print(os.environ.get('GOMP_SPINCOUNT'))"


@pytest.mark.parametrize(
    ("given", "then"),
    [
        ({}, "3000"),
        ({"GOMP_SPINCOUNT": "7"}, "7"),
        ({"OMP_WAIT_POLICY": "active"}, "None"),
    ],
)
def test_they_spin_briefly_unless_the_environment_says_how_they_wait(
    given: dict[str, str], then: str
) -> None:
    names = {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"}
    rest = {name: value for name, value in os.environ.items() if name not in names}
    assert said_by(PROGRAM, rest | given) == then


def test_torch_is_loaded_later_than_that_is_set() -> None:
    assert said_by("import sys, training; print('torch' in sys.modules)", os.environ) == "False"


def said_by(program: str, environment: Mapping[str, str]) -> str:
    command = [sys.executable, "-c", program]
    return subprocess.check_output(command, env=environment, text=True).strip()
