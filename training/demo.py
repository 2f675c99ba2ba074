"""`taskbelief demo`: a shipped policy meets valves it has never turned, and gets them right.

The furthest part of the pipeline that works end to end: a bundle is loaded, verifies itself
against the robot, and runs through the robot's own control loop on the simulated claw.
"""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from sim2real.contract.robot_spec import load_robot_spec
from sim2real.runtime.verify import load_bundle
from training.evaluation.evaluate_bundle import Options, evaluate

BUNDLES = Path(__file__).resolve().parents[1] / "bundles"


def demo(
    bundle: Path = BUNDLES / "valve_turn",
    num_tasks: int = 20,
    num_episodes: int = 3,
    seed: int = 0,
) -> int:
    """Run a shipped bundle on held-out tasks in simulation and show its belief sharpen.

    Args:
        bundle: which bundle.
        num_tasks: held-out tasks.
        num_episodes: episodes of a trial; the last one is the adapted one.
        seed: of starting points and latents.
    """
    console = Console(highlight=False, soft_wrap=True)
    spec = load_robot_spec()
    loaded = load_bundle(bundle, spec)
    console.print(f"bundle {loaded.manifest.name} ({loaded.digest[:12]}): verified for {spec.name}")
    outcome = evaluate(
        bundle, options=Options(num_tasks=num_tasks, num_episodes=num_episodes, seed=seed)
    )
    console.print(
        "\nNot part of this demo yet: the emulated servo bus and the ROS 2 graph around the policy."
        "\nNothing here ran on hardware."
    )
    return outcome
