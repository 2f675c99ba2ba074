"""Runs every command of README.md and docs/*.md: `python -m tests.docs.commands [PAGE …]`.

What a command is: a fenced block in `sh`, `bash` or `console`, or one without a language that
begins with a program (`PROGRAMS`); anything else is output, code or data. In a block with prompts
(`$ `) the other lines are output. A line that ends in a backslash goes on; `# …` is a comment;
`a | b | c` after `taskbelief bench` are three commands.

Every page gets a copy of the checkout of its own, so that it stands for itself, and an emulated
hand behind a port, whose calibration is copied as docs/first_day.md says. PORT, /dev/ttyUSB0,
SERIAL and UNIT become those. What would take hours is made smaller with options that are
documented, and what cannot run on this machine is left out; both stand in `RULES`, with the reason.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ("taskbelief", "make", "ros2", "python", "pytest", "export", ".", "echo", "cp", "sed")
SHELLS = ("sh", "bash", "console")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
UNIT = "rehearsal"
LIMIT_S = 240.0
"""one command may take"""
NUM_AGAIN = 2
"""times that a command in real time goes on where it stopped"""
WAIT_S = 60.0
"""until a command that never ends is up, and until it has ended"""


@dataclass(frozen=True, kw_only=True)
class Command:
    """One command of a page."""

    page: str
    line: int
    """of its block's first line"""
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}: {self.text}"


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What is done with commands that match."""

    pattern: str
    """regular expression, searched for in the command"""
    skip: str = ""
    """why it is not run; empty: it is"""
    options: str = ""
    """what makes it small enough; of an option that is given twice, the last counts"""
    until: str = ""
    """it runs until Ctrl-C: this is printed once it is up"""
    again: str = ""
    """what goes on where it stopped: a busy machine keeps no time, and servos stop for it"""


SHORT_SCRIPT = "--num-steps 2 --hold-s 0.5 --swing-hz 2.0 --approach-s 0.5 --rest-s 0.2"
SHORT_TRAINING = "--settings num_iterations=1 num_gradient_steps=2"
SHORT_PEARL = "tasks_per_iteration=1 num_initial_steps=30 num_posterior_steps=30"
NEEDS_ROS2CLI = "" if shutil.which("ros2") else "needs ros2cli, which the wheels do not bring"
NEEDS_WARP = "" if find_spec("mujoco_warp") else "needs MuJoCo Warp: pip install .[warp]"

GOES_ON = "--resume"

RULES = (
    Rule(pattern=r"^make (demo|test)", skip="run by themselves, each in a clone of its own"),
    Rule(pattern=r"^ros2 ", skip=NEEDS_ROS2CLI),
    Rule(
        pattern=r"^taskbelief train pearl-(?!.*--settings)",
        options=f"{SHORT_TRAINING} {SHORT_PEARL}",
    ),
    Rule(
        pattern=r"^taskbelief train (oracle|robust)-",
        options=f"{SHORT_TRAINING} num_initial_steps=480",
    ),
    Rule(
        pattern=r"^taskbelief train sac-valve-turn-pixels",
        options=f"{SHORT_TRAINING} num_initial_steps=640",
    ),
    Rule(
        pattern=r"^taskbelief train rl2-valve-turn-pixels",
        options="--settings num_iterations=1 num_trials=4 num_looking_steps=240 num_eye_steps=2",
    ),
    Rule(
        pattern=r"^taskbelief train meld-",
        options=f"{SHORT_TRAINING} num_initial_collections=1 num_initial_model_steps=2",
    ),
    Rule(
        pattern=r"^taskbelief train slac-",
        options=f"{SHORT_TRAINING} num_initial_steps=640 num_initial_model_steps=2",
    ),
    Rule(
        pattern=r"^taskbelief sweep",
        options=f"--seeds 0 1 {SHORT_TRAINING} {SHORT_PEARL}",
    ),
    Rule(pattern=r"^taskbelief meta-test", options="--num-trials 1"),
    Rule(pattern=r"^taskbelief evaluate .*--robot serial", options="--num-episodes 2"),
    Rule(pattern=r"^taskbelief evaluate .*--num-tasks", options="--num-tasks 1 --num-episodes 2"),
    Rule(pattern=r"^taskbelief evaluate .*--robust", options="--num-tasks 1 --num-episodes 2"),
    Rule(
        pattern=r"^taskbelief evaluate .*--robot simulated .*--out results/first_sim",
        options="--num-episodes 2",
    ),
    Rule(pattern=r"^taskbelief evaluate .*--robot (emulated|serial)", again=GOES_ON),
    Rule(pattern=r"^taskbelief bringup .*--plan", again=" "),
    Rule(pattern=r"^taskbelief excite", options=SHORT_SCRIPT),
    Rule(pattern=r"^taskbelief plan", options="--num-tasks 1 --num-episodes 2"),
    Rule(pattern=r"^taskbelief emulate", until='"port"'),
    Rule(pattern=r"^taskbelief bringup .*--show belief", until="up"),
    Rule(pattern=r"--device cuda", skip="needs a GPU"),
    Rule(
        pattern=r"^taskbelief bench sim(?!.*--backend)",
        options="--families point_robot --seconds 0.2",
    ),
    Rule(
        pattern=r"^taskbelief bench sim .*--backend warp",
        skip=NEEDS_WARP,
        options="--worlds 2 --seconds 0.1 --control-period-s 0.0025",
    ),
    Rule(
        pattern=r"^python benchmarks/warp_agreement.py",
        skip=NEEDS_WARP,
        options="--episodes 2 --steps 1",
    ),
    Rule(pattern=r"^taskbelief bench train", options="--runs 1 --seconds 0.2"),
    Rule(pattern=r"^taskbelief bench growth", options="--rounds 2 --seconds 0.01"),
    Rule(pattern=r"^taskbelief bench controller", options="--late 1000"),
    Rule(pattern=r"^taskbelief bench bus", options="--bauds 3000000 --cycles 5 --soak-s 0.5"),
    Rule(pattern=r"^taskbelief bench ros .*--soak-s", options="--soak-s 1 --rates 20 --seconds 1"),
    Rule(pattern=r"^taskbelief bench ros(?!.*--soak-s)", options="--rates 20 --seconds 1"),
)


# ---- what is in the pages ----------------------------------------------------------------------


def pages() -> list[Path]:
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def commands_of(text: str, page: str) -> list[Command]:
    """All commands of a page in order."""
    found = []
    for block in FENCE.finditer(text):
        language, content = block.groups()
        line = text.count("\n", 0, block.start()) + 2
        if language in SHELLS or (not language and content.split(maxsplit=1)[:1] in _first_words()):
            found += [Command(page=page, line=line, text=one) for one in _of_block(content)]
    return found


def _first_words() -> list[list[str]]:
    return [[program] for program in PROGRAMS]


def _of_block(content: str) -> Iterator[str]:
    lines = content.replace("\\\n", " ").splitlines()
    if any(line.startswith("$ ") for line in lines):
        lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    for line in lines:
        command = re.sub(r"(^|\s+)#.*$", "", line).strip()
        if command:
            yield from _alternatives(" ".join(command.split()))


def _alternatives(command: str) -> Iterator[str]:
    """`taskbelief bench a | b` are two commands."""
    if command.startswith("taskbelief bench "):
        first, *others = command.split(" | ")
        yield first
        yield from (f"taskbelief bench {other}" for other in others)
    else:
        yield command


def rules_for(command: str) -> list[Rule]:
    return [rule for rule in RULES if re.search(rule.pattern, command)]


# ---- running them ------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of one command."""

    command: Command
    ran: str
    """as it was run; empty where it was not"""
    why_not: str
    seconds: float
    problem: str
    """exit code and the end of what it printed; empty where it did what it should"""

    def __str__(self) -> str:
        if not self.ran:
            return f"not run   {self.command}\n          {self.why_not}"
        verdict = "FAILED" if self.problem else "ran"
        changed = "" if self.ran == self.command.text else f"\n          as: {self.ran}"
        problem = "".join(f"\n          | {line}" for line in self.problem.splitlines())
        return f"{verdict:<7} {self.seconds:5.1f} s  {self.command}{changed}{problem}"


class Bench:
    """A copy of the checkout with an emulated hand on a port."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, folder / "port"
        self._hand: subprocess.Popen[str] | None = None
        _copy_checkout(folder)
        units = folder / "hardware_configs" / "dclaw" / "units"
        text = (units / "emulated.yaml").read_text(encoding="utf-8")
        text = text.replace("unit: emulated", f"unit: {UNIT}")
        (units / f"{UNIT}.yaml").write_text(text, encoding="utf-8")

    def run(self, command: Command) -> Outcome:
        rules = rules_for(command.text)
        why_not = next((rule.skip for rule in rules if rule.skip), "")
        if why_not:
            return Outcome(command=command, ran="", why_not=why_not, seconds=0.0, problem="")
        text = " ".join([command.text, *(rule.options for rule in rules if rule.options)])
        line = self._filled_in(text)
        until = next((rule.until for rule in rules if rule.until), "")
        began = time.monotonic()
        problem = self._watch(line, until) if until else self._finish(line)
        again = next((rule.again for rule in rules if rule.again), "")
        for _ in range(NUM_AGAIN if again else 0):
            if problem:
                added = "" if text.endswith(again) else f" {again}"
                line, text = line + added, text + added
                problem = self._finish(line)
        seconds = time.monotonic() - began
        return Outcome(command=command, ran=text, why_not="", seconds=seconds, problem=problem)

    def close(self) -> None:
        if self._hand is not None:
            self._hand.send_signal(signal.SIGINT)
            self._hand.communicate(timeout=WAIT_S)

    def _filled_in(self, text: str) -> str:
        if re.search(r"/dev/ttyUSB0|\bPORT\b", text):
            self._require_hand()
        line = re.sub(r"/dev/ttyUSB0|\$?\bPORT\b", str(self.port), text)
        return re.sub(r"\$?\b(SERIAL|UNIT)\b", UNIT, line)

    def _require_hand(self) -> None:
        if self._hand is not None and self._hand.poll() is None:
            return
        words = ["taskbelief", "emulate", "--link", str(self.port)]
        self._hand = self._start(words)
        assert self._hand.stdout is not None
        assert '"port"' in self._hand.stdout.readline(), "the emulated hand did not come up"

    def _finish(self, line: str) -> str:
        """The problem that a command ended in; a person who is asked says yes."""
        process = self._start(["bash", "-c", line], stdin=subprocess.PIPE)
        try:
            printed, _ = process.communicate("yes\n" * 3, timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            _kill(process)
            printed, _ = process.communicate()
            return f"still running after {LIMIT_S:.0f} s\n{_end(printed)}"
        return "" if process.returncode == 0 else f"exit code {process.returncode}\n{_end(printed)}"

    def _watch(self, line: str, until: str) -> str:
        """The problem of a command that runs until Ctrl-C."""
        with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
            process = self._start(["bash", "-c", f"exec {line}"], stdout=output)
            deadline, is_up = time.monotonic() + WAIT_S, False
            while time.monotonic() < deadline and process.poll() is None and not is_up:
                time.sleep(0.1)
                is_up = until in _printed(output)
            process.send_signal(signal.SIGINT)
            try:
                process.wait(timeout=WAIT_S)
            except subprocess.TimeoutExpired:
                _kill(process)
                return f"did not end after Ctrl-C\n{_end(_printed(output))}"
            is_good = is_up and process.returncode in (0, 130)
            found = f"exit code {process.returncode}, printed {until!r}: {is_up}"
            return "" if is_good else f"{found}\n{_end(_printed(output))}"

    def _start(
        self,
        words: Sequence[str],
        stdin: int = subprocess.DEVNULL,
        stdout: int | IO[str] = subprocess.PIPE,
    ) -> subprocess.Popen[str]:
        environment = {
            **os.environ,
            "PATH": f"{self.folder / '.venv' / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(self.folder),
            "ROS_DOMAIN_ID": str(1 + os.getpid() % 100),
            "OMP_NUM_THREADS": "1",
        }
        return subprocess.Popen(
            words,
            cwd=self.folder,
            env=environment,
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )


def _copy_checkout(folder: Path) -> None:
    """What git knows of, and links to what was built."""
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, text=True, check=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    (folder / ".venv").symlink_to(sys.prefix)
    for built in ("install", "build"):
        (folder / "ros_ws" / built).symlink_to(ROOT / "ros_ws" / built)


def _kill(process: subprocess.Popen[str]) -> None:
    """With all that it started."""
    os.killpg(process.pid, signal.SIGKILL)


def _printed(output: IO[str]) -> str:
    output.seek(0)
    return output.read()


def _end(printed: str) -> str:
    return "\n".join(printed.strip().splitlines()[-6:])


@contextmanager
def bench() -> Iterator[Bench]:
    with tempfile.TemporaryDirectory(prefix="taskbelief-docs-") as folder:
        made = Bench(Path(folder))
        try:
            yield made
        finally:
            made.close()


def run_pages(paths: Sequence[Path]) -> Iterator[Outcome]:
    """Each page in a copy of its own."""
    for path in paths:
        commands = commands_of(path.read_text(encoding="utf-8"), str(path.relative_to(ROOT)))
        if commands:
            with bench() as made:
                for command in commands:
                    yield made.run(command)


def main(names: Sequence[str]) -> int:
    """Print the list as it comes about; 1 where a command failed."""
    outcomes = []
    for outcome in run_pages([Path(name).resolve() for name in names] or pages()):
        print(outcome, flush=True)
        outcomes.append(outcome)
    num_run = sum(bool(one.ran) for one in outcomes)
    num_failed = sum(bool(one.problem) for one in outcomes)
    seconds = sum(one.seconds for one in outcomes)
    print(
        f"{len(outcomes)} commands: {num_run} run in {seconds:.0f} s, {num_failed} failed,"
        f" {len(outcomes) - num_run} not run"
    )
    return 1 if num_failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
