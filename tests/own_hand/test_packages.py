"""Other packages bring robots, skills, families, recipes and algorithms; clashes are refused."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from sim2real.contract.errors import BadInput
from sim2real.contract.registry import Registry
from tests.own_hand.hands import TEMPLATE

ROOT = Path(__file__).parents[2]


def install(target: Path, name: str, version: str, groups: dict[str, dict[str, str]]) -> None:
    """What an installer leaves of a package: its metadata. The modules lie beside it already."""
    folder = target / f"{name.replace('-', '_')}-{version}.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    sections = [
        f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in points.items())
        for group, points in groups.items()
    ]
    (folder / "entry_points.txt").write_text("\n".join(sections))


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """A folder in which the template package is installed, as its pyproject.toml says."""
    target = tmp_path_factory.mktemp("site")
    shutil.copytree(TEMPLATE / "src", target, dirs_exist_ok=True)
    project = tomllib.loads((TEMPLATE / "pyproject.toml").read_text())["project"]
    install(target, project["name"], project["version"], project["entry-points"])
    return target


def taskbelief(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own that finds what is installed there."""
    environment = {**os.environ, "PYTHONPATH": f"{site}{os.pathsep}{ROOT}"}
    command = [sys.executable, "-m", "sim2real.cli", *arguments]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=600, check=False
    )


def test_what_the_template_brings_is_listed_like_everything_else(site):
    listed = taskbelief(site, "list")

    assert listed.returncode == 0, listed.stderr
    rows = [tuple(line.split(maxsplit=2)) for line in listed.stdout.splitlines()]
    assert ("robots", "dclaw4") in rows
    for kind, name in (
        ("robots", "pincer"),
        ("skills", "gentle_pose"),
        ("families", "gentle_pose"),
        ("recipes", "pearl-gentle-pose"),
    ):
        assert (kind, name, "taskbelief-pincer 0.1.0") in rows
    help_text = taskbelief(site, "train", "--help").stdout
    assert "pearl-gentle-pose" in help_text.replace("\n", " ")


def test_the_templates_recipe_is_trained_exported_and_evaluated_on_its_hand(site, tmp_path):
    run, bundle = str(tmp_path / "run"), str(tmp_path / "bundle")
    small = ("num_iterations=1", "num_train_tasks=2", "num_test_tasks=1", "hidden_sizes=8")
    small += ("encoder_hidden_sizes=8", "num_gradient_steps=1", "num_evaluation_trials=1")
    small += ("meta_batch_size=2", "batch_size=4", "context_batch_size=4", "tasks_per_iteration=1")
    for arguments in (
        ("train", "pearl-gentle-pose", "--out", run, "--quiet", "--settings", *small),
        ("export", run, bundle, "--num-tasks", "1"),
        ("evaluate", bundle, "--robot-config", "pincer", "--num-tasks", "1", "--quiet"),
    ):
        done = taskbelief(site, *arguments)
        assert done.returncode == 0, (arguments, done.stderr)

    without = taskbelief(tmp_path, "inspect", bundle)
    assert without.returncode == 2
    assert "gentle_pose" in without.stderr
    assert without.stderr.count("\n") == 1


def test_a_name_that_is_taken_is_refused_in_one_line(tmp_path):
    install(tmp_path, "greedy", "2.0", {"taskbelief.skills": {"pose": "greedy:Pose"}})

    refused = taskbelief(tmp_path, "list", "skills")

    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    for part in ("greedy 2.0", "skills.pose", "a name that taskbelief has"):
        assert part in refused.stderr


def test_two_packages_with_the_same_name_are_refused(tmp_path, monkeypatch):
    for name in ("one", "two"):
        install(tmp_path, name, "1.0", {"taskbelief.skills": {"tap": f"{name}:Tap"}})
    monkeypatch.syspath_prepend(str(tmp_path))

    with pytest.raises(BadInput, match=r"package (one|two) 1\.0: skills\.tap: .* (one|two) 1\.0"):
        list(Registry("skills", {}))


@pytest.mark.parametrize(
    ("module", "found"),
    [
        ("raise RuntimeError('no such servo')", "RuntimeError: no such servo"),
        ("import nowhere_to_be_found", "No module named 'nowhere_to_be_found'"),
        ("", "has no attribute 'Tap'"),
    ],
)
def test_a_broken_package_is_one_line_that_names_it_when_it_is_asked_for(
    tmp_path, monkeypatch, module, found
):
    name = f"broken_{len(module)}"
    (tmp_path / f"{name}.py").write_text(module)
    install(tmp_path, name.replace("_", "-"), "0.3", {"taskbelief.skills": {"tap": f"{name}:Tap"}})
    monkeypatch.syspath_prepend(str(tmp_path))
    skills = Registry("skills", {"pose": dict})

    assert list(skills) == ["pose", "tap"], "listed without being imported"
    assert skills["pose"] is dict, "the others are there"
    with pytest.raises(BadInput) as refusal:
        skills["tap"]
    assert str(refusal.value).startswith(f"package {name.replace('_', '-')} 0.3: skills.tap")
    assert found in str(refusal.value)
    assert "\n" not in str(refusal.value)
