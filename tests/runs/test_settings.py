"""Every setting of every algorithm and of runs: what does not fit is refused before a folder is."""

from __future__ import annotations

import dataclasses
import re
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest

from sim2real.cli import main
from sim2real.contract.errors import BadInput
from tests.runs.conftest import recipe_of
from training.algorithms.registry import ALGORITHMS
from training.parts.checked import expectation, fits, hints_of, read_setting, shown
from training.recipes.recipe import Recipe
from training.recipes.registry import RECIPES, run_settings, with_settings

FIELDS = [
    *(("pearl", name, hint) for name, hint in run_settings().items()),
    *(
        (algorithm, name, hint)
        for algorithm, learner in ALGORITHMS.items()
        for name, hint in hints_of(learner.config_type).items()
    ),
]
NO_WHOLE = ("", "1.5", "x", "1e3", "nan", "0x10", "9" * 5000)
NO_NUMBER = ("", "x", "nan", "inf", "-inf", "1,5", "1e999")


@pytest.fixture(autouse=True)
def smallest_recipes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A recipe of every algorithm, so that those count that no published recipe uses."""
    for algorithm in ALGORITHMS:
        monkeypatch.setitem(RECIPES, algorithm, lambda algorithm=algorithm: recipe_of(algorithm))


def kind_of(hint: Any) -> Any:
    """The type without its range and without `None`."""
    if typing.get_origin(hint) is typing.Annotated:
        return kind_of(typing.get_args(hint)[0])
    if type(None) in typing.get_args(hint):
        return kind_of(typing.get_args(hint)[0])
    return hint


def bad_texts(hint: Any) -> Iterator[str]:
    """Text that no field of this type may be set to."""
    kind = kind_of(hint)
    if typing.get_origin(kind) is Literal:
        yield from ("", "nonsense", "MODERN", "1")
    elif typing.get_origin(kind) is tuple:
        yield from ("", "()", "0", "8,-8", "8,,8", "8.5", "8;8", "none")
    elif kind is bool:
        yield from ("", "yes", "0", "maybe")
    else:
        yield from NO_WHOLE if kind is int else NO_NUMBER
        for number in ("-1", "0", "1", "1.5", "1e30"):  # those outside of its range
            is_of_kind = kind is float or ("." not in number and "e" not in number)
            if is_of_kind and not fits(hint, kind(number)):
                yield number


def good_texts(hint: Any) -> list[str]:
    """Everything that the message about such a field shows as a value."""
    words = expectation(hint)
    found = re.findall(r"as in (\S+)", words)
    found += [match for match in ("true", "false", "none") if re.search(rf"\b{match}\b", words)]
    if choices := re.match(r"one of (.+?)(, or none)?$", words):
        found += choices[1].split(", ")
    found += re.findall(r"(?:at least|at most) (\S+?)(?:,|$| )", words)
    return found


# Kind 14: sizes and rhythms, and every other setting there is.
@pytest.mark.parametrize(("algorithm", "name", "hint"), FIELDS, ids=lambda x: str(x)[:30])
def test_a_setting_that_does_not_fit_is_one_line_and_no_folder(
    algorithm: str, name: str, hint: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts, expected = list(bad_texts(hint)), expectation(hint)
    for text in texts:
        with pytest.raises(BadInput) as refused:
            with_settings(algorithm, [f"{name}={text}"])
        assert (refused.value.field, refused.value.found) == (name, text)
        assert refused.value.expected == expected

    line = ["train", algorithm, "--out", str(tmp_path / "run"), "--settings", f"{name}={texts[-1]}"]
    assert main(line) == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert f"command line: {name}: found {texts[-1]!r}, expected {expected}" in error
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("algorithm", "name", "hint"), FIELDS, ids=lambda x: str(x)[:30])
def test_a_bad_value_of_the_right_type_is_refused_by_the_settings_themselves(
    algorithm: str, name: str, hint: Any
) -> None:
    recipe = recipe_of(algorithm)
    owner = recipe if name in run_settings() else recipe.config
    for value in (object(), [1], "nonsense", float("nan"), (), (0,), -1e30):
        if not fits(hint, value):
            with pytest.raises(ValueError, match=rf"^{name}: found"):
                dataclasses.replace(owner, **{name: value})


# Kind 15: what a message shows is itself accepted.
@pytest.mark.parametrize(("algorithm", "name", "hint"), FIELDS, ids=lambda x: str(x)[:30])
def test_every_value_that_a_message_shows_is_accepted(algorithm: str, name: str, hint: Any) -> None:
    recipe = recipe_of(algorithm)
    owner = recipe if name in run_settings() else recipe.config
    current = shown(getattr(owner, name))
    for text in (current, *good_texts(hint)):
        assert fits(hint, read_setting(hint, text)), text
    assert with_settings(algorithm, [f"{name}={current}"]) == recipe


def test_the_values_that_messages_show_are_found() -> None:
    """So that the test above does not pass over them."""
    hints = hints_of(ALGORITHMS["pearl"].config_type)

    assert good_texts(hints["hidden_sizes"]) == ["64,64", "1"]
    assert good_texts(hints["form"]) == ["modern", "reference"]
    assert good_texts(hints["uses_next_observation"]) == ["true", "false", "none"]
    assert good_texts(hints["batch_size"]) == ["1"]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_name_that_the_message_lists_is_a_setting(
    algorithm: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", algorithm, "--settings", "speed=1"]) == 2

    listed = re.search(r"expected one of (.+), as in field=value", capsys.readouterr().err)
    assert listed is not None
    hints = hints_of(Recipe) | hints_of(ALGORITHMS[algorithm].config_type)
    assert set(listed[1].split(", ")) == set(hints) - {
        "algorithm", "family", "robot", "config", "tasks_sha256",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("algorithm", "settings", "named"),
    [
        ("pearl", ["num_prior_steps=0", "num_posterior_steps=0"], "num_prior_steps"),
        ("pearl", ["num_exploration_episodes=9"], "num_exploration_episodes"),
        ("rl2", ["num_trials=6", "num_minibatches=4"], "num_minibatches"),
        ("pearl", ["discount=0.9", "discount=0.8"], "two settings"),
        ("pearl", ["hidden_sizes=1000000000000000"], "sizes that fit memory"),
        ("pearl", ["num_iterations"], "num_iterations: found ''"),
        ("pearl", ["=3"], "found ''"),
    ],
)
def test_settings_that_do_not_go_together_are_one_line_and_no_folder(
    algorithm: str, settings: list[str], named: str, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    out = tmp_path / "run"

    assert main(["train", algorithm, "--out", str(out), "--settings", *settings]) == 2

    (error,) = capsys.readouterr().err.splitlines()
    assert named in error
    assert not list(tmp_path.iterdir())
