"""A property test that cannot fail proves nothing: each must fail where its code is broken."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mutations.defects import DEFECTS, Defect
from tests.mutations.defects_exact import EXACT_DEFECTS

ROOT = Path(__file__).parents[2]
COPIED = ("training", "sim2real")
LINKED = ("tests", "hardware_configs", "pyproject.toml")


def test_every_property_of_the_reference_has_a_defect() -> None:
    properties = {f"P{n}" for n in range(1, 16)}
    properties |= {f"{kind}{n}" for kind in "RS" for n in range(1, 6)}

    assert {defect.property for defect in DEFECTS} == properties


def test_every_property_of_tabular_exploration_has_a_defect() -> None:
    properties = {f"B{n}" for n in range(1, 9)} | {"V8", "V9", "exact"}

    assert {defect.property for defect in EXACT_DEFECTS} == properties


@pytest.mark.slow
@pytest.mark.parametrize(
    "defect", (*DEFECTS, *EXACT_DEFECTS), ids=lambda defect: f"{defect.property}, {defect.what}"
)
def test_tests_of_a_property_fail_where_its_code_is_broken(tmp_path: Path, defect: Defect) -> None:
    copy_with(defect, tmp_path)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rf", "--tb=line"]
    ended = subprocess.run(
        [*command, *defect.tests],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path), "COLUMNS": "400"},
        capture_output=True,
        text=True,
        timeout=300,
    )

    # 1: tests ran and failed. An import that breaks, or a test that is not there, ends otherwise.
    assert ended.returncode == 1, ended.stdout + ended.stderr
    for test in defect.tests:
        failures = re.findall(rf"^FAILED {re.escape(test)}\S* - (.*)$", ended.stdout, re.MULTILINE)
        assert failures, f"{test} passes with the defect"
        # By a check of its own, not because the broken code raised something.
        assert all(re.match(r"(assert|AssertionError|Failed)\b", each) for each in failures)


def copy_with(defect: Defect, folder: Path) -> None:
    """The packages in `folder`, with the defect in them; what the tests need else, linked."""
    for name in COPIED:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in LINKED:
        (folder / name).symlink_to(ROOT / name)
    source = (folder / defect.file).read_text()
    assert source.count(defect.old) == 1, f"{defect.file} has changed: {defect.old!r}"
    (folder / defect.file).write_text(source.replace(defect.old, defect.new))
