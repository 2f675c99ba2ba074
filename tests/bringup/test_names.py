"""A node's name is held once on a machine."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from sim2real.bringup.names import Taken, taken

HOLD = """
import sys
from sim2real.bringup.names import taken
with taken(["/left/driver"]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def runtime_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("ROS_DOMAIN_ID", "3")


def test_a_name_is_refused_while_another_process_holds_it_and_free_once_that_is_killed():
    command = [sys.executable, "-c", HOLD]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, env=os.environ.copy()) as other:
        assert other.stdout is not None and other.stdout.readline() == b"held\n"
        with pytest.raises(Taken, match=r"^/left/driver$"), taken(["/left/policy", "/left/driver"]):
            pass
        with taken(["/left/policy", "/right/driver", "/driver", "/left/driver/driver"]):
            pass
        other.kill()
    with taken(["/left/driver"]):
        pass


def test_domains_have_names_of_their_own(monkeypatch):
    with taken(["/driver"]):
        monkeypatch.setenv("ROS_DOMAIN_ID", "4")
        with taken(["/driver"]):
            pass
