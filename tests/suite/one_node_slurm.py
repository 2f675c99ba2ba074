"""A real Slurm of one node, in a folder of its own: munge, controller and node, and nothing else.

Its programs are those of Debian's packages, installed, or unpacked into a folder:

    apt-get download slurmctld slurmd slurm-client slurm-wlm-basic-plugins libslurm38 \\
        munge libmunge2 libhwloc15 && for each in *.deb; do dpkg -x $each FOLDER; done
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

_PLUGINS = "usr/lib/x86_64-linux-gnu/slurm-wlm"
_WAIT_S = 120.0
_CONFIGURATION = """
ClusterName=scratch
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CredType=cred/munge
PluginDir={root}/{plugins}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
MpiDefault=none
KillWait=5
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


@contextmanager
def one_node_slurm(root: Path, folder: Path) -> Iterator[Mapping[str, str]]:
    """The environment in which it is the Slurm that is there; `root` holds the programs."""
    for name in ("munge", "state", "spool"):
        (folder / name).mkdir(parents=True, mode=0o700)
    libraries = [str(root / _PLUGINS), str((root / _PLUGINS).parent)]
    environment = {
        **os.environ,
        "SLURM_CONF": str(folder / "slurm.conf"),
        "PATH": f"{root / 'usr/bin'}:{os.environ['PATH']}",
    }
    if root != Path("/"):
        environment["LD_LIBRARY_PATH"] = ":".join(libraries)
    host = socket.gethostname().partition(".")[0]
    user = "root" if os.getuid() == 0 else os.environ["USER"]
    names = {"host": host, "user": user, "folder": folder, "root": root, "plugins": _PLUGINS}
    (folder / "slurm.conf").write_text(_CONFIGURATION.format(ports=_free_ports(), **names))
    key = folder / "munge" / "key"
    key.write_bytes(os.urandom(32))
    key.chmod(0o400)
    programs = _programs(root, folder)
    running = [subprocess.Popen(words, env=environment) for words in programs]
    try:
        _wait_until_idle(environment)
        yield environment
    finally:
        for process in reversed(running):
            process.send_signal(signal.SIGTERM)
            process.wait(_WAIT_S)


def _programs(root: Path, folder: Path) -> list[list[str]]:
    """Command lines of the three, in the foreground."""
    sbin, munge = root / "usr/sbin", folder / "munge"
    places = {"socket": "socket", "key-file": "key", "log-file": "log", "pid-file": "pid"}
    places["seed-file"] = "seed"
    options = [f"--{option}={munge / name}" for option, name in places.items()]
    return [
        [str(sbin / "munged"), "--foreground", "--force", *options],
        [str(sbin / "slurmctld-wlm"), "-D"],
        [str(sbin / "slurmd-wlm"), "-D", "-d", str(sbin / "slurmstepd-wlm")],
    ]


def _wait_until_idle(environment: Mapping[str, str]) -> None:
    until, sinfo = time.monotonic() + _WAIT_S, shutil.which("sinfo", path=environment["PATH"])
    assert sinfo is not None
    while True:
        words = [sinfo, "--noheader", "--format=%t"]
        said = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
        if said.stdout.strip() == "idle":
            return
        assert time.monotonic() < until, said
        time.sleep(0.5)


def _free_ports() -> tuple[int, int]:
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", 0))
        second.bind(("127.0.0.1", 0))
        return first.getsockname()[1], second.getsockname()[1]
