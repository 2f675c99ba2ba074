"""What comes from outside of a verb: Ctrl-C, full disks, read-only folders, odd outputs.

All of it is one line, and nothing that was finished is lost. Ctrl-C comes at ten moments of every
verb that works for long, drawn from a seed over as long as the verb takes here.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.forked import Ended, ForkedVerbs
from tests.test_printing import SETTINGS
from training.runs.interrupt import ASKED

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[1]
BUNDLE = ROOT / "bundles" / "valve_turn"
NUM_MOMENTS = 10
OF_VALVES = {
    "num_train_tasks": 2, "num_test_tasks": 1, "num_iterations": 1, "num_initial_steps": 30,
    "num_prior_steps": 30, "num_extra_steps": 30, "encoder_hidden_sizes": 8,
    "context_batch_size": 8, "tasks_per_iteration": 1, "batch_size": 8,
}  # fmt: skip
CLAW_RUN = {**dict(one.split("=") for one in SETTINGS), **OF_VALVES}
SCRIPT = (
    "--num-steps", "2", "--hold-s", "0.5", "--swing-hz", "2.0", "--approach-s", "0.5",
    "--rest-s", "0.2",
)  # fmt: skip
COMMANDS = {
    "train": ("pearl-point-robot", "--out", "out", "--settings", *SETTINGS),
    "evaluate": (BUNDLE, "--out", "out", "--num-tasks", "1", "--num-episodes", "2"),
    "tasks": ("valve_turn", "out"),
    "plan": (BUNDLE, "out"),
    "gap": ("../a.mcap", "../b.mcap", "--out", "out"),
    "excite": ("out.mcap", *SCRIPT),
    "export": ("../run", "out", "--num-tasks", "1"),
}
REPEATED = ("tasks", "plan", "gap", "export")
"""verbs whose files are the same in every run"""


@pytest.fixture(scope="module")
def verbs() -> Iterator[ForkedVerbs]:
    with ForkedVerbs() as verbs:
        yield verbs


@pytest.fixture(scope="module")
def inputs(verbs, tmp_path_factory) -> Path:
    """A run of the claw, and two recordings."""
    folder = tmp_path_factory.mktemp("interrupted")
    settings = [f"{name}={value}" for name, value in CLAW_RUN.items()]
    train = ("train", "pearl-valve-turn", "--out", "run", "--quiet", "--settings", *settings)
    for words in (train, ("excite", "a.mcap", *SCRIPT), ("excite", "b.mcap", *SCRIPT)):
        assert verbs.run(folder, words).code == 0
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def what_is_left(folder: Path) -> list[str]:
    return [str(path) for path in folder.rglob("*") if ".part" in path.name or ".old" in path.name]


@pytest.mark.parametrize("verb", COMMANDS)
def test_at_ten_moments(verbs, inputs, verb):
    words = (verb, *COMMANDS[verb])
    whole = fresh(inputs / f"{verb}-whole")
    reference = verbs.run(whole, words)
    assert reference.code == 0, reference.error
    clock, num_interrupted, seconds = random.Random(verb), 0, reference.seconds

    for number in range(NUM_MOMENTS):
        moment_s = clock.uniform(0.02, 0.95) * seconds
        folder = fresh(inputs / f"{verb}-{number}")
        ended = verbs.run(folder, words, [moment_s])

        num_interrupted += ended.code == 130
        if ended.code == 0:  # whole before it was told: the machine has less else to do by now
            seconds = min(seconds, ended.seconds)
        require_said(ended, verb)
        assert what_is_left(folder) == []
        if verb in REPEATED:
            require_whole_files(folder, whole)
        if verb in ("train", "evaluate") and number % 3 == 0:
            resumed = verbs.run(folder, (*words, "--resume"))
            assert resumed.code == 0, resumed.error
    assert num_interrupted > NUM_MOMENTS // 2


def fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def require_said(ended: Ended, verb: str) -> None:
    """One line, and in training one more at once; unless it was done before."""
    lines = [line for line in ended.error.splitlines() if line]
    if ended.code == 0:
        lines = [line for line in lines if line not in ASKED.decode()]
        assert not lines, ended
        return
    assert ended.code == 130, ended
    assert lines[-1].startswith(f"taskbelief {verb}: interrupted"), ended
    assert lines[:-1] in ([], [ASKED.decode().strip()] if verb == "train" else []), ended


def require_whole_files(folder: Path, whole: Path) -> None:
    expected = contents(whole)
    for name, content in contents(folder).items():
        assert content == expected[name], name


def test_a_stop_that_training_puts_off_is_answered_at_once(verbs, inputs):
    longer = [one for one in SETTINGS if not one.startswith(("num_iter", "num_grad"))]
    settings = (*longer, "num_iterations=1", "num_gradient_steps=1000000")
    words = ("train", "pearl-point-robot", "--out", "out", "--settings", *settings)
    folder = fresh(inputs / "answered")

    ended = verbs.run(folder, words, [2.0, 4.0], once="out/metrics.csv")  # an iteration begins

    assert ended.code == 130
    assert ended.error.splitlines() == [
        *ASKED.decode().splitlines(),
        "taskbelief train: interrupted",
    ]
    assert 0 <= ended.answered_s < 0.5
    assert ended.after_signal_s < 3.0
    assert what_is_left(folder) == []


# ---- outputs and places ------------------------------------------------------------------------

WRITERS = ("plan", "gap", "excite", "export")
"""verbs that test_printing.py does not try"""


@pytest.mark.parametrize("verb", WRITERS)
@pytest.mark.parametrize(
    ("stdout", "encoding", "code"),
    [("", "ascii", 0), ("closed", "utf-8", 0), ("/dev/full", "utf-8", 1)],
)
def test_printing_ends_no_work(verbs, inputs, verb, stdout, encoding, code):
    folder = fresh(inputs / f"{verb}-printing")
    ended = verbs.run(folder, (verb, *COMMANDS[verb]), stdout=stdout, encoding=encoding)

    assert ended.code == code, ended
    assert ended.error.count("\n") == code
    assert what_is_left(folder) == []
    assert (folder / ("out.mcap" if verb == "excite" else "out")).exists()


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("needs a user who may mount")
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if subprocess.run(mount).returncode != 0:
        pytest.skip("no right to mount")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("verb", WRITERS)
def test_a_read_only_folder_is_refused_before_the_work(verbs, inputs, verb, tmp_path):
    with mounted(tmp_path / "disk", "ro,size=64k") as disk:
        ended = verbs.run(disk, in_place(verb, inputs))

    assert ended.code == 2, ended
    assert "Read-only file system" in ended.error
    assert (ended.error.count("\n"), ended.out) == (1, "")


@pytest.mark.parametrize("verb", WRITERS)
def test_a_full_disk_is_one_line(verbs, inputs, verb, tmp_path):
    with mounted(tmp_path / "disk", "size=64k") as disk:
        (disk / "older").write_bytes(bytes(60 * 1024))
        ended = verbs.run(disk, in_place(verb, inputs))
        left = sorted(path.name for path in disk.rglob("*") if path.is_file())

    assert ended.code == 1, ended
    assert "No space left on device" in ended.error
    assert ended.error.count("\n") == 1
    assert left == ["older"] or verb == "excite", "of a recording, what was written can be read"


def in_place(verb: str, inputs: Path) -> tuple[object, ...]:
    """The verb's command, from any folder."""
    words = (str(word).replace("../", f"{inputs}/") for word in COMMANDS[verb])
    return (verb, *words)
