"""The oracle of an evaluation in simulation: a policy that is told what the others have to infer.

It gets the task's true parameters as an input, which no robot knows and no bundle can hold. So it
is run by the code that trained it, on the same tasks and from the same starting points.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sim2real.contract.errors import BadInput
from sim2real.evaluation.protocol import TrialProtocol
from sim2real.evaluation.records import EpisodeRecord
from sim2real.evaluation.session import Condition
from training.evaluation.meta_test import MetaTestProtocol, MetaTestResult, meta_test
from training.families.claw import ClawFamily
from training.tasks.task import Task


def oracle_records(
    run: Path, family: ClawFamily, tasks: Sequence[Task], protocol: TrialProtocol
) -> list[EpisodeRecord]:
    """The last episode of every trial on every task.

    Raises `BadInput` for a run of another family, or one that is not told the task.
    """
    # Imported here: nothing else of an evaluation needs torch.
    from training.runs.start import load_learner, read_run

    recipe, _, _, _ = read_run(run)
    if recipe.family != family.name:
        raise BadInput(str(run), "family", found=recipe.family, expected=family.name)
    learner = load_learner(run)
    if not learner.export_parts().task_vector_size:
        raise BadInput(str(run), "view", found="not told the task", expected="an oracle")
    records = []
    for trial in range(protocol.num_trials):
        of_trial = protocol.for_trial(trial)
        result = meta_test(
            learner.make_adapter,
            family,
            tasks,
            MetaTestProtocol(
                num_episodes=protocol.num_episodes,
                num_trials=1,
                conditions=("adapted",),
                seed=of_trial.seed,
            ),
        )
        seed = of_trial.episode_seeds()[protocol.num_episodes - 1]
        records += _records(result, trial, seed, family.scene.episode_length)
    return records


def _records(result: MetaTestResult, trial: int, seed: int, num_steps: int) -> list[EpisodeRecord]:
    values = {metric: result.last("adapted", metric) for metric in result.episodes["adapted"]}
    return [
        EpisodeRecord(
            task=name,
            condition=Condition.ORACLE,
            trial=trial,
            episode=result.episodes["adapted"]["return"].shape[2] - 1,
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
