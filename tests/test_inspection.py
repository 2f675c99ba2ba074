"""`inspect` of what is neither a bundle nor a recording says what it is, and what may be given."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path

import pytest

from sim2real.cli import VERBS, main
from sim2real.recognition import FILES, FOLDERS

ROOT = Path(__file__).resolve().parents[1]
BUNDLE = ROOT / "bundles" / "valve_turn"
DCLAW = ROOT / "hardware_configs" / "dclaw"


def refused(path: Path, capsys) -> str:
    """One line, exit code 2."""
    assert main(["inspect", str(path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    ("path", "found", "remedy"),
    [
        (BUNDLE / "policy.onnx", "a file of a bundle", f"taskbelief inspect {BUNDLE}"),
        (BUNDLE / "manifest.json", "a file of a bundle", f"taskbelief inspect {BUNDLE}"),
        (BUNDLE / "tasks.json", "a task set", "taskbelief evaluate BUNDLE --tasks"),
        (BUNDLE.parent, "a folder of bundles", "give one of them, as in"),
        (DCLAW / "robot.yaml", "a robot.yaml", "taskbelief doctor"),
        (DCLAW / "units" / "emulated.yaml", "the calibration of a unit", "taskbelief doctor"),
        (Path("/dev/null"), "neither a file nor a folder", "taskbelief doctor"),
    ],
)
def test_what_the_project_ships_is_known(path, found, remedy, capsys):
    line = refused(path, capsys)

    assert f"found '{found}'" in line
    assert remedy in line


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("bag_0.db3", b"SQLite format 3\0rest", "a rosbag2 recording in SQLite"),
        ("renamed", b"SQLite format 3\0rest", "a rosbag2 recording in SQLite"),
        ("old.bag", b"#ROSBAG V2.0\n", "a ROS 1 bag"),
        ("a.mcap.zstd", b"\x28\xb5\x2f\xfdrest", "a compressed file"),
        ("policy.onnx", b"\x08\x08", "an ONNX graph"),
        ("empty.json", b"", "an empty file"),
        ("faults.yaml", b"faults: []\n", "a plan of faults"),
        ("notes.txt", b"some words", "a file of another kind"),
        ("list.json", b"[1, 2]", "a file of another kind"),
        ("latin.yaml", b"unit: \xe9\n", "a file of another kind"),
    ],
)
def test_other_files_are_told_apart_by_what_they_hold(tmp_path, name, content, found, capsys):
    line = refused(write(tmp_path / name, content), capsys)

    assert f"found '{found}'" in line
    assert "rosbag2 folder" in line


@pytest.mark.parametrize(
    ("names", "found", "remedy"),
    [
        (["config.json", "tasks.json"], "a run of `taskbelief train`", "taskbelief export"),
        (["results.json", "journal.jsonl"], "an evaluation", "taskbelief report"),
        (["journal.jsonl"], "an evaluation that was not finished", "--resume"),
        (["bag_0.db3"], "a rosbag2 folder without its metadata.yaml", "ros2 bag reindex"),
        (["a.mcap", "b.mcap"], "a folder of recordings", "a.mcap"),
        (["gap.json"], "what `taskbelief gap` wrote", "--gap"),
        (["other"], "a folder of something else", ""),
        ([], "an empty folder", ""),
    ],
)
def test_folders_are_told_apart(tmp_path, names, found, remedy, capsys):
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in names:
        write(folder / name, "{}")

    line = refused(folder, capsys)

    assert f"found '{found}'" in line
    assert remedy in line


def test_what_the_verbs_write_is_known(tmp_path, capsys):
    plan, tasks = tmp_path / "plan.json", tmp_path / "own.json"
    assert main(["plan", str(BUNDLE), str(plan), "--num-tasks", "1"]) == 0
    assert main(["tasks", "point_robot", str(tasks), "--num-train", "1", "--num-test", "1"]) == 0
    capsys.readouterr()

    assert "found 'the plan of an evaluation'" in refused(plan, capsys)
    assert "found 'a task set'" in refused(tasks, capsys)


def test_a_pipe_is_not_waited_for(tmp_path, capsys):
    os.mkfifo(tmp_path / "pipe.mcap")

    assert "neither a file nor a folder" in refused(tmp_path / "pipe.mcap", capsys)


def test_a_name_that_no_file_can_have_is_one_line(capsys):
    assert "File name too long" in refused(Path("x" * 5000), capsys)


def test_a_damaged_bundle_is_still_a_bundle(tmp_path, capsys):
    write(tmp_path / "mine" / "policy.onnx", b"\x08")

    assert "manifest.json" in refused(tmp_path / "mine", capsys)
    assert main(["inspect", str(tmp_path / "mine"), "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["verified"] is False


@pytest.mark.parametrize("kind", [*FOLDERS, *FILES], ids=lambda kind: kind.name)
def test_remedies_name_verbs_and_options_that_exist(kind, capsys):
    for part in kind.remedy.replace("`", " ; ").split("taskbelief ")[1:]:
        words = shlex.split(part.partition(";")[0].replace("'", ""))
        verb = words[0].strip(",.;:")
        if verb not in VERBS:
            assert verb in ("records", "A")  # prose, not a command
            continue
        assert main([verb, "--help"]) == 0
        offered = capsys.readouterr().out
        for word in words:
            if word.startswith("--"):
                assert word in offered, f"{verb} {word}"
