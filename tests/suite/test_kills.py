"""A machine may die at any moment: what is killed goes on, and the table is as if nothing was."""

from __future__ import annotations

import importlib.util
import json
import os
import time

import numpy as np
import pytest

from tests.suite.kills import VICTIMS, Killer
from tests.suite.small import SUITE, table_of, trainings_in

MANY = "TASKBELIEF_KILLS"
LONGER = SUITE.replace("num_iterations=24", "num_iterations=60")
needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray is not installed: taskbelief[ray]"
)


@pytest.fixture
def killer(tmp_path):
    suite = tmp_path / "suite.yaml"
    suite.write_text(LONGER)
    one = Killer(suite, tmp_path, seed=int(os.environ.get(f"{MANY}_SEED", "0")), longest_wait_s=6.0)
    yield one
    one.end()


@pytest.mark.slow
@needs_ray
@pytest.mark.skipif(MANY not in os.environ, reason=f"twenty kills take ten minutes: {MANY}=20")
def test_killed_many_times(killer, tmp_path, capsys):
    """Every kind equally often, as far as that goes, in an order that is drawn."""
    began, left = time.monotonic(), int(os.environ[MANY])
    rng = np.random.default_rng(left)
    kinds = [(engine, victim) for engine, victims in VICTIMS.items() for victim in victims]
    turns = [kinds[at] for _ in range(left) for at in rng.permutation(len(kinds))][:left]
    for engine, victim in sorted(turns, key=lambda turn: turn[0]):
        killer.strike(engine, victim)
    killer.finish("local")

    table = table_of(LONGER, tmp_path / "undisturbed")
    assert len(killer.killed) == left
    assert killer.codes[-1] == 0
    for out in killer.done:
        assert (out / "results.csv").read_bytes() == table
        assert trainings_in(out) == {}
    with capsys.disabled():
        print(json.dumps({"seconds": round(time.monotonic() - began), "codes": killer.codes}))
        for each in killer.killed:
            print(json.dumps(each._asdict()))
