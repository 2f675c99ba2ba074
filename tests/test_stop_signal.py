"""However often and however fast somebody asks to stop, it stops."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from sim2real.stop_signal import stop_put_off, stop_signal

PATIENCE_S = 60.0
WAITING = """
import sys
from sim2real.stop_signal import stop_signal
with stop_signal() as stop:
    print("up", flush=True)
    stop.wait()
    sys.stdin.read()
"""


def test_a_stop_is_remembered_with_the_signal_that_came_first():
    with stop_signal() as stop:
        assert not stop.is_given
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        stop.wait()

        assert stop.number == signal.SIGTERM


def test_something_else_may_be_over_first():
    with stop_signal() as stop:
        stop.wait(lambda: True)

        assert not stop.is_given


def test_afterwards_signals_do_what_they_did():
    before = signal.getsignal(signal.SIGINT)
    with stop_signal():
        assert signal.getsignal(signal.SIGINT) != before

    assert signal.getsignal(signal.SIGINT) == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_that_is_put_off_comes_at_the_end_of_the_block(number):
    done = []

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    earlier = signal.signal(number, stop)
    try:
        with pytest.raises(KeyboardInterrupt), stop_put_off():
            signal.raise_signal(number)
            done.append("the rest of the block")
    finally:
        signal.signal(number, earlier)

    assert done == ["the rest of the block"]


def test_without_a_stop_nothing_comes():
    with stop_put_off():
        pass


def test_on_another_thread_it_does_nothing():
    before, seen = signal.getsignal(signal.SIGINT), []

    def look() -> None:
        with stop_put_off():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()

    assert seen == [before]


@pytest.mark.slow
def test_a_storm_of_signals_does_not_hold_it_up():
    """A handler that took a lock was found to wait for itself in one run of thirty."""
    for _ in range(30):
        command = [sys.executable, "-c", WAITING]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment) as process:
            assert process.stdout is not None
            assert process.stdin is not None
            process.stdout.readline()
            for count in range(400):
                process.send_signal(signal.SIGTERM if count % 2 else signal.SIGINT)
            process.stdin.close()
            try:
                assert process.wait(PATIENCE_S) == 0
            finally:
                process.kill()
