"""Task sets from files: held against their family, refused by name, and made valid by hand."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sim2real.cli import main
from sim2real.contract.errors import BadInput
from training.families.claw import ClawFamily
from training.families.registry import FAMILIES
from training.families.saved_tasks import saved_tasks
from training.tasks.task_set import draw_task_set, load_task_set

Document = dict[str, Any]


def hashed(document: Document) -> Document:
    """With the hash that a set of this content has, whatever the content is worth."""
    content = {name: value for name, value in document.items() if name != "sha256"}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return {**content, "sha256": hashlib.sha256(text.encode()).hexdigest()}


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    """A valid set of valves with three and two tasks, changed, with a hash that fits."""

    def write(change: Callable[[Document], object] = lambda document: None) -> Path:
        path = tmp_path / "tasks.json"
        draw_task_set(FAMILIES["valve_turn"], seed=0, num_train=3, num_test=2).save(path)
        document = json.loads(path.read_text())
        change(document)
        path.write_text(json.dumps(hashed(document)))
        return path

    return write


def with_value(name: str, value: Any, split: str = "test") -> Callable[[Document], object]:
    return lambda document: document[split][0].update({name: value})


@pytest.mark.parametrize("name", FAMILIES)
def test_what_a_family_draws_is_within_it_and_says_nothing(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    family = FAMILIES[name]
    drawn = draw_task_set(family, seed=3, num_train=20, num_test=5)
    drawn.save(tmp_path / "tasks.json")

    assert saved_tasks(tmp_path / "tasks.json", family) == drawn
    assert capsys.readouterr().err == ""


# Kind 10 of what the field meets: sets that are hashed and were never checked.
# NaN and Infinity are no JSON: the one reader of text files refuses them before.
MEANINGLESS: dict[str, tuple[Callable[[Document], object], str]] = {
    "a value that is none": (with_value("valve_damping", [float("nan")]), "file"),
    "an endless value": (with_value("action_delay", [float("inf")]), "file"),
    "too few numbers": (with_value("servo_stiffness", [1.0]), "test/0.servo_stiffness"),
    "too many numbers": (with_value("target_angle", [0.5, 0.5], "train"), "train/0.target_angle"),
    "no numbers": (with_value("target_angle", []), "test/0.target_angle"),
    "a number and no list": (with_value("valve_damping", 0.1), "test/0.valve_damping"),
    "a number as text": (with_value("valve_damping", ["0.1"]), "test/0.valve_damping"),
    "true for a number": (with_value("valve_damping", [True]), "test/0.valve_damping"),
    "a negative friction": (with_value("valve_friction", [-1.0]), "test/0.valve_friction"),
    "a negative stiffness": (
        with_value("servo_stiffness", [1.0, 1.0, -0.1]), "test/0.servo_stiffness",
    ),
    "a negative extra": (with_value("joint_friction", [-0.1]), "test/0.joint_friction"),
    "no goal": (lambda document: document["test"][1].pop("target_angle"), "test/1.target_angle"),
    "an unknown parameter": (with_value("valve_colour", [1.0]), "test/0.valve_colour"),
    "nothing held out": (lambda document: document.update(test=[]), "test"),
    "a task that is a list": (lambda document: document["train"].append([1.0]), "train/3"),
    "an empty task": (lambda document: document["train"].append({}), "train/3"),
    "tasks by name": (lambda document: document.update(test={"0": {}}), "test"),
    "a seed that is text": (lambda document: document.update(seed="0"), "seed"),
    "no schema": (lambda document: document.pop("schema_version"), "schema_version"),
    "another schema": (lambda document: document.update(schema_version=7), "schema_version"),
    "no family": (lambda document: document.pop("family"), "family"),
    "an unknown family": (lambda document: document.update(family="valve_push"), "family"),
    "a family that is a list": (lambda document: document.update(family=["valve_turn"]), "family"),
}  # fmt: skip


@pytest.mark.parametrize("case", MEANINGLESS)
def test_a_set_that_means_nothing_is_refused_by_file_and_place(
    case: str, written: Callable[..., Path]
) -> None:
    change, place = MEANINGLESS[case]
    path = written(change)

    with pytest.raises(BadInput) as refused:
        saved_tasks(path)
    assert (refused.value.where, refused.value.field) == (str(path), place)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_parameter_of_every_family_is_looked_at(family: str, tmp_path: Path) -> None:
    path = tmp_path / "tasks.json"
    draw_task_set(FAMILIES[family], seed=0, num_train=2, num_test=2).save(path)
    whole = json.loads(path.read_text())
    for parameter in FAMILIES[family].parameters:
        sound = whole["test"][0][parameter.name]
        bad = [["much", *sound[1:]], sound[1:], [*sound, 0.0]]
        bad += [[-1e-3, *sound[1:]]] if parameter.is_magnitude else []
        for value in bad:
            first = {**whole["test"][0], parameter.name: value}
            path.write_text(json.dumps(hashed({**whole, "test": [first, *whole["test"][1:]]})))
            with pytest.raises(BadInput, match=rf"test/0\.{parameter.name}"):
                saved_tasks(path)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("target_angle", [40.0], "40 rad lies outside of the family's -0.7 to 0.7"),  # degrees
        ("valve_friction", [0.3], "0.3 N m lies outside of the family's 0.005 to 0.15"),
        ("servo_stiffness", [1.0, 1.0, 2.0], "2 x nominal lies outside of the family's 0.5 to 1.5"),
        ("joint_friction", [0.5], "0.5 N m lies outside of the family's 0.005 to 0.1"),
    ],
)
def test_what_lies_outside_of_the_family_is_taken_and_said_once(
    name: str, value: list[float], said: str, written: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    path = written(with_value(name, value))

    for _ in range(2):
        assert list(saved_tasks(path).test[0].parameters[name]) == value

    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"note: {path}: test/0.{name}: {said}; taken as it stands"


def test_many_tasks_outside_of_the_family_are_one_note(
    written: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    def change(document: Document) -> None:
        for task in (*document["train"], *document["test"]):
            task["valve_damping"] = [2.0]

    saved_tasks(written(change))

    (line,) = capsys.readouterr().err.splitlines()
    assert "train/0.valve_damping: 2 N m s/rad" in line
    assert "and so do 4 more tasks" in line


def test_an_edited_set_names_the_way_to_make_it_valid(
    written: Callable[..., Path], tmp_path: Path
) -> None:
    path = written()
    document = json.loads(path.read_text())
    document["test"][0]["valve_damping"] = [0.2]
    path.write_text(json.dumps(document))
    with pytest.raises(BadInput, match="tasks FAMILY OUT --from FILE"):
        saved_tasks(path)

    assert main(["tasks", "valve_turn", str(tmp_path / "mended.json"), "--from", str(path)]) == 0
    mended = saved_tasks(tmp_path / "mended.json")
    assert mended.test[0].parameters["valve_damping"] == (0.2,)
    assert (
        mended.train == draw_task_set(FAMILIES["valve_turn"], seed=0, num_train=3, num_test=2).train
    )


# Kind 11: a task of another family, wherever one is given.
def test_a_task_of_another_family_is_refused_by_every_verb_that_is_given_one(
    tmp_path: Path, exported_bundles: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    for family in ("point_robot", "half_cheetah_vel", "ant_goal", "valve_screw"):
        out = str(tmp_path / f"{family}.json")
        assert main(["tasks", family, out, "--num-train", "2", "--num-test", "2"]) == 0
    capsys.readouterr()
    bundle, nowhere = str(exported_bundles("gaussian_belief")), str(tmp_path / "nowhere")
    of_a_bundle = [
        ["evaluate", bundle, "--robot", "simulated", "--out", nowhere, "--task", "{}:0"],
        ["evaluate", bundle, "--robot", "simulated", "--out", nowhere, "--tasks", "{}"],
        ["plan", bundle, nowhere, "--task", "{}:train/0"],
        ["plan", bundle, nowhere, "--tasks", "{}"],
        ["train", "pearl-valve-turn", "--out", nowhere, "--tasks", "{}"],
        ["tasks", "valve_turn", nowhere, "--from", "{}"],
    ]
    of_a_claw = [
        ["emulate", "--link", nowhere, "--task", "{}:0"],
        ["excite", f"{nowhere}.mcap", "--task", "{}:test/1"],
        ["gap", nowhere, nowhere, "--task", "{}:0"],
    ]
    for family in ("point_robot", "half_cheetah_vel", "ant_goal", "valve_screw"):
        path = tmp_path / f"{family}.json"
        is_claw = isinstance(FAMILIES[family], ClawFamily)
        for line in of_a_bundle if is_claw else of_a_bundle + of_a_claw:
            assert main([word.format(path) for word in line]) == 2, line
            (error,) = capsys.readouterr().err.splitlines()
            assert f"{path}: family: found '{family}', expected" in error
    assert not list(tmp_path.glob("nowhere*"))


# Kind 12: a way to make a hand-written set valid.
BY_HAND: Document = {
    "train": [{"goal": [0.5, 0.5]}, {"goal": [-0.5, 0]}],
    "test": [{"goal": [0.0, -0.5]}],
}


def test_tasks_by_hand_become_a_set_with_a_hash(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.json").write_text(json.dumps(BY_HAND))
    out = tmp_path / "tasks.json"

    assert main(["tasks", "point_robot", str(out), "--from", str(tmp_path / "mine.json")]) == 0

    task_set = load_task_set(out)
    assert f"sha256 {task_set.sha256}" in capsys.readouterr().out
    assert json.loads(out.read_text())["sha256"] == task_set.sha256
    assert [task.parameters["goal"] for task in task_set.train] == [(0.5, 0.5), (-0.5, 0.0)]
    assert task_set.test[0].name == "test/0"


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"test": []}, "test"),
        ({"train": []}, "train"),
        ({"test": [{"goal": [0.5, 0.5]}]}, "test/0"),  # it is learnt from
        ({"test": [{"goal": [0.5]}]}, "test/0.goal"),
        ({"test": [{"aim": [0.5, 0.5]}]}, "test/0.goal"),
        ({"family": "sparse_point_robot"}, "family"),
        ({"schema_version": 2}, "schema_version"),
        ({"held_out": []}, "held_out"),
    ],
)
def test_tasks_by_hand_that_mean_nothing_leave_no_file(
    changes: Document, place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine, out = tmp_path / "mine.json", tmp_path / "tasks.json"
    mine.write_text(json.dumps({**BY_HAND, **changes}))

    assert main(["tasks", "point_robot", str(out), "--from", str(mine)]) == 2

    (error,) = capsys.readouterr().err.splitlines()
    assert f"{mine}: {place}: found" in error
    assert not out.exists()


@pytest.mark.parametrize("option", ["--seed", "--num-train", "--num-test", "--ranges"])
def test_nothing_is_drawn_beside_tasks_by_hand(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.json").write_text(json.dumps(BY_HAND))
    line = [
        "tasks",
        "point_robot",
        str(tmp_path / "out.json"),
        "--from",
        str(tmp_path / "mine.json"),
    ]

    assert main([*line, option, "1"]) == 2
    assert f"{option}: found '1', expected none with --from" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff\xfe{\x00}\x00", b'{"test": 1}', None])
def test_a_file_that_is_no_task_set_is_one_line(
    content: bytes | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.json"
    path.mkdir() if content is None else path.write_bytes(content)
    for line in (
        ["tasks", "point_robot", str(tmp_path / "out.json"), "--from", str(path)],
        ["train", "pearl-point-robot", "--out", str(tmp_path / "run"), "--tasks", str(path)],
        ["emulate", "--task", f"{path}:0"],
    ):
        assert main(line) == 2
        (error,) = capsys.readouterr().err.splitlines()
        assert str(path) in error
    assert [each.name for each in tmp_path.iterdir()] == ["mine.json"]
