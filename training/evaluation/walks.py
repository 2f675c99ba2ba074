"""Walks on the sparse half circle, trial by trial side by side: learners and references.

A trial is drawn as its episodes, the first dark and later ones lighter, with the rim within which
the goal pays. As data it is one position a line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sim2real.contract.output_file import write_with
from sim2real.evaluation.protocol import TrialProtocol
from training.evaluation.meta_test import MakeActor, write_table
from training.exact.half_circle import SCENE, HalfCircle, walk_of_sampler
from training.exact.half_circle_sweep import best_sweep, walk_of_sweep
from training.families.sparse_point_robot import SparsePointRobot
from training.tasks.task import Task
from training.worlds.ties import Array
from training.worlds.vector_world import Float

COLUMNS = ("who", "episode", "step", "x_m", "y_m", "reward")


class Walk(NamedTuple):
    """One trial."""

    position_m: Array
    """(E, T + 1, 2) from the start of each episode"""
    reward: Array
    """(E, T) what each step paid"""


def walk_of_learner(make_actor: MakeActor, task: Task, protocol: TrialProtocol) -> Walk:
    """The first trial that a meta-test by this protocol plays on the task, were it alone there."""
    world, actor = SparsePointRobot().make_world(1), make_actor([task])
    actor.begin_trial(protocol.common_latent_seed())
    one = np.ones(1, bool)
    positions: list[list[Float]] = []
    rewards: list[list[float]] = []
    for seed in protocol.episode_seeds():
        observation = world.reset([task], seed)
        actor.begin_episode(one)
        positions.append([observation[0]])
        rewards.append([])
        for _ in range(world.episode_length):
            result = world.step(actor.act(observation).action)
            transition = result.transition(observation)
            actor.observe(transition, result.sparse_reward, one)
            positions[-1].append(transition.next_observation[0])
            rewards[-1].append(float(result.sparse_reward[0]))
            observation = result.observation
    return Walk(np.array(positions, np.float64), np.array(rewards))


def walks_of_references(task: Task, protocol: TrialProtocol) -> Mapping[str, Walk]:
    """The ideal posterior sampler, and the best sweep, in the steps of `PointWorld`."""
    problem = HalfCircle(limit="axis", num_episodes=protocol.num_episodes)
    goal = np.array(task.parameters["goal"])
    rng = np.random.default_rng(protocol.common_latent_seed())
    sweep = best_sweep(problem).sweep
    return {
        "ideal posterior sampler": Walk(*walk_of_sampler(problem, goal, rng)),
        "sweep": Walk(*walk_of_sweep(problem, sweep, goal)),
    }


def write_walks(walks: Mapping[str, Walk], path: Path) -> None:
    """A position a line; the first of each episode is its start, which pays nothing."""
    write_table(path, COLUMNS, _lines(walks))


def _lines(walks: Mapping[str, Walk]) -> Iterator[Sequence[Any]]:
    for who, walk in walks.items():
        for episode, (positions, rewards) in enumerate(zip(*walk, strict=True)):
            for step, (position, reward) in enumerate(zip(positions, [0.0, *rewards], strict=True)):
                yield who, episode, step, *(repr(float(each)) for each in (*position, reward))


def draw_walks(walks: Mapping[str, Walk], task: Task, path: Path) -> None:
    """A panel for each walk, with what its trial earned."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure  # without pyplot: no window system, no global state
    from matplotlib.patches import Circle

    figure = Figure(figsize=(3.0 * len(walks), 2.6), layout="constrained")
    panels = figure.subplots(1, len(walks), squeeze=False, sharex=True, sharey=True)[0]
    angle_rad = np.linspace(0.0, np.pi, 100)
    for axes, (who, walk) in zip(panels, walks.items(), strict=True):
        axes.plot(np.cos(angle_rad), np.sin(angle_rad), color="0.8", linewidth=1)
        x, y = task.parameters["goal"]
        rim = Circle((x, y), SCENE.success_radius_m, color="tab:green", alpha=0.25)
        axes.add_patch(rim)
        num_episodes = len(walk.position_m)
        for episode in reversed(range(num_episodes)):  # the first ones on top
            share = 1.0 - 0.8 * episode / max(num_episodes - 1, 1)
            axes.plot(*walk.position_m[episode].T, color=colormaps["plasma"](1.0 - share), lw=1.2)
        earned = f"{walk.reward.sum():.1f} in {num_episodes} episodes"
        axes.set(title=f"{who}\n{earned}", aspect="equal", xlabel="m")
        axes.title.set_fontsize("small")
    write_with(path, lambda beside: figure.savefig(beside, format="png", dpi=120))
