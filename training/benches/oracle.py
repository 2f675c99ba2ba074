"""The oracle of an evaluation in simulation: a policy that is told what the others have to infer.

It gets the task's true parameters as an input, which no robot knows and no bundle can hold. So it
is run by the code that trained it, on the same tasks and from the same starting points.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sim2real.contract.errors import BadInput
from sim2real.evaluation.protocol import Condition, TrialProtocol
from sim2real.evaluation.records import EpisodeRecord
from training.evaluation.meta_test import MetaTestResult, meta_test
from training.families.claw import ClawFamily
from training.tasks.task import Task

if TYPE_CHECKING:
    from training.algorithms.learner import Learner


def oracle_records(
    run: Path, family: ClawFamily, tasks: Sequence[Task], protocol: TrialProtocol
) -> list[EpisodeRecord]:
    """The last episode of every trial on every task.

    Raises `BadInput` for a run of another family, or one that is not told the task.
    """
    from training.algorithms.learner import deployed_actor

    learner = load_oracle(run, family)
    records = []
    for trial in range(protocol.num_trials):
        of_trial = protocol.for_trial(trial)
        result = meta_test(
            deployed_actor(learner),
            family,
            tasks,
            replace(of_trial, num_trials=1),
            conditions=(Condition.ADAPTED,),
        )
        seed = of_trial.episode_seeds()[protocol.num_episodes - 1]
        records += _records(result, trial, seed, family.scene.episode_length)
    return records


def load_oracle(run: Path, family: ClawFamily) -> Learner:
    """The learner of a run that is told the task. Raises `BadInput` for any other run."""
    # Imported here: nothing else of an evaluation needs torch.
    from training.runs.start import load_learner, read_run

    recipe, _, _, _ = read_run(run)
    if recipe.family != family.name:
        raise BadInput(str(run), "family", found=recipe.family, expected=family.name)
    learner = load_learner(run)
    if not learner.is_told_task:
        raise BadInput(str(run), "view", found="not told the task", expected="an oracle")
    return learner


def _records(result: MetaTestResult, trial: int, seed: int, num_steps: int) -> list[EpisodeRecord]:
    adapted = result.episodes[Condition.ADAPTED]
    values = {metric: result.last(Condition.ADAPTED, metric) for metric in adapted}
    return [
        EpisodeRecord(
            task=name,
            condition=Condition.ORACLE,
            trial=trial,
            episode=adapted["return"].shape[2] - 1,
            seed=seed,
            total_reward=float(values["return"][row]),
            is_success=bool(values["success"][row]),
            success_fraction=float(values["success_fraction"][row]),
            num_steps=num_steps,
            num_transitions=0,
            kl_from_prior=0.0,
            outcome="completed",
            reason="",
        )
        for row, name in enumerate(result.task_names)
    ]
