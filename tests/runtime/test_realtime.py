"""Real-time scheduling, asked for and got, or refused with a reason."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from sim2real.contract.errors import BadInput
from sim2real.runtime.realtime import hurry_process, may_use_realtime, require_realtime

HURRIED = """
import os, threading
from sim2real.runtime.realtime import hurry_process

stop = threading.Event()
before = threading.Thread(target=stop.wait)
before.start()
hurry_process(1)
after = threading.Thread(target=stop.wait)
after.start()
ids = [thread.native_id for thread in threading.enumerate()]
print([os.sched_getscheduler(thread_id) == os.SCHED_FIFO for thread_id in ids])
stop.set()
"""


@pytest.mark.skipif(not may_use_realtime(1), reason="the system permits no SCHED_FIFO")
def test_all_threads_of_a_process_are_hurried_those_to_come_as_well():
    run = subprocess.run([sys.executable, "-c", HURRIED], capture_output=True, text=True)
    assert run.stdout.strip() == str([True] * 3), run.stderr


@pytest.mark.parametrize("hurry", [require_realtime, hurry_process])
def test_without_permission_it_is_refused_in_one_line(monkeypatch, hurry):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    with pytest.raises(BadInput, match=r"realtime_priority: found '7, refused: .*limits\.conf"):
        hurry(7)


def test_a_thread_that_has_ended_meanwhile_is_no_reason_to_fail(monkeypatch, tmp_path):
    monkeypatch.setattr("sim2real.runtime.realtime.TASKS", tmp_path)
    (tmp_path / "999999999").mkdir()
    gone = [*tmp_path.iterdir()]

    def vanish(*_):
        for task in gone:
            task.rmdir()
        raise ProcessLookupError(3, "No such process")

    monkeypatch.setattr(os, "sched_setscheduler", vanish)
    hurry_process(7)
