"""Every command of README.md and docs/ does what its page says: the script that runs them, run."""

from __future__ import annotations

import re

import pytest

from tests.docs.commands import ROOT, RULES, commands_of, main, pages, rules_for


def texts(page: str) -> list[str]:
    return [command.text for command in commands_of(page, "page.md")]


def test_blocks_of_commands_are_told_from_output():
    page = """
```
taskbelief train a    # a comment
taskbelief gap a b \\
  --out c
```
```
success 0.83
```
```console
$ taskbelief inspect a
some output
$ make lint
```
```python
taskbelief = 3
```
"""
    assert texts(page) == [
        "taskbelief train a",
        "taskbelief gap a b --out c",
        "taskbelief inspect a",
        "make lint",
    ]


def test_alternatives_are_commands_of_their_own():
    assert texts("```\ntaskbelief bench sim | train\n```\n") == [
        "taskbelief bench sim",
        "taskbelief bench train",
    ]


def test_a_command_is_where_its_block_is():
    (command,) = commands_of("words\n\n```\nmake demo\n```\n", "page.md")

    assert (command.page, command.line) == ("page.md", 4)


def all_commands() -> list[str]:
    return [
        command.text
        for path in pages()
        for command in commands_of(path.read_text(encoding="utf-8"), path.name)
    ]


def test_no_command_in_a_block_is_overlooked():
    """Every line of a block that begins with the name of our program is one of the commands."""
    found = "\n".join(all_commands())
    for path in pages():
        fenced = re.findall(r"^```(?:sh|bash|console)?\n(.*?)^```", path.read_text(), re.M | re.S)
        for line in "".join(fenced).replace("\\\n", " ").splitlines():
            if line.removeprefix("$ ").startswith("taskbelief "):
                words = line.removeprefix("$ ").split("#")[0].split("|")[0].split()
                assert " ".join(words) in found


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.pattern)
def test_no_rule_has_outlived_its_command(rule):
    assert any(rule in rules_for(command) for command in all_commands())


def test_no_training_is_run_to_its_end():
    trainings = [command for command in all_commands() if command.startswith("taskbelief train ")]
    for command in trainings:
        assert "--settings" in command or rules_for(command), command


@pytest.mark.slow
@pytest.mark.realtime
def test_every_command_of_every_page_runs(capfd):
    if not (ROOT / "ros_ws" / "install").is_dir():
        pytest.skip("the ROS workspace is not built: make setup")

    code = main([])

    listed = capfd.readouterr().out
    with capfd.disabled():
        print(f"\n{listed}")
    assert code == 0, listed
