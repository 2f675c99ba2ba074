"""`taskbelief demo`: a shipped policy meets valves it has never turned, and gets them right.

The furthest part of the pipeline that works end to end: a bundle is loaded, verifies itself
against the robot, and runs through the robot's own controller on the simulated claw.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rich.console import Console

from sim2real.contract.robot_spec import load_robot_spec
from sim2real.evaluation.trial import Arena, Ledger, TrialProtocol, run_episode
from sim2real.runtime.bundle import MANIFEST, TASKS
from sim2real.runtime.controller import Controller
from sim2real.runtime.verify import load_bundle
from training.evaluation.bundle_test import claw_family, evaluate
from training.evaluation.simulated import simulated_arenas
from training.families.task import Task, load_task_set

BUNDLES = Path(__file__).resolve().parents[1] / "bundles"


def demo(
    bundle: Path = BUNDLES / "valve_turn",
    num_shown: int = 3,
    num_tasks: int = 20,
    num_episodes: int = 3,
    seed: int = 0,
) -> None:
    """Run a shipped bundle on held-out tasks in simulation and show its belief sharpen.

    Args:
        bundle: which bundle.
        num_shown: tasks whose episodes are shown one by one.
        num_tasks: held-out tasks of the comparison at the end.
        num_episodes: episodes of a trial; the last one is the adapted one.
        seed: of starting points and latents.
    """
    console = Console(highlight=False, soft_wrap=True)
    spec = load_robot_spec()
    loaded = load_bundle(bundle, spec)
    manifest = loaded.manifest
    family = claw_family(manifest.provenance.family, loaded.path_of(MANIFEST))
    tasks = load_task_set(bundle / TASKS).test[:num_tasks]
    console.print(f"bundle {manifest.name} ({loaded.digest[:12]}): verified for {spec.name}")
    console.print(f"simulated claw, {len(tasks)} held-out tasks of {family.name}\n")
    controller = Controller(loaded, spec)
    protocol = TrialProtocol(num_episodes=num_episodes, seed=seed)
    shown = zip(tasks, simulated_arenas(family.scene, tasks), strict=True)
    for task, open_arena in list(shown)[:num_shown]:
        console.print(_described(task))
        with open_arena() as arena:
            _show_trial(console, controller, arena, protocol)
    evaluate(bundle, num_tasks=num_tasks, num_episodes=num_episodes, seed=seed)
    console.print(
        "\nNot part of this demo yet: the emulated servo bus and the ROS 2 graph around the policy."
        "\nNothing here ran on hardware."
    )


def _show_trial(
    console: Console, controller: Controller, arena: Arena, protocol: TrialProtocol
) -> None:
    """One line per episode of a trial: what came of it, and what is believed after it."""
    *seeds, latent_seed = protocol.episode_seeds()
    controller.begin_trial(seed=latent_seed)
    ledger = Ledger()
    for episode, seed in enumerate(seeds):
        result = run_episode(controller, arena, seed, ledger)
        belief = controller.belief
        spread = np.sqrt(belief.variance).mean()
        outcome = "[green]success[/green]" if result.is_success else "[red]missed [/red]"
        console.print(
            f"  episode {episode}: {outcome}  return {result.total_reward:6.1f}   belief: "
            f"{belief.num_transitions:3d} transitions, sd {spread:.3f}, "
            f"{belief.kl_from_prior:5.1f} nats from the prior"
        )
    console.print()


def _described(task: Task) -> str:
    values = (
        f"{name} {', '.join(f'{number:.3g}' for number in value)}"
        for name, value in task.parameters.items()
    )
    return f"[bold]{task.name}[/bold]  " + "; ".join(values)
