"""A bundle's results in simulation, in memory: what its model card says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sim2real.contract.errors import BadInput, WorkFailed
from sim2real.evaluation.evaluate import Evaluation
from sim2real.evaluation.header import Header
from sim2real.evaluation.journal import Journal
from sim2real.evaluation.protocol import TrialProtocol
from sim2real.evaluation.results import results_document
from sim2real.runtime.bundle import MANIFEST, Bundle
from training.benches.bench_tasks import bench_task
from training.benches.open_bench import Bench
from training.families.claw import ClawFamily
from training.tasks.task import Task


def measure(
    bundle: Bundle, family: ClawFamily, tasks: Sequence[Task], protocol: TrialProtocol
) -> dict[str, Any]:
    """The results of a bundle on simulated tasks, as `results.json` has them; nothing is written.

    Raises `BadInput` where the family is simulated at another rate than the bundle's, `WorkFailed`
    where a policy makes the safety ladder stop the hand.
    """
    require_period(bundle, family)
    scene = family.scene
    bench_tasks = [bench_task(scene, task, row) for row, task in enumerate(tasks)]
    header = Header(
        bundle_name=bundle.manifest.name,
        bundle_digest=bundle.digest,
        robot="simulated",
        num_trials=protocol.num_trials,
        num_episodes=protocol.num_episodes,
        seed=protocol.seed,
        tasks={task.name: task.parameters for task in tasks},
        not_available={},
        provenance={},
        git_commit="",
    )
    bench = Bench(
        robot="simulated",
        spec=scene.spec,
        place=None,
        port="",
        unit="",
        rate_hz=0.0,
        may_recover=False,
        realtime_priority=0,
        faults=None,
        on_step=lambda _: None,
    )
    evaluation = Evaluation(
        robot="simulated",
        tasks=bench_tasks,
        bundles={"evaluated": bundle},
        protocol=protocol,
        open_session=bench.session,
        journal=Journal(header),
    )
    if not evaluation.run():
        reason = evaluation.journal.records[-1].reason
        raise WorkFailed(
            f"{bundle.manifest.name}: not measured, for a robot would have stopped under it in "
            f"simulation: {reason}; a policy has to be trained not to come there"
        )
    return results_document(header, evaluation.journal.records)


def require_period(bundle: Bundle, family: ClawFamily) -> None:
    """Raise `BadInput` where the family is simulated at another rate than the bundle's."""
    found, scene = bundle.manifest.control_period_s, family.scene
    if found != scene.control_period_s:
        expected = f"{scene.control_period_s}, as family {family.name} is simulated"
        where = bundle.path_of(MANIFEST)
        raise BadInput(where, "control_period_s", found=found, expected=expected)
