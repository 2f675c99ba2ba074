"""A recording names what it was made with: robot, bundle and the code's own commit."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from sim2real.contract.errors import BadInput
from sim2real.contract.robot_spec import load_robot_spec
from sim2real.recording import metadata as module
from sim2real.recording.metadata import RecordingMetadata, git_commit

SPEC = load_robot_spec()


def test_robot_bundle_and_time_are_named(recorded):
    found = RecordingMetadata.of(SPEC, robot="serial", unit="claw7", bundle=recorded.bundle)

    assert (found.robot, found.robot_name, found.unit) == ("serial", "dclaw", "claw7")
    assert found.robot_fingerprint == SPEC.fingerprint
    assert found.bundle_digest == recorded.bundle.digest
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", found.recorded_at)
    assert RecordingMetadata.from_dict(found.as_dict(), "here") == found


@pytest.mark.parametrize(
    ("change", "field"), [({"robot": None}, "robot"), ({"colour": "red"}, "colour")]
)
def test_what_does_not_fit_is_refused_by_name(metadata, change, field):
    values = {k: v for k, v in (metadata.as_dict() | change).items() if v is not None}

    with pytest.raises(BadInput, match=f"here: metadata taskbelief.{field}"):
        RecordingMetadata.from_dict(values, "here")


def test_the_commit_is_that_of_the_code_and_of_no_project_around_it(tmp_path, monkeypatch):
    git = shutil.which("git")
    if git is None:
        pytest.skip("git is not installed")
    (tmp_path / "package").mkdir()
    copy = shutil.copy(module.__file__, tmp_path / "package" / "metadata.py")
    monkeypatch.setattr(module, "__file__", str(copy))
    assert git_commit() == "unknown"

    def run(*words: str) -> str:
        identity = ("-c", "user.name=someone", "-c", "user.email=someone@example.org")
        command = [git, "-C", str(tmp_path), *identity, *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    run("init", "-q")
    run("commit", "-q", "--allow-empty", "-m", "another project")
    assert git_commit() == "unknown"

    run("add", "package")
    run("commit", "-q", "-m", "this one")
    assert git_commit() == run("rev-parse", "HEAD")
    (tmp_path / "package" / "metadata.py").write_text("changed")
    assert git_commit() == f"{run('rev-parse', 'HEAD')} with local changes"
