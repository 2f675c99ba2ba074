"""`taskbelief plan`: the episodes of an evaluation as a file, for a graph of nodes to run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from sim2real.contract.output_file import require_writable
from sim2real.contract.require import require_counts, require_seeds
from sim2real.contract.robot_spec import DCLAW, load_robot_spec
from sim2real.evaluation.plan_file import make_plan, write_plan
from sim2real.evaluation.protocol import TrialProtocol
from sim2real.runtime.bundle import MANIFEST, TASKS
from sim2real.runtime.verify import load_bundle
from training.benches.open_bench import choose_tasks
from training.benches.options import default_episodes, say_what_is_untrained
from training.families.registry import claw_family


def plan(
    bundle: Annotated[Path, tyro.conf.Positional],
    out: Annotated[Path, tyro.conf.Positional],
    task: str | None = None,
    tasks: Path | None = None,
    num_tasks: int | None = None,
    num_trials: int = 1,
    num_episodes: int | None = None,
    seed: int = 0,
    robot_config: Path = DCLAW,
) -> None:
    """Draw the tasks and starting points of an evaluation of BUNDLE, and write them to OUT.

    Args:
        bundle: the folder of a bundle.
        out: the JSON file to write.
        task: FILE:INDEX, one task of a saved set.
        tasks: another task set of the bundle's family than its own.
        num_tasks: how many of the held-out tasks; all by default.
        num_trials: trials per task.
        num_episodes: episodes of a trial; the last one is the adapted one. By default as
            many as a recurrent belief was trained on; otherwise 3, or one more than the bundle
            explores in.
        seed: of starting points and latents.
        robot_config: the hand: a robot.yaml, its folder, or a robot's name.
    """
    require_counts(num_tasks=num_tasks, num_trials=num_trials, num_episodes=num_episodes)
    require_seeds(seed=seed)
    require_writable(out, "OUT")
    spec = load_robot_spec(robot_config)
    loaded = load_bundle(bundle, spec)
    family = claw_family(loaded.manifest.provenance.family, loaded.path_of(MANIFEST), spec)
    chosen = choose_tasks(
        "emulated",
        family,
        (bundle / TASKS).resolve(),
        task=None
        if task is None
        else str(Path(task).absolute()),  # FILE:INDEX, wherever it is read
        tasks=None if tasks is None else tasks.absolute(),
        num_tasks=num_tasks,
    )
    episodes = num_episodes or default_episodes(loaded)
    protocol = TrialProtocol(num_episodes=episodes, num_trials=num_trials, seed=seed)
    write_plan(out, make_plan(chosen.tasks, protocol, chosen.sha256))
    count = len(chosen.tasks)
    say_what_is_untrained(loaded.settings(), episodes)
    print(f"{out}: {count} tasks of {family.name}, {num_trials} trials of {episodes} episodes")
