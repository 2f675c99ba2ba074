"""How close VariBAD's belief comes to Bayes' on the gridworld, where that is known exactly.

What a latent means is what its decoder makes of it: to be paid in a cell is to have the goal in it.
So the decoded chances of being paid, cell by cell, are a distribution over goals once they are
divided by their sum; it is held against the exact posterior after the same history, by their total
variation: half the sum of absolute differences, 0 for equal and 1 for disjoint ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from training.algorithms.varibad import VariBad
from training.families.gridworld import GridworldFamily
from training.parts.actor import Actor, Drawn, Memoryless
from training.parts.elbo import Steps
from training.parts.read_out import gaussian_of
from training.parts.trials import Trials, collect_trials
from training.tasks.task import Task
from training.worlds.gridworld import Gridworld, Index, first_belief, updated_belief
from training.worlds.ties import Array
from training.worlds.vector_world import Float

NUM_LATENTS = 64
"""draws from a belief whose decoded chances are averaged"""
Walk = Literal["policy", "random"]


class Posteriors(NamedTuple):
    """Over G goals after each of N histories, (N, G)."""

    decoded: Array
    exact: Array

    @property
    def distance(self) -> Array:
        """(N,) total variation between them."""
        return np.asarray(0.5 * np.abs(self.decoded - self.exact).sum(-1))

    @property
    def distance_of_prior(self) -> Array:
        """(N,) what it would be had the history taught nothing."""
        return np.asarray(0.5 * np.abs(1.0 / self.exact.shape[-1] - self.exact).sum(-1))


class RandomWalk(Memoryless):
    """Any move, whatever was seen."""

    def __init__(self, shape: tuple[int, int], seed: int) -> None:
        self._shape, self._rng = shape, np.random.default_rng(seed)

    def act(self, observation: Float) -> Drawn:
        return Drawn(self._rng.normal(size=self._shape).astype(np.float32))


@torch.no_grad()
def posteriors(
    learner: VariBad, family: GridworldFamily, *, num_histories: int, seed: int, walk: Walk
) -> Posteriors:
    """After histories of any length from one step to a whole trial, each with a goal drawn anew.

    They are walked by the learner's policy as it explores, which the belief was taught on, or at
    random.
    """
    grid, rng = family.grid, np.random.default_rng(seed)
    drawn = family.sample(rng, len(grid.goals))
    chosen = rng.integers(len(drawn), size=num_histories)
    tasks = [Task(family=family.name, name=str(k), parameters=drawn[k]) for k in chosen]
    trials = _walked(learner, family, tasks, seed, walk)
    length = rng.integers(1, len(trials.reward) + 1, size=num_histories)
    statistics = learner.state.statistics
    context = statistics.normalize_context(trials.context, learner.layout)
    read = learner.encoder.beliefs(context)[length, np.arange(num_histories)]
    return Posteriors(
        decoded_goals(learner, grid, read).cpu().numpy().astype(np.float64),
        _exact_goals(grid, trials, length),
    )


def _walked(
    learner: VariBad, family: GridworldFamily, tasks: Sequence[Task], seed: int, walk: Walk
) -> Trials:
    """(T, N) one trial on every task, as the world gave it."""
    world = family.make_world(len(tasks))
    actor: Actor = (
        RandomWalk((len(tasks), world.action_size), seed)
        if walk == "random"
        else learner.make_actor(tasks, is_deterministic=False)
    )
    return collect_trials(
        world,
        tasks,
        actor,
        num_episodes=family.grid.num_episodes,
        seed=seed,
        device=learner.state.device,
        context_layout=learner.layout,
    )


def decoded_goals(learner: VariBad, grid: Gridworld, read: Tensor) -> Tensor:
    """(..., G) the chance of every goal, as decoded from beliefs (..., 2 L)."""
    place = _observed(grid, torch.from_numpy(grid.goals)).to(read)
    at = learner.state.statistics.normalize(place)
    belief, generator = gaussian_of(read), torch.Generator(read.device).manual_seed(0)
    noise = torch.randn(
        NUM_LATENTS, *belief.mean.shape, generator=generator, device=read.device, dtype=read.dtype
    )
    latent = (belief.mean + belief.log_std.exp() * noise)[..., None, :]
    shape = (*latent.shape[:-2], len(place))
    stay = torch.eye(learner.layout.action_size).to(read)[0].expand(*shape, -1)
    at = at.expand(*shape, -1)
    logit = learner.decoder.predicted_reward(
        latent.expand(*shape, -1), Steps(at, stay, read.new_zeros(shape), at)
    )
    chance = torch.sigmoid(logit).mean(0)
    return chance / chance.sum(-1, keepdim=True)


def _exact_goals(grid: Gridworld, trials: Trials, length: Index) -> Array:
    """(N, G) Bayes' rule over the first `length` (N,) steps of each trial."""
    column_row = 0.5 * (trials.next_observation.cpu().numpy() + 1.0) * (grid.size - 1)
    cell = (column_row @ np.array([1.0, grid.size])).round().astype(np.int64)
    is_paid = trials.reward.cpu().numpy() > 0.0
    belief = first_belief(grid, len(length))
    for step in range(len(cell)):
        updated = updated_belief(grid, belief, cell[step], is_paid[step])
        belief = np.where((step < length)[:, None], updated, belief)
    return belief


def _observed(grid: Gridworld, cell: Tensor) -> Tensor:
    """(..., 2) what the world shows of cells."""
    place = torch.stack([cell % grid.size, cell // grid.size], -1).float()
    return 2.0 * place / (grid.size - 1) - 1.0
