"""What a run leaves behind, and what stops it."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from sim2real.contract.errors import BadInput
from training.algorithms.pearl import Pearl
from training.parts.loss_log import LossLog, TrainingFailed
from training.runs.metrics import MetricsFile
from training.runs.start import load_learner, read_run, resume_run, start_run
from training.tasks.task_set import load_task_set


def begin(recipe: Any, directory: Path) -> Any:
    return start_run(recipe, name="tiny", seed=3, directory=directory, is_quiet=True)


def test_a_run_leaves_everything_needed_to_judge_and_repeat_it(
    tmp_path: Path, make_recipe: Any
) -> None:
    recipe, run = make_recipe(), tmp_path / "run"
    begin(recipe, run)
    config = json.loads((run / "config.json").read_text())
    metrics = MetricsFile(run / "metrics.csv").read()

    assert config["provenance"]["packages"]["torch"] == torch.__version__
    assert len(config["provenance"]["git_commit"]) == 40
    assert config["task_set_sha256"] == load_task_set(run / "tasks.json").sha256
    assert read_run(run)[0] == recipe
    assert {line.iteration for line in metrics} == set(range(6))
    assert {"kl", "adapted/return", "episode_0/return/low"} <= {line.metric for line in metrics}
    assert json.loads((run / "eval.json").read_text())["conditions"]["wrong_task"]["return"]
    assert sorted(path.name for path in run.iterdir()) == [
        "checkpoints", "config.json", "curve.png", "eval.csv", "eval.json", "metrics.csv",
        "tasks.json", "tensorboard",
    ]  # fmt: skip
    assert list((run / "tensorboard").iterdir())
    kept = sorted(path.name for path in (run / "checkpoints").iterdir())
    assert kept == ["0000005", "0000006"]


def test_a_loaded_learner_is_the_one_that_was_trained(tmp_path: Path, make_recipe: Any) -> None:
    trained = begin(make_recipe(), tmp_path / "run")
    loaded = load_learner(tmp_path / "run")
    rows = torch.randn(5, 4)

    torch.testing.assert_close(loaded.policy.mode(rows), trained.policy.mode(rows))
    assert loaded.state.num_environment_steps == trained.state.num_environment_steps
    assert torch.equal(
        loaded.rl_buffer.rows[0, : loaded.rl_buffer.size[0]],
        trained.rl_buffer.rows[0, : trained.rl_buffer.size[0]],
    )


def test_unchanged_blocks_are_linked_and_not_written_again(
    tmp_path: Path, make_recipe: Any
) -> None:
    begin(make_recipe(), tmp_path / "run")
    before, after = (tmp_path / "run/checkpoints" / name for name in ("0000005", "0000006"))
    shared = [path.name for path in after.iterdir() if path.stat().st_nlink > 1]

    assert any(name.startswith("rl_buffer") for name in shared)
    for name in shared:
        assert (before / name).samefile(after / name)


def test_a_finished_run_resumes_to_nothing_and_an_existing_one_is_not_overwritten(
    tmp_path: Path, make_recipe: Any
) -> None:
    begin(make_recipe(), tmp_path / "run")
    before = (tmp_path / "run/metrics.csv").read_text()
    resume_run(tmp_path / "run", is_quiet=True)
    assert (tmp_path / "run/metrics.csv").read_text() == before

    with pytest.raises(BadInput, match="--resume"):
        begin(make_recipe(), tmp_path / "run")


def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(
    tmp_path: Path, make_recipe: Any
) -> None:
    begin(make_recipe(), tmp_path / "run")
    checkpoints = tmp_path / "run/checkpoints"
    tensors = checkpoints / "0000006/tensors.pt"
    damaged = bytearray(tensors.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    tensors.write_bytes(damaged)
    assert load_learner(tmp_path / "run").state.num_gradient_steps == 25

    (checkpoints / "0000005/counters.json").unlink()
    with pytest.raises(BadInput, match=r"checkpoints: found .*counters\.json"):
        load_learner(tmp_path / "run")


@pytest.mark.parametrize(
    ("file", "content", "field"),
    [
        ("config.json", "{", "line 1"),
        ("config.json", "{}", "schema_version"),
        ("tasks.json", None, "file"),
    ],
)
def test_a_run_that_does_not_fit_is_refused_by_name(
    tmp_path: Path, make_recipe: Any, file: str, content: str | None, field: str
) -> None:
    begin(make_recipe(num_iterations=1), tmp_path / "run")
    if content is None:
        (tmp_path / "run" / file).unlink()
    else:
        (tmp_path / "run" / file).write_text(content)

    with pytest.raises(BadInput) as refused:
        resume_run(tmp_path / "run")
    assert refused.value.field == field
    with pytest.raises(BadInput, match=r"config\.json"):
        resume_run(tmp_path / "nowhere")


def test_other_tasks_than_the_runs_are_refused(tmp_path: Path, make_recipe: Any) -> None:
    begin(make_recipe(num_iterations=1), tmp_path / "run")
    begin(make_recipe(num_iterations=1), tmp_path / "other")
    document = json.loads((tmp_path / "other/config.json").read_text())
    document["task_set_sha256"] = "0" * 64
    (tmp_path / "other/config.json").write_text(json.dumps(document))

    with pytest.raises(BadInput, match=r"tasks\.json: found .* expected task set 000"):
        resume_run(tmp_path / "other")


def test_a_loss_that_is_not_a_number_stops_the_run_by_name(
    tmp_path: Path, make_recipe: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Pearl.gradient_step

    def poisoned(self: Pearl, *batch: Any) -> dict[str, torch.Tensor]:
        losses = original(self, *batch)
        self.steps_seen = getattr(self, "steps_seen", -1) + 1
        return (
            losses | {"policy_loss": torch.tensor(torch.nan)} if self.steps_seen == 13 else losses
        )

    monkeypatch.setattr(Pearl, "gradient_step", poisoned)
    with pytest.raises(
        TrainingFailed,
        match=r"gradient step 13: policy_loss is nan; last good checkpoint: .*0000002",
    ):
        begin(make_recipe(), tmp_path / "run")


def test_a_diverging_critic_stops_the_run_by_name(tmp_path: Path, make_recipe: Any) -> None:
    with pytest.raises(
        TrainingFailed, match=r"gradient step 0: critic_value is .*; last good checkpoint: none"
    ):
        begin(make_recipe(max_critic_value=1e-6), tmp_path / "run")


def test_a_full_disk_stops_the_run_and_leaves_the_last_checkpoint_whole(
    tmp_path: Path, make_recipe: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Path.write_bytes

    def full(path: Path, content: bytes) -> int:
        if ".part-0000003" in str(path) and len(list(path.parent.iterdir())) > 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return original(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(TrainingFailed, match=r"disk full: .*npy; last good checkpoint: .*0000002"):
        begin(make_recipe(), tmp_path / "run")
    assert sorted(p.name for p in (tmp_path / "run/checkpoints").iterdir()) == [
        "0000001", "0000002",
    ]  # fmt: skip
    monkeypatch.undo()
    assert resume_run(tmp_path / "run", is_quiet=True).state.num_gradient_steps == 30


def test_loss_log_names_the_first_wrong_step() -> None:
    log = LossLog(4, torch.device("cpu"), max_critic_value=100.0)
    for value in (1.0, 2.0, 1000.0, 3.0):
        log.record({"loss": torch.tensor(value), "critic_value": torch.tensor(value)})

    with pytest.raises(TrainingFailed, match="gradient step 42: critic_value is 1000"):
        log.means(first_step=40)


def test_losses_are_averaged_over_an_iteration() -> None:
    log = LossLog(10, torch.device("cpu"), max_critic_value=100.0)
    for value in (1.0, 2.0, 6.0):
        log.record({"loss": torch.tensor(value)})

    assert log.means(first_step=0) == {"loss": 3.0}


def test_metrics_survive_a_line_that_was_cut_short(tmp_path: Path) -> None:
    metrics = MetricsFile(tmp_path / "metrics.csv")
    for iteration in range(3):
        metrics.append(
            {"x": 0.1 * iteration}, iteration=iteration, environment_steps=5, gradient_steps=7
        )
    with metrics.path.open("a") as file:
        file.write("3,5,7,x")
    again = MetricsFile(metrics.path)

    assert [line.iteration for line in again.read()] == [0, 1, 2]
    again.forget_from(2)
    assert [line.value for line in again.read()] == [0.0, 0.1]


def test_a_budget_of_environment_steps_ends_a_run_with_the_iteration_that_comes_to_it(
    tmp_path: Path, make_recipe: Any
) -> None:
    whole = begin(make_recipe(), tmp_path / "whole").state.num_environment_steps
    recipe = make_recipe(max_environment_steps=whole // 2)

    steps = begin(recipe, tmp_path / "run").state.num_environment_steps
    resumed = resume_run(tmp_path / "run", is_quiet=True)

    lines = MetricsFile(tmp_path / "run" / "metrics.csv").read()
    before = [line.environment_steps for line in lines if line.environment_steps < whole // 2]
    assert whole // 2 <= steps < whole
    assert max(before) < whole // 2
    assert resumed.state.num_environment_steps == steps
    assert json.loads((tmp_path / "run" / "eval.json").read_text())["environment_steps"] == steps
