"""Runs tests over broken modules, one after the other, in forks of one process.

What takes long, importing torch and MuJoCo, is done once. A fork then imports the project anew,
with one module's source edited on the way in: nothing is copied, and nothing is left behind.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import Any, NamedTuple, NoReturn, Self

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "torch.func", "mujoco", "scipy.stats", "hypothesis", "onnxruntime")
OURS = ("training", "sim2real")


class Outcome(NamedTuple):
    """What came of one test, or of one case of it."""

    test: str
    """its node id"""
    outcome: str
    """passed, failed, skipped"""
    message: str
    """of what it failed by"""


class BrokenModules:
    """The process that forks; a context manager."""

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "tests.mutations.broken"]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def run(self, file: str, source: str, tests: Sequence[str]) -> tuple[list[Outcome], str]:
        """The outcomes of `tests` where the module in `file` has `source`; and what was printed."""
        assert self._process.stdin is not None and self._process.stdout is not None
        request = {"file": file, "source": source, "tests": list(tests)}
        print(json.dumps(request), file=self._process.stdin, flush=True)
        answer = json.loads(self._process.stdout.readline())
        return [Outcome(*each) for each in answer["outcomes"]], answer["printed"]


class _Edited(SourceFileLoader):
    """Loads a module from another source than its file holds, and caches nothing."""

    def __init__(self, name: str, path: str, source: str) -> None:
        super().__init__(name, path)
        self._source = source

    def get_code(self, fullname: str) -> CodeType:
        return compile(self._source, self.path, "exec", dont_inherit=True)


class _Finder(MetaPathFinder):
    def __init__(self, file: str, source: str) -> None:
        self._name = file.removesuffix(".py").replace("/", ".")
        self._path, self._source = str(ROOT / file), source

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        if fullname != self._name:
            return None
        loader = _Edited(fullname, self._path, self._source)
        return importlib.util.spec_from_file_location(fullname, self._path, loader=loader)


class _Listener:
    """A plugin of pytest that notes outcomes, and keeps the edited source before all others."""

    def __init__(self, finder: _Finder) -> None:
        self._finder = finder
        self.outcomes: list[Outcome] = []

    def pytest_sessionstart(self) -> None:
        """By now pytest is ready to load modules that are called `…_test` by itself."""
        sys.meta_path.insert(0, self._finder)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.outcome != "passed":
            crash = getattr(report.longrepr, "reprcrash", None)
            message = str(report.longrepr or "") if crash is None else crash.message
            self.outcomes.append(Outcome(report.nodeid, report.outcome, message))


def _run_in_fork(file: str, source: str, tests: Sequence[str]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        answer, printed = Path(folder, "answer"), Path(folder, "printed")
        child = os.fork()
        if child == 0:
            _run_here(file, source, tests, answer, printed)
        os.waitpid(child, 0)
        outcomes = json.loads(answer.read_text()) if answer.exists() else []
        return {"outcomes": outcomes, "printed": printed.read_text(errors="replace")}


def _run_here(
    file: str, source: str, tests: Sequence[str], answer: Path, printed: Path
) -> NoReturn:
    """In the fork: run the tests, write what came of them, and leave without any clean-up."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for stream in (1, 2):
        os.dup2(os.open(printed, os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream)
    try:
        finder = _Finder(file, source)
        sys.meta_path.insert(0, finder)  # for what plugins import
        listener = _Listener(finder)
        options = ["-p", "no:cacheprovider", "-p", "no:randomly", "-p", "no:xdist", "--tb=short"]
        options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
        pytest.main([*options, *tests], plugins=[listener])
        answer.write_text(json.dumps(listener.outcomes))
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def main() -> None:
    """Answer requests, one JSON object a line, until there are no more."""
    for name in HEAVY:
        importlib.import_module(name)
    ours = [name for name in sys.modules if name.split(".")[0] in OURS]
    assert not ours, f"imported before they could be broken: {ours}"
    for line in sys.stdin:
        print(json.dumps(_run_in_fork(**json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
